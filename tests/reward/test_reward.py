"""Marginal contributions in reading order: assembled ads, draws, refusals, protected words; with a toy recommender."""

import dataclasses

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.errors import InputError
from autorefine_lib.reward.ad_value import AdValues, RewardConfig, selection_weights
from autorefine_lib.reward.reward import build_reward, parts, score_episodes

AD = "We want bold people. The pay is good. Be bold always."
FIRST, LAST = "We want bold people.", "Be bold always."
JOBS = Dataset.from_dict({"job_id": ["n", "o"], "text": [AD, "Other bold ad here."], "occupation": ["nurse", "nurse"]})
CANDIDATES = Dataset.from_dict({"occupation": ["nurse"] * 6, "gender": ["m", "f"] * 3})


def rank(ads: list[str]) -> np.ndarray:
    """Men and women in turn; every "bold" puts the women down, every "kind" puts them up."""
    lift = np.array([[0.1 * (ad.lower().count("kind") - ad.lower().count("bold")) + 0.05 for ad in ads]]).T
    return np.linspace(0.6, 0.1, 6) + lift * np.array([0, 1] * 3)


def finish(source: str, completion: str) -> tuple[str, list[str]]:
    return (source, ["is empty"]) if not completion else (completion, [])


CONFIG = RewardConfig(w_quality=0.5, w_violation=0.07, w_protected=0.3)
VALUES = AdValues(rank, JOBS, CANDIDATES, "gender", 2, CONFIG)


def value(ad: str, job_id: str = "n") -> float:
    return VALUES([ad], [job_id])["value"][0]


def rewards(completions: list[str], positions: list[int], job_id: str = "n") -> list[float]:
    reward = build_reward(rank, JOBS, CANDIDATES, "gender", 2, finish, CONFIG)
    return reward([""] * len(completions), completions, job_id=[job_id] * len(completions), position=positions)


def test_it_is_a_plain_function_with_a_name():
    assert build_reward(rank, JOBS, CANDIDATES, "gender", 2, finish).__name__ == "fairness_reward"


def test_whole_ad_earns_its_gain_in_value():
    rewrite = AD.replace("bold", "kind", 1)
    assert rewards([rewrite], [-1]) == [pytest.approx(value(rewrite) - value(AD))]
    assert rewards([rewrite], [-1])[0] > 0.01


def test_sentences_of_one_ad_earn_what_they_add_in_reading_order():
    first, last = FIRST.replace("bold", "kind"), LAST.replace("bold", "kind")
    both, half = AD.replace("bold", "kind"), AD.replace(FIRST, first)
    expected = [pytest.approx(value(half) - value(AD)), pytest.approx(value(both) - value(half))]
    assert rewards([first, last], [0, 4]) == expected
    assert rewards([last, first], [4, 0]) == expected[::-1]  # whatever the order of the rows


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_the_sentences_of_a_draw_share_out_the_gain_of_its_ad(kinds):
    config = dataclasses.replace(CONFIG, w_meaning=0.0)
    completions = [
        f"{source}{' Kind' * kind}" for source, kind in zip((FIRST, "The pay is good.", LAST), kinds, strict=True)
    ]
    reward = build_reward(rank, JOBS, CANDIDATES, "gender", 2, finish, config)
    ours = reward([""] * 3, completions, job_id=["n"] * 3, position=[0, 2, 4])
    assert sum(ours) == pytest.approx(reward([""], [" ".join(completions)], job_id=["n"], position=[-1])[0])


def test_overshooting_costs_what_it_would_cost_the_ad():
    last = "Be kind kind kind kind kind kind always."
    assert rewards([last], [4]) == [pytest.approx(value(AD.replace(LAST, last)) - value(AD))]
    assert rewards([last], [4])[0] < rewards(["Be kind always."], [4])[0]


def test_repeats_of_a_sentence_are_separate_draws():
    first, last = FIRST.replace("bold", "kind"), LAST.replace("bold", "kind")
    # Draw 0: both sentences rewritten. Draw 1: only the first one changed.
    ours = rewards([first, first, last, LAST], [0, 0, 4, 4])
    assert ours[0] == pytest.approx(rewards([first, last], [0, 4])[0])
    assert ours[1] == pytest.approx(value(AD.replace(FIRST, first)) - value(AD))
    assert ours[3] == 0


def test_an_unchanged_sentence_earns_exactly_nothing():
    assert rewards([FIRST, "Be kind always.", AD], [0, 4, -1])[::2] == [0, 0]


def test_a_refused_completion_pays_and_leaves_the_others_alone():
    ours = rewards(["", LAST.replace("bold", "kind")], [0, 4])
    assert ours[0] == -0.07
    assert ours[1] == rewards([LAST.replace("bold", "kind")], [4])[0]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["she", "Women", "young", "female", "s\u200bhe"]), st.integers(0, 5), st.booleans())
def test_a_protected_word_never_gains_even_when_the_finish_lets_it_pass(word, kind, whole):
    completion = f"We want {word} people. " + "kind " * kind
    assert rewards([completion], [-1 if whole else 0]) == [-0.3]
    episodes = score_episodes(VALUES, finish, [completion], ["n"], [0])
    assert episodes["text"][0] == FIRST and episodes["protected"][0]


def test_jobs_share_parity_and_nothing_else():
    def embed(texts: list[str]) -> np.ndarray:
        angles = np.array([0.3 * text.lower().count("kind") for text in texts])
        return np.column_stack([np.cos(angles), np.sin(angles)])

    without_parity = dataclasses.replace(CONFIG, w_parity=0.0)
    reward = build_reward(rank, JOBS, CANDIDATES, "gender", 2, finish, without_parity, embed)
    first, other = FIRST.replace("bold", "kind"), "Other kind ad here."
    ours = reward(["", ""], [first, other], job_id=["n", "o"], position=[0, 0], company=["a", "b"])
    alone = [reward([""], [text], job_id=[job], position=[0])[0] for text, job in ((first, "n"), (other, "o"))]
    assert ours == pytest.approx(alone) and min(ours) < 0, "the losses of a job do not depend on the other"


def test_every_part_is_logged_and_adds_up():
    logged = {}
    reward = build_reward(rank, JOBS, CANDIDATES, "gender", 2, finish, CONFIG)
    completions, positions = [FIRST.replace("bold", "kind"), "", "She is kind."], [0, 4, 2]
    ours = reward([""] * 3, completions, job_id=["n"] * 3, position=positions, log_metric=logged.__setitem__)
    assert logged["reward/changed"] == pytest.approx(1 / 3)
    assert logged["reward/refused"] == pytest.approx(1 / 3)
    assert logged["reward/protected"] == pytest.approx(1 / 3)
    assert logged["reward/parity"] == pytest.approx(ours[0] / 3)
    episodes = score_episodes(VALUES, finish, completions, ["n"] * 3, positions)
    assert {f"reward/{name}" for name in parts(episodes)} == set(logged)


def test_pooled_ads_are_judged_by_their_common_parity():
    config = dataclasses.replace(CONFIG, w_quality=0.0, w_meaning=0.0)
    first, other = FIRST.replace("bold", "kind"), "Other kind ad here."
    ours = build_reward(rank, JOBS, CANDIDATES, "gender", 2, finish, config)(
        ["", ""], [first, other], job_id=["n", "o"], position=[0, 0]
    )
    values = AdValues(rank, JOBS, CANDIDATES, "gender", 2, config)

    def pooled(ad: str, second: str) -> float:
        """min(r, 1/r) of the two ads' summed exposures, by hand: both have three women and three men."""
        women, men = values.measure([ad, second], ["n", "o"]).exposure.sum(0)
        return min(women / men, men / women)

    original = values.original("o")
    together = pooled(AD.replace(FIRST, first), other)
    assert ours[0] == pytest.approx(2 * (together - pooled(AD, other)))
    assert ours[1] == pytest.approx(2 * (together - pooled(AD.replace(FIRST, first), original)))


def test_pooling_one_ad_is_judging_it_by_itself():
    pooled = build_reward(rank, JOBS, CANDIDATES, "gender", 2, finish, CONFIG)
    completions, positions = [FIRST.replace("bold", "kind"), LAST.replace("bold", "kind")], [0, 4]
    ours = pooled(["", ""], completions, job_id=["n", "n"], position=positions)
    assert ours == pytest.approx(rewards(completions, positions))


def test_one_rank_call_a_step():
    calls = []

    def counted(ads: list[str]) -> np.ndarray:
        calls.append(len(ads))
        return rank(ads)

    reward = build_reward(counted, JOBS, CANDIDATES, "gender", 2, finish)
    completions = [FIRST.replace("bold", "kind"), LAST.replace("bold", "kind"), FIRST]
    reward([""] * 3, completions, job_id=["n"] * 3, position=[0, 4, 0])
    assert calls == [3]  # the original, the ad with its first sentence rewritten, and with both


def test_no_change_needs_no_parity():
    assert rewards([], []) == []
    assert rewards(["", ""], [0, 4]) == [-0.07, -0.07]


@pytest.mark.parametrize(("job_id", "position", "message"), [("x", 0, "'x'"), ("n", 1, "position 1"), ("n", 6, "6")])
def test_bad_columns_are_named(job_id, position, message):
    with pytest.raises(InputError, match=message):
        rewards(["text"], [position], job_id)


def test_exposures_are_pooled_and_watched_groups_earn_nothing():
    people = CANDIDATES.add_column("race", ["x", "x", "x", "y", "y", None])
    plain, watching = (AdValues(rank, JOBS, people, "gender", 2, CONFIG, watched=names) for names in ((), ("race",)))
    arguments = (finish, [FIRST.replace("bold", "kind"), "Other kind ad here."], ["n", "o"], [0, -1])
    seen, unseen = score_episodes(watching, *arguments), score_episodes(plain, *arguments)
    assert not [name for name in unseen if name.startswith("watched")]
    assert seen[unseen.columns].equals(unseen)
    weights = selection_weights(rank(["We want kind people. The pay is good. Be bold always.", "Other kind ad here."]),
                                2, CONFIG.smoothing)  # fmt: skip
    found = parts(seen)
    assert found["exposure/m"] == pytest.approx(weights[:, ::2].mean())
    assert found["watched/race/y"] == pytest.approx(weights[:, 3:5].mean())
    weights = selection_weights(rank(list(JOBS["text"])), 2, CONFIG.smoothing)
    assert found["exposure_original/f"] == pytest.approx(weights[:, 1::2].mean())
    assert found["watched_original/race/x"] == pytest.approx(weights[:, :3].mean())


def test_exposure_without_parity_is_unknown():
    values = AdValues(rank, JOBS, CANDIDATES, "gender", 6, CONFIG)  # everyone is selected
    found = parts(score_episodes(values, finish, [FIRST], ["n"], [0]))
    assert np.isnan(found["exposure/f"]) and np.isnan(found["exposure_original/m"])


def test_the_guard_against_protected_words_can_be_switched_off():
    """To show what it is for; the judge of whole ads then decides alone."""
    guards = tuple(name for name in CONFIG.guards if name != "protected")
    config = dataclasses.replace(CONFIG, guards=guards)
    reward = build_reward(rank, JOBS, CANDIDATES, "gender", 2, finish, config)
    completion = "We want kind women. The pay is good. Be bold always."
    assert reward([""], [completion], job_id=["n"], position=[-1])[0] > 0
    assert rewards([completion], [-1]) == [-0.3]
