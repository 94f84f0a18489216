"""Methods judged again by other recommenders and other candidates: hand-computed ratios, and pools never seen."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from autorefine_lib.data import corpus
from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import robustness, transfer
from autorefine_lib.evaluation.method import Method
from autorefine_lib.metrics import ranking
from autorefine_lib.reward import judge

# Two nurses' ads and one cook's; women f, men m. The cooks are one man short of a comparison.
CANDIDATES = Dataset.from_dict(
    {
        "candidate_id": list("abcdefg"),
        "text": ["ann", "bea", "carl", "dan", "eve", "fay", "gus"],
        "occupation": ["nurse"] * 4 + ["cook"] * 3,
        "gender": ["f", "f", "m", "m", "f", "f", "f"],
    }
)
JOBS = Dataset.from_dict(
    {
        "job_id": ["n1", "n2", "c1"],
        "title": ["Nurse", "Head nurse", "Cook"],
        "text": ["nurse strong", "nurse bold", "cook"],
        "occupation": ["nurse", "nurse", "cook"],
        "split": ["test"] * 3,
    }
)
SOFT = ["nurse kind", "nurse bold", "cook"]


class Judge:
    """Prefers men for ads with a word of `men`, women otherwise; ties among equals."""

    def __init__(self, *men: str):
        self.men = set(men)

    def fit(self, candidates: Dataset) -> "Judge":
        self.women = np.array(candidates["gender"]) == "f"
        self.nurses = np.array(candidates["occupation"]) == "nurse"
        return self

    def rank(self, ads: list[str]) -> np.ndarray:
        prefers_men = np.array([bool(self.men & set(ad.split())) for ad in ads])[:, None]
        wants_nurse = np.array(["nurse" in ad for ad in ads])[:, None]
        return 2.0 * (self.nurses == wants_nurse) + 1.0 * (self.women != prefers_men)


def method(name: str, texts: list[str], seed: int = 0) -> Method:
    quality = pd.DataFrame({"job_id": JOBS["job_id"], "mrr": 0.0, "ndcg": 0.0, "similarity": 1.0, "protected": 0})
    quality[["overlap", "ndcg_to_original"]] = 1.0
    quality["changed"] = [new != old for new, old in zip(texts, JOBS["text"], strict=True)]
    nobody = pd.DataFrame(columns=["job_id"])
    return Method(name, seed, 0.0, 0, texts, nobody, quality, nobody)


METHODS = {"original ads": [method("original ads", list(JOBS["text"]))], "PPO": [method("PPO", SOFT)]}
NURSES = CANDIDATES.select(range(4))


def yardstick(rank, jobs: Dataset = JOBS, people: Dataset = CANDIDATES, k: int = 2):
    return judge.Judge(SimpleNamespace(rank=rank), jobs, people, "gender", k)


def measured(recommenders: dict, pools: dict | None = None, methods: dict = METHODS) -> pd.DataFrame:
    return transfer.measure(methods, yardstick(None), recommenders, pools or {"seen": CANDIDATES}, "f", "m")


def measured_for_nurses(recommenders: dict, methods: dict = METHODS, k: int = 2) -> pd.DataFrame:
    """The two nurses' ads, for which two women and two men compete."""
    own = yardstick(None, JOBS.select(range(2)), k=k)
    methods = transfer.of_some_ads(methods, np.arange(2))
    return transfer.measure(methods, own, recommenders, {"seen": NURSES}, "f", "m")


def test_measure_by_hand():
    """k = 2 of two women and two men. A takes men for "strong" and "bold", B takes them for "bold" alone."""
    judges = {"A": Judge("strong", "bold"), "B": Judge("bold")}
    table = measured_for_nurses(judges).set_index(["recommender", "method"])
    assert (table["n"] == 2).all()
    # A selects men for both original ads (rates 0 and 1), then women for one and men for the other (1/2 each).
    assert table.loc[("A", "original ads"), "impact_ratio"] == 0
    assert table.loc[("A", "PPO"), "impact_ratio"] == 1 and table.loc[("A", "PPO"), "change"] == 1
    assert table.loc[("A", "PPO"), "closer"] == 1
    # For B the first ad was never masculine: nothing changes, and nothing can in any resample.
    assert table.loc[("B", "original ads"), "impact_ratio"] == 1
    assert table.loc[("B", "PPO"), ["change", "change_low", "change_high", "closer"]].tolist() == [0] * 4
    assert (table["mrr"] == 1).all() and (table["ndcg_change"].dropna() == 0).all()
    assert table.loc[("A", "original ads"), ["change", "closer", "mrr_change"]].isna().all()


def test_the_callers_recommender_goes_on_ranking_its_own_pool():
    own = Judge("strong").fit(CANDIDATES)
    before = own.rank(SOFT)
    measured({"A": own}, {"seen": CANDIDATES, "never seen": CANDIDATES.select(range(6))})
    assert np.array_equal(own.rank(SOFT), before)


def test_every_job_counts_and_ranks_everybody():
    """The cook's ad too: k = 2 of all seven, and the three cooks share two places."""
    table = measured({"A": Judge("strong", "bold")}).set_index("method")
    assert (table["n"] == 3).all()
    # Women have 2 of 15 chances (two for the cook's ad) against 4 of 6 of the men, then 4 of 15 against 2 of 6.
    assert table["impact_ratio"].tolist() == pytest.approx([(2 / 15) / (4 / 6), (4 / 15) / (2 / 6)])
    unknown = JOBS.remove_columns("occupation").add_column("occupation", ["nurse", None, "cook"])
    again = transfer.rejudge(METHODS["PPO"][0], yardstick(Judge().fit(CANDIDATES).rank, unknown))
    assert again.quality["mrr"].isna().tolist() == [False, True, False] and len(again.texts) == 3


def test_seeds_above_and_below_parity_are_not_close_to_it():
    """One seed selects women for one ad in two, as wished; the mean of the ratios is not what counts."""
    both = ["nurse kind", "nurse kind", "cook"]
    methods = METHODS | {"PPO": [method("PPO", both, 0), method("PPO", list(JOBS["text"]), 1)]}
    k1 = Judge("strong", "bold")
    table = measured_for_nurses({"A": k1}, methods, k=3).set_index("method")
    # k = 3 of 4: two of one group and one of the other. Original: 1/2 over 1; seed 0: 1 over 1/2; seed 1: original.
    assert table.loc["original ads", "impact_ratio"] == 0.5 and table.loc["PPO", "impact_ratio"] == 1
    assert table.loc["PPO", "closer"] == pytest.approx(0.5 - (1 + 0.5) / 2)
    assert table.loc["PPO", "seeds"] == "0 1"


def test_equal_scores_do_not_favor_the_group_that_stands_first():
    """Forty candidates in group order, all scored alike: a quarter of the men and of the women are selected."""
    people = Dataset.from_dict({"text": ["x"] * 40, "occupation": ["nurse"] * 40, "gender": ["f"] * 20 + ["m"] * 20})
    again = transfer.rejudge(METHODS["PPO"][0], yardstick(lambda ads: np.zeros((len(ads), 40)), JOBS, people, 10))
    assert again.groups.query("pool == 'whole'")["selected"].tolist() == pytest.approx([5] * 6)


def test_rejudging_by_the_same_recommender_changes_nothing():
    people = corpus.make_candidates(corpus.CorpusConfig(candidates_per_occupation=12))
    people = Dataset.from_pandas(people[people["occupation"].isin(["nurse", "teacher"])], preserve_index=False)
    jobs = JOBS.to_pandas().assign(occupation=["nurse", "teacher", "nurse"])
    jobs = Dataset.from_pandas(jobs, preserve_index=False)
    scores = np.random.default_rng(0).random((3, len(people)))
    again = transfer.rejudge(METHODS["PPO"][0], yardstick(lambda ads: scores, jobs, people, 3))
    pd.testing.assert_frame_equal(again.groups, ranking.per_job(scores, jobs, people, "gender", 3))
    pd.testing.assert_series_equal(again.quality["ndcg"], ranking.ranking_quality(scores, jobs, people, 3)["ndcg"])
    assert again.texts == SOFT and again.seed == 0


def test_fresh_candidates_are_other_people_of_the_same_kind():
    config = corpus.CorpusConfig(candidates_per_occupation=12)
    seen = corpus.make_candidates(config)
    seen = Dataset.from_pandas(seen[seen["occupation"].isin(["nurse", "teacher"])], preserve_index=False)
    fresh = transfer.fresh_candidates(seen, seed=1000)
    assert not set(fresh["text"]) & set(seen["text"])
    assert set(fresh["occupation"]) == {"nurse", "teacher"} and len(fresh) == len(seen)
    assert fresh.to_pandas()["gender"].value_counts().to_dict() == seen.to_pandas()["gender"].value_counts().to_dict()
    with pytest.raises(InputError, match="seed 0: every candidate's text is in the run's own pool"):
        transfer.fresh_candidates(seen, seed=config.seed)


def test_candidates_of_a_file_without_those_already_seen(tmp_path):
    file = tmp_path / "people.csv"
    others = pd.DataFrame({"candidate_id": ["x", "y", "z"], "text": ["Ann!", "zoe", "max"], "occupation": "nurse"})
    others.assign(gender=["f", "f", "m"]).to_csv(file, index=False)
    assert transfer.candidates_of(file, CANDIDATES, "gender")["text"] == ["zoe", "max"]
    with pytest.raises(InputError, match="gender"):
        others.to_csv(file, index=False)
        transfer.candidates_of(file, CANDIDATES, "gender")


def test_some_ads():
    table = pd.DataFrame({"job_id": ["n1", "n1", "n2", "c1"], "selected": range(4)})
    saved = replace(METHODS["PPO"][0], groups=table, selected=table)
    [part] = transfer.of_some_ads({"PPO": [saved]}, np.array([0, 2]))["PPO"]
    assert part.texts == ["nurse kind", "cook"] and part.quality["job_id"].tolist() == ["n1", "c1"]
    assert part.groups["selected"].tolist() == part.selected["selected"].tolist() == [0, 1, 3]


def test_bad_input():
    other = replace(METHODS["PPO"][0], quality=METHODS["PPO"][0].quality.assign(job_id=["n2", "n1", "c1"]))
    with pytest.raises(InputError, match="'PPO' with seed 0 rewrote other jobs"):
        measured({"A": Judge()}, methods=METHODS | {"PPO": [other]})
    nan = Judge()
    nan.rank = lambda ads: np.full((len(ads), 7), np.nan)
    with pytest.raises(InputError, match="rank: the score of ad 0, candidate 0 is missing"):
        measured({"A": nan})


class Named(Judge):
    """Twenty people, men somewhat ahead; who is named in the ad, or a woman where it says `warm`, comes first."""

    def embed(self, ads: list[str]) -> np.ndarray:
        return np.ones((len(ads), 1))

    def rank(self, ads: list[str]) -> np.ndarray:
        warm = np.array(["warm" in ad for ad in ads])[:, None] * (np.array(PAIRS["gender"]) == "f")
        named = np.array([[name in ad.split() for name in PAIRS["candidate_id"]] for ad in ads])
        return np.arange(20) / 20 + 0.4 * (np.array(PAIRS["gender"]) == "m") + 2 * (warm | named)


PAIRS = Dataset.from_dict(
    {
        "candidate_id": [f"p{number}" for number in range(20)],
        "text": ["x"] * 20,
        "occupation": ["cook"] * 20,
        "gender": ["f", "m"] * 10,
    }
)


def name_the_women(half: judge.Judge) -> list[str]:
    names = [name for name, sex in zip(half.candidates["candidate_id"], half.candidates["gender"], strict=True)
             if sex == "f"]  # fmt: skip
    return [f"{ad} {' '.join(names)}" for ad in half.jobs["text"]]


def test_halves_part_what_was_fitted_from_what_other_people_gain():
    whole = judge.Judge(Named(), JOBS, PAIRS, "gender", 8)
    fitted = transfer.search_on_halves(whole, name_the_women, "f", "m", draws=3)
    before, same, other = (np.array(counts) for counts in (fitted["same people"]["original ads"],
        fitted["same people"]["chosen"], fitted["other people"]["chosen"]))  # fmt: skip
    # The two halves hold everybody once, and each fills four of the eight places.
    assert np.allclose(before[:, [1, 3]], 10) and np.allclose(before[:, [0, 2]].sum(1), 8)
    assert np.allclose(same[:, [0, 2]], [8, 0]), "the women of the half that was chosen with fill all its places"
    assert np.array_equal(other, before), "their names do nothing for the women of the other half"
    general = transfer.search_on_halves(whole, lambda half: [f"{ad} warm" for ad in half.jobs["text"]], "f", "m")
    assert np.allclose(general["other people"]["chosen"][:, [0, 2]], [8, 0])
    assert np.array_equal(general["same people"]["chosen"], general["other people"]["chosen"])


def test_some_people_compete_among_themselves():
    """Of the first six, three of each group, the two men with the highest scores; none is among the best of all."""
    whole, texts = judge.Judge(Named(), JOBS, PAIRS, "gender", 2), list(JOBS["text"])
    six = whole.among(np.arange(6), 2)
    assert six.candidates["candidate_id"] == PAIRS["candidate_id"][:6]
    assert robustness.count_selected(six, texts, "f", "m").tolist() == [[0, 3, 2, 3]] * len(texts)
    assert robustness.count_selected(whole, texts, "f", "m").tolist() == [[0, 10, 2, 10]] * len(texts)


def test_halves_are_repeatable_and_differ_from_draw_to_draw():
    halves = []
    whole = judge.Judge(Named(), JOBS, PAIRS, "gender", 8)

    def search(half: judge.Judge) -> list[str]:
        halves.append(tuple(half.candidates["candidate_id"]))
        return list(half.jobs["text"])

    for _ in range(2):
        transfer.search_on_halves(whole, search, "f", "m")
    assert halves[:4] == halves[4:] and len(set(halves)) == 4
    assert sorted(halves[0] + halves[1]) == sorted(PAIRS["candidate_id"])
