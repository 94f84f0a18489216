"""The linearised reward: four candidates and two ads by hand, its gradient, its invariances, what it refuses to pay."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.errors import InputError
from autorefine_lib.reward import parity_gap
from autorefine_lib.reward.ad_measures import AdMeasures, score_contrast
from autorefine_lib.reward.config import RewardConfig
from autorefine_lib.reward.judge import Judge
from autorefine_lib.reward.linear_gap import LinearGap
from autorefine_lib.reward.reward import RankingReward, deploy

FIRST, LAST = "We want bold people.", "Be bold always."
AD = f"{FIRST} The pay is good. {LAST}"
OTHER = "Other bold ad here."
JOBS = Dataset.from_dict({"job_id": ["n", "o"], "text": [AD, OTHER], "occupation": ["nurse", "nurse"]})
PEOPLE = Dataset.from_dict({"occupation": ["nurse"] * 4, "gender": ["m", "f", "m", "f"]})
START = np.array([0.6, 0.5, 0.4, 0.3])


def rank(ads: list[str]) -> np.ndarray:
    """Men and women in turn; every "bold" puts the women down, every "kind" puts them up."""
    lift = np.array([[0.04 * (ad.lower().count("kind") - ad.lower().count("bold"))] for ad in ads])
    return START + lift * (np.array(PEOPLE["gender"]) == "f")


def finish(source: str, completion: str) -> tuple[str, dict[str, list[str]]]:
    return (source, {"form": ["is empty"]}) if not completion else (completion, {})


CONFIG = RewardConfig(signal="selection", w_quality=0.0, w_violation=0.07, w_protected=0.3, smoothing=0.5)
JUDGE = Judge(SimpleNamespace(rank=rank, embed=None), JOBS, PEOPLE, "gender", 2)


def reward(judge: Judge = JUDGE, watched=(), **config) -> RankingReward:
    return RankingReward(judge, finish, replace(CONFIG, **config), watched)


def earn(ours: RankingReward, completions: list[str], positions: list[int], job_id: str = "n", **more) -> list[float]:
    return ours([""] * len(completions), completions, job_id=[job_id] * len(completions), position=positions, **more)


def weights(ad: str, smoothing: float = 0.5) -> np.ndarray:
    """By hand: the threshold is midway between the second and the third score."""
    scores = rank([ad])[0]
    tau, width = np.sort(scores)[1:3].mean(), smoothing * scores.std()
    return 1 / (1 + np.exp(-(scores - tau) / width))


def test_four_candidates_and_two_ads_by_hand():
    first, last = FIRST.replace("bold", "kind"), LAST.replace("bold", "kind")
    women, men = np.array([1, 3]), np.array([0, 2])
    # Two ads with two women each, and one place more for the eight: half of it for the women.
    exposed = [sum(weights(ad)[group].sum() for ad in (AD, OTHER)) + 0.5 for group in (women, men)]
    assert exposed[0] < 0.95 * exposed[1], "women are behind"
    slope = np.zeros(4)
    slope[women], slope[men] = 1 / exposed[0], -1 / exposed[1]
    expected = [
        2 * slope @ (weights(AD.replace(old, new)) - weights(AD)) for old, new in ((FIRST, first), (LAST, last))
    ]
    assert earn(reward(), [first, last], [0, 4]) == pytest.approx(expected) and expected[0] > 0.01
    assert earn(reward(), [last], [4]) == pytest.approx(expected[1:]), "whatever else is in the batch"
    assert earn(reward(), [AD.replace("bold", "kind")], [-1]) == pytest.approx(
        [2 * slope @ (weights(AD.replace("bold", "kind")) - weights(AD))]
    )


def test_it_is_the_gradient_of_the_pooled_gap():
    """A tiny change of one ad is worth twice what it takes off the gap of the two."""

    def nearly(ads: list[str]) -> np.ndarray:
        return rank([AD if ad != OTHER else ad for ad in ads]) + 1e-6 * np.array([["tiny" in ad] for ad in ads]) * [
            0.3, 1, -0.5, 2,
        ]  # fmt: skip

    ours = reward(replace(JUDGE, recommender=SimpleNamespace(rank=nearly, embed=None)))
    [found] = earn(ours, ["The pay is tiny."], [2])
    ads = {"n": deploy(AD, {2: "The pay is tiny."})}
    assert found == pytest.approx(2 * (ours.linear.gap({}) - ours.linear.gap(ads)), rel=1e-3) and found != 0


def test_women_ahead_are_pulled_back():
    judge = replace(
        JUDGE,
        jobs=JOBS.remove_columns("text").add_column("text", ["Kind kind. Kind kind kind.", "Kind kind kind kind."]),
    )
    up, down = earn(reward(judge), ["Kind kind kind.", "Kind."], [0, 0])
    assert up < 0 < down


def test_nothing_is_paid_at_parity():
    even = np.array([0.6, 0.6, 0.4, 0.4])
    judge = replace(JUDGE, recommender=SimpleNamespace(rank=lambda ads: rank(ads) - START + even, embed=None))
    jobs = JOBS.remove_columns("text").add_column("text", ["Bold and kind.", "Kind and bold."])
    ours = reward(replace(judge, jobs=jobs))
    logged = {}
    assert (ours.score(["Kind kind.", "Bold."], ["n", "n"], [0, 0])[["selection", "projection"]] == 0).all(axis=None)
    assert earn(ours, ["Kind kind.", "Bold."], [0, 0], log_metric=logged.__setitem__) == [0, 0]
    assert logged["reward/at_parity"] == 1 and logged["reward/gap"] == pytest.approx(0)
    ours.refresh({"o": "Bold bold bold."})
    assert earn(ours, ["Kind kind."], [0])[0] > 0, "until the other ad is somewhere else"


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(8)), st.integers(0, 99))
def test_the_order_of_the_candidates_changes_nothing(order, seed):
    rng = np.random.default_rng(seed)
    drawn = {ad: rng.normal(size=8) for ad in (AD, OTHER, deploy(AD, {0: "New."}))}
    people = Dataset.from_dict(
        {"occupation": ["nurse", "cook", None, "nurse"] * 2, "gender": ["m", "f", "m", None, "f", "f", "m", "f"]}
    )

    def table(places) -> pd.DataFrame:
        recommender = SimpleNamespace(rank=lambda ads: np.array([drawn[ad] for ad in ads])[:, places], embed=None)
        judge = Judge(recommender, JOBS, people.select(places), "gender", 2)
        return reward(judge, w_quality=1.0).score(["New.", FIRST], ["n", "n"], [0, 0])

    pd.testing.assert_frame_equal(table(list(order)), table(list(range(8))), rtol=1e-9, atol=1e-12)


def test_an_unchanged_text_earns_exactly_nothing():
    assert earn(reward(), [FIRST, "Be kind always.", AD], [0, 4, -1])[::2] == [0, 0]


def test_a_refused_completion_pays_its_fee_and_names_its_guard():
    ours = reward()
    assert earn(ours, [""], [0]) == [-0.07]
    table = ours.score(["", "Be kind always."], ["n", "n"], [0, 4])
    assert table["reasons"].tolist() == [["form"], []] and table["text"].tolist() == [FIRST, "Be kind always."]
    assert ours.parts(table)["refused/form"] == ours.parts(table)["refused"] == 0.5


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["she", "Women", "young", "female", "s\u200bhe"]), st.integers(0, 5), st.booleans())
def test_a_protected_word_never_gains_even_when_the_finish_lets_it_pass(word, kind, whole):
    completion = f"We want {word} people. " + "kind " * kind
    assert earn(reward(), [completion], [-1 if whole else 0]) == [-0.3]
    table = reward().score([completion], ["n"], [0])
    assert table["text"][0] == FIRST and table["protected"][0]


def test_the_guard_against_protected_words_can_be_switched_off():
    """To show what it is for."""
    guards = tuple(name for name in CONFIG.guards if name != "protected")
    completion = "We want kind women. The pay is good. Be bold always."
    assert earn(reward(guards=guards), [completion], [-1])[0] > 0 > earn(reward(), [completion], [-1])[0]


TRADES = Dataset.from_dict({"occupation": ["nurse", "nurse", "cook", "cook"], "gender": ["m", "f", "m", "f"]})


def test_lost_quality_is_taken_off_and_nothing_is_where_nobody_knows_who_is_relevant():
    def swap(ads: list[str]) -> np.ndarray:
        """Nurses come first, unless the ad says kind: then cooks do."""
        return np.array([[0.1, 0.2, 0.9, 0.8] if "kind" in ad else [0.9, 0.8, 0.2, 0.1] for ad in ads])

    judge = Judge(SimpleNamespace(rank=swap, embed=None), JOBS, TRADES, "gender", 2)
    table = reward(judge, w_quality=2.0).score(["Kind kind.", "We are kind."], ["n", "o"], [0, -1])
    # The first nurse falls from rank 1 to 3, and both out of the first two places.
    assert table[["mrr_loss", "ndcg_loss"]].values.tolist() == [[pytest.approx(2 / 3), 1]] * 2
    assert table["reward"].tolist() == pytest.approx((table["parity"] - 2 * (2 / 3 + 1)).tolist())
    unknown = JOBS.remove_columns("occupation").add_column("occupation", ["nurse", None])
    table = reward(replace(judge, jobs=unknown), w_quality=2.0).score(
        ["Kind kind.", "We are kind."], ["n", "o"], [0, -1]
    )
    assert table["mrr_loss"].tolist() == [pytest.approx(2 / 3), 0] and table["reward"][1] == table["parity"][1]


def test_where_all_are_selected_there_is_nothing_to_earn():
    all_selected = reward(replace(JUDGE, k=4))
    assert earn(all_selected, [FIRST.replace("bold", "kind")], [0]) == [0] and np.isnan(all_selected.linear.gap({}))
    assert np.isnan(all_selected.linear.closeness({}))


def test_settings_have_their_own_gaps():
    """Nurses' ads select women, cooks' ads men: together they are near parity, each for itself far from it."""
    ads = [f"{'kind ' * 5}{number}" for number in range(5)] + [f"{'bold ' * 5}{number}" for number in range(5)]
    jobs = Dataset.from_dict({"job_id": ads, "text": ads, "occupation": ["nurse"] * 5 + ["cook"] * 5})
    flat = SimpleNamespace(rank=lambda ads: rank(ads) - START + [0.5, 0.5, 0.4, 0.4], embed=None)
    judge = Judge(flat, jobs, TRADES, "gender", 2)
    unnamed = jobs.remove_columns("occupation").add_column("occupation", [None] * 10)
    each, together = reward(judge), reward(replace(judge, jobs=unnamed))
    assert set(each.linear.gaps) == {"nurse", "cook"} and set(together.linear.gaps) == {"other ads"}
    kinder = [earn(each, ["kind " * 6], [-1], ads[0])[0], earn(each, ["bold " * 4], [-1], ads[-1])[0]]
    assert kinder[0] < 0 < kinder[1], "women lead for the nurses' ads, men for the cooks'"
    assert earn(together, ["kind " * 6], [-1], ads[0]) == [0] and together.linear.gap({}) < 0.05 < each.linear.gap({})
    assert each.linear.closeness({}) < 1 == together.linear.closeness({})


def test_ads_without_an_occupation_are_settings_by_cluster_and_small_settings_are_one():
    texts = [f"{'red' if number % 2 else 'blue'} {number}" for number in range(60)]
    occupations = ["nurse"] * 5 + ["cook"] * 4 + [None] * 51
    jobs = Dataset.from_dict({"job_id": texts, "text": texts, "occupation": occupations})

    def embed(ads: list[str]) -> np.ndarray:
        return np.array([[1.0, 0.0] if "red" in ad else [0.0, 1.0] for ad in ads])

    def settings_of(embed=embed) -> dict[str, str]:
        recommender = SimpleNamespace(rank=rank, embed=embed)
        return reward(Judge(recommender, jobs, PEOPLE, "gender", 2)).linear.setting

    found = settings_of()  # 55 ads are enough for two clusters of 20 or more
    assert {found[ad] for ad in texts[:5]} == {"nurse"} and len({found[ad] for ad in texts[5:]}) == 2
    assert {found[ad] for ad in texts[5:] if "red" in ad}.isdisjoint({found[ad] for ad in texts[5:] if "blue" in ad})
    assert {*settings_of(embed=None).values()} == {"nurse", "other ads"}
    odd = settings_of(lambda ads: np.array([[float(ad in texts[9:12]), 0.0] for ad in ads]))
    assert {odd[ad] for ad in texts[9:12]} == {"other ads"}, "a cluster of three is no setting"


def test_projection_is_the_distance_of_the_mean_scores_within_occupations():
    members = np.array([[False, True, False, True], [True, False, True, False]])
    contrast = score_contrast(members, TRADES)
    np.testing.assert_allclose(contrast, np.array([[-0.5, 0.5, -0.5, 0.5], [0.5, -0.5, 0.5, -0.5]]))
    # Three nurses weigh 2 * 1 / 3, two cooks 1 * 1 / 2: shares 4/7 and 3/7. Who is of no group is not counted.
    people = Dataset.from_dict({"occupation": ["nurse"] * 4 + ["cook"] * 2 + ["dj"]})
    members = np.array([[1, 1, 0, 0, 1, 0, 1], [0, 0, 1, 0, 0, 1, 0]], bool)
    expected = np.array([2 / 7, 2 / 7, -4 / 7, 0, 3 / 7, -3 / 7, 0])
    np.testing.assert_allclose(score_contrast(members, people)[0], expected)

    ours = reward()
    shifted = AD.replace(FIRST, FIRST.replace("bold", "kind"))
    rows = AdMeasures(JUDGE, 0.5)([AD, shifted], ["n", "n"])
    scores = rank([AD, shifted])
    gaps = (scores[:, 1::2].mean(1) - scores[:, ::2].mean(1)) / scores.std(1)
    # The hazard of a normal distribution at its middle, for the best two of four: phi(0) / 0.5.
    np.testing.assert_allclose(rows["distance"][:, 0], gaps * 0.3989423 / 0.5, rtol=1e-6)
    # Both groups count, each half, and move apart in opposite directions.
    table = ours.score([FIRST.replace("bold", "kind")], ["n"], [0])
    assert table["projection"][0] == pytest.approx((gaps[1] - gaps[0]) * 0.3989423 / 0.5)
    assert table["parity"][0] == table["selection"][0] != table["projection"][0]


def test_several_groups_and_intersections():
    people = PEOPLE.add_column("race", ["x", "y", "y", None])
    judge = replace(JUDGE, candidates=people, attribute=("gender", "race"))
    ours = reward(judge)
    assert ours.measures.groups == ["f & y", "m & x", "m & y"]
    exposure = np.array([weights(AD)[[1, 0, 2]] + weights(OTHER)[[1, 0, 2]]])
    assert ours.linear.gap({}) == pytest.approx(parity_gap.gap(exposure, np.array([2, 2, 2]))[0])
    assert earn(reward(replace(judge, attribute=["gender"])), ["Kind."], [0]) == earn(reward(), ["Kind."], [0])


def test_exposures_are_logged_and_watched_groups_earn_nothing():
    people = PEOPLE.add_column("race", ["x", "x", "y", None])
    judge = replace(JUDGE, candidates=people)
    first, last = FIRST.replace("bold", "kind"), LAST.replace("bold", "kind")
    logged = {}
    watching = reward(judge, watched=("race",))
    assert earn(watching, [first, last], [0, 4], log_metric=logged.__setitem__) == earn(reward(), [first, last], [0, 4])
    changes = [weights(AD.replace(old, new)) - weights(AD) for old, new in ((FIRST, first), (LAST, last))]
    # Of one ad the changes of its sentences add up.
    assert logged["reward/exposure/f"] == pytest.approx((weights(AD) + sum(changes))[1::2].mean())
    assert logged["reward/exposure_original/f"] == pytest.approx(weights(AD)[1::2].mean())
    assert logged["reward/watched/race/x"] == pytest.approx((weights(AD) + sum(changes))[:2].mean())
    assert logged["reward/watched_original/race/y"] == pytest.approx(weights(AD)[2])
    # Two draws of one sentence stand for one another.
    two = watching.parts(watching.score([first, FIRST, last, last], ["n"] * 4, [0, 0, 4, 4]))
    assert two["exposure/f"] == pytest.approx((weights(AD) + changes[0] / 2 + changes[1])[1::2].mean())
    assert two["changed"] == 0.75


def test_a_refresh_takes_the_gap_of_the_ads_of_now():
    ours, kinder = reward(), [FIRST.replace("bold", "kind")]
    before = earn(ours, kinder, [0])
    ours.refresh({"n": AD.replace("bold", "kind"), "o": OTHER.replace("bold", "kind kind kind kind kind kind")})
    assert ours.linear.gaps["other ads"] != LinearGap(ours.measures).gaps["other ads"]
    assert earn(ours, kinder, [0])[0] < 0 < before[0], "now women are ahead"
    ours.refresh({})
    assert earn(ours, kinder, [0]) == before
    with pytest.raises(InputError, match="job_id 'x' is not one of the 2 jobs"):
        ours.refresh({"x": "text"})


def test_each_ad_is_ranked_once():
    calls = []

    def counted(ads: list[str]) -> np.ndarray:
        calls.append(list(ads))
        return rank(ads)

    ours = reward(replace(JUDGE, recommender=SimpleNamespace(rank=counted, embed=None)))
    assert calls == [[AD, OTHER]]
    kinder = [FIRST.replace("bold", "kind"), FIRST, FIRST.replace("bold", "kind")]
    earned = earn(ours, kinder, [0, 0, 0])
    assert calls[1:] == [[AD.replace(FIRST, kinder[0])]] and earned[0] == earned[2]
    ours.refresh({"n": AD.replace(FIRST, kinder[0])})
    earn(ours, kinder, [0, 0, 0])
    assert len(calls) == 2, "nothing is ranked again"


def test_no_rows():
    assert earn(reward(), [], []) == [] and reward().__name__ == "fairness_reward"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: earn(reward(), ["text"], [0], "x"), "job_id 'x' is not one of the 2 jobs"),
        (
            lambda: earn(reward(), ["text"], [1]),
            "position 1 is no sentence of job 'n'; allowed: -1, or even numbers to 4",
        ),
        (lambda: earn(reward(), ["text"], [6]), "position 6"),
        (
            lambda: reward(replace(JUDGE, recommender=SimpleNamespace(rank=lambda ads: rank(ads) * np.nan))),
            "not a finite number",
        ),
        (lambda: reward(replace(JUDGE, attribute="race")), "no column 'race'"),
        (lambda: reward(replace(JUDGE, k=5)), "k=5 is not between 1 and 4"),
        (lambda: RewardConfig(w_quality=-1), "w_quality=-1 is negative"),
        (lambda: RewardConfig(w_parity=float("nan")), "w_parity=nan"),
        (lambda: RewardConfig(w_protected=0), "below w_violation"),
        (lambda: RewardConfig(smoothing=0), "smoothing=0"),
        (lambda: RewardConfig(signal="soft"), "signal='soft' is not one of selection, projection, hard"),
        (lambda: RewardConfig(guards=("facts", "fact")), "'fact' is no guard"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
