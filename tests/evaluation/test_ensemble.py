"""One recommender or several: searches by hand, what a sentence changes under each, and how far they agree."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from scipy import stats

from autorefine_lib.evaluation import ensemble, reward_gate
from autorefine_lib.reward import parity_gap
from autorefine_lib.reward.config import RewardConfig
from autorefine_lib.reward.judge import Judge
from autorefine_lib.reward.reward import RankingReward

RNG = np.random.default_rng(3)
PEOPLE = Dataset.from_dict(
    {
        "candidate_id": [f"p{number}" for number in range(60)],
        "text": ["x"] * 60,
        "occupation": ["cook"] * 60,
        "gender": ["male"] * 30 + ["female"] * 30,
    }
)
WOMEN, STANDING = np.array(PEOPLE["gender"]) == "female", RNG.normal(size=60)
JOBS = Dataset.from_dict(
    {
        "job_id": [f"j{number}" for number in range(6)],
        "text": [f"We hire {number} cooks. The kitchen is bold." for number in range(6)],
        "occupation": ["cook"] * 6,
    }
)


class Lifting:
    """Every word of `lift` moves the women by what it says."""

    def __init__(self, **lift: float):
        self.lift = lift

    def rank(self, ads: list[str]) -> np.ndarray:
        return STANDING + np.outer([sum(ad.count(word) * by for word, by in self.lift.items()) for ad in ads], WOMEN)

    def embed(self, ads: list[str]) -> np.ndarray:
        return np.ones((len(ads), 1))


ONE, TWO = Lifting(bold=-0.9, warm=-0.2, kind=-0.5), Lifting(bold=-0.9, warm=-1.1, kind=-0.5)
"""`warm` pleases the first much and harms the second; `kind` pleases both."""
JUDGE = Judge(ONE, JOBS, PEOPLE, "gender", 8)
CACHE = pd.DataFrame(
    [
        (job, 2, "The kitchen is bold.", f"The kitchen is {word}.")
        for job in JOBS["job_id"]
        for word in ("warm", "kind")
    ],
    columns=["job_id", "position", "source", "text"],
).assign(reasons=[[]] * 12, protected=False, changed=True)


@pytest.fixture(scope="module")
def members():
    return ensemble.build_members(JUDGE, {"one": ONE, "two": TWO}, 0.2)


def chosen_words(chosen: reward_gate.Chosen) -> set[str]:
    return {text.split()[-1] for of_ad in chosen.values() for text in of_ad.values()}


def test_one_recommender_is_pleased_at_the_cost_of_another(members):
    one, two = members.values()
    assert chosen_words(reward_gate.search_for_several([one], CACHE)) == {"warm."}
    assert chosen_words(reward_gate.search_for_several([two], CACHE)) == {"kind."}
    # Under the worst of the two only what helps both is taken.
    worst = reward_gate.search_for_several([one, two], CACHE, np.max)
    assert chosen_words(worst) == {"kind."} and len(worst) == 6
    only_warm = CACHE[CACHE["text"].str.contains("warm")]
    assert reward_gate.search_for_several([one, two], only_warm, np.max) == {}
    assert chosen_words(reward_gate.search_for_several([one, two], only_warm)) == {"warm."}, "the mean is better off"


def test_the_search_for_one_is_greedy_search():
    reward = RankingReward(JUDGE, lambda source, completion: (completion, {}), RewardConfig(smoothing=0.2))
    assert reward_gate.greedy_search(reward, CACHE) == reward_gate.search_for_several(
        [reward.linear, reward.linear], CACHE
    )


def test_the_search_closes_the_gap_that_it_is_given(members):
    two = [members["two"]]
    # Of two groups the worst gap is the mean one; to open the gap nothing is better than the originals.
    assert reward_gate.search_for_several(two, CACHE, gap=parity_gap.worst_gap) == reward_gate.search_for_several(
        two, CACHE
    )
    assert reward_gate.search_for_several([members["one"]], CACHE, gap=lambda *of: -parity_gap.gap(*of)) == {}


def test_a_constant_recommender_changes_nothing():
    constant = SimpleNamespace(rank=lambda ads: np.ones((len(ads), 60)))
    members = ensemble.build_members(JUDGE, {"constant": constant}, 0.2)
    assert reward_gate.search_for_several(list(members.values()), CACHE) == {}
    assert (ensemble.measure_sentences(members, CACHE, "female", "male")["constant"] == 0).all()


def test_what_a_sentence_changes(members):
    changes = ensemble.measure_sentences(members, CACHE, "female", "male")
    assert changes.shape == (12, 2)
    by_word = changes.groupby(CACHE["text"].str.contains("warm")).mean()
    assert (by_word.loc[False] > 0.1).all() and by_word.loc[False, "one"] == pytest.approx(by_word.loc[False, "two"])
    assert by_word.loc[True, "one"] > by_word.loc[False, "one"] and by_word.loc[True, "two"] < 0
    # By hand: of the soft exposures of one ad.
    linear = members["two"]
    before, after = linear.measures([JOBS["text"][0], JOBS["text"][0].replace("bold", "warm")], ["j0", "j0"])[
        "exposure"
    ]
    women, men = (linear.measures.groups.index(name) for name in ("female", "male"))
    assert changes["two"][0] == pytest.approx(np.log(after[women] / after[men] * before[men] / before[women]))


def test_correlations_are_those_of_scipy():
    ads = pd.Series(np.repeat(list("abcdefgh"), 5))
    one = RNG.normal(size=40)
    changes = pd.DataFrame({"one": one, "two": 0.5 * one + RNG.normal(size=40), "three": RNG.normal(size=40)})
    table = ensemble.correlate_recommenders(changes, ads).set_index(["one", "other"])
    assert list(table.index) == [("one", "two"), ("one", "three"), ("two", "three")]
    line = stats.linregress(changes["one"], changes["two"])
    row = table.loc["one", "two"]
    assert [row["r"], row["slope"], row["r2"]] == pytest.approx([line.rvalue, line.slope, line.rvalue**2])
    assert row["r_low"] < row["r"] < row["r_high"] and row["n"] == 40
    still = ensemble.correlate_recommenders(changes.assign(three=0.0), ads)
    assert still["r"].isna().tolist() == [False, True, True]


def test_without_a_rewrite_nothing_is_correlated(members):
    changes = ensemble.measure_sentences(members, CACHE[:0], "female", "male")
    none, some = (ensemble.correlate_recommenders(table, CACHE["job_id"][: len(table)])
                  for table in (changes, ensemble.measure_sentences(members, CACHE, "female", "male")))  # fmt: skip
    assert len(none) == 0 and list(none) == list(some)
