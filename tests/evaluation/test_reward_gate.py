"""Ads put together from a cache of rewrites: choices by hand, greedy search against a look at all, additivity."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from autorefine_lib.evaluation import reward_gate
from autorefine_lib.reward.config import RewardConfig
from autorefine_lib.reward.judge import Judge
from autorefine_lib.reward.reward import RankingReward

RNG = np.random.default_rng(5)
PEOPLE = Dataset.from_dict(
    {
        "candidate_id": [f"p{number}" for number in range(40)],
        "occupation": ["cook"] * 40,
        "gender": ["male"] * 20 + ["female"] * 20,
    }
)
STANDING = RNG.normal(size=40)
JOBS = Dataset.from_dict(
    {
        "job_id": [f"j{number}" for number in range(6)],
        "text": [f"We hire {number} cooks. The kitchen is bold. Join us." for number in range(6)],
        "occupation": ["cook"] * 6,
    }
)
LIFT = {"kind": 0.4, "warm": 0.7, "bold": -0.5, "hard": -0.6}


def rank(ads: list[str]) -> np.ndarray:
    """Every listed word moves the women by what it says; the rest of an ad decides who competes well."""
    lift = [sum(ad.count(word) * by for word, by in LIFT.items()) for ad in ads]
    return (
        STANDING
        + 0.05 * np.array([[len(ad) % 7] for ad in ads])
        + np.outer(lift, np.array(PEOPLE["gender"]) == "female")
    )


def embed(ads: list[str]) -> np.ndarray:
    return np.ones((len(ads), 1))


JUDGE = Judge(SimpleNamespace(rank=rank, embed=embed), JOBS, PEOPLE, "gender", 8)
COMPLETIONS = ["We hire kind cooks.", "We hire hard cooks.", "The kitchen is warm.", "The kitchen is hard.", "", "x"]


def test_the_spread_is_that_of_the_accepted_rewrites_of_one_sentence():
    rows = [("a", 0, 1.0, []), ("a", 0, 3.0, []), ("a", 0, 9.0, ["form"]), ("a", 2, 50.0, []), ("a", 2, 50.0, []),
            ("a", 2, 53.0, []), ("b", 0, 7.0, [])]  # fmt: skip
    cache = pd.DataFrame(rows, columns=["job_id", "position", "reward", "reasons"]).assign(protected=False)
    # Squares 1, 1 and 1, 1, 4; two sentences with two and three rewrites have 3 degrees of freedom.
    assert reward_gate.spread(cache) == pytest.approx((8 / 3) ** 0.5)
    assert np.isnan(reward_gate.spread(cache.iloc[[2, 3, 6]]))
    # It is the fee for a refusal, up to that for a protected word; without a spread the fee stays.
    config = RewardConfig(w_violation=0.1, w_protected=0.5)
    assert reward_gate.scale_fee(config, cache).w_violation == 0.5
    assert reward_gate.scale_fee(config, cache.assign(reward=cache["reward"] / 10)).w_violation == pytest.approx(
        (8 / 3) ** 0.5 / 10
    )
    assert reward_gate.scale_fee(config, cache.iloc[[2, 3, 6]]) == config


@pytest.fixture(scope="module")
def reward() -> RankingReward:
    def finish(source: str, completion: str) -> tuple[str, dict]:
        return (completion, {}) if len(completion) > 1 else (source, {"form": ["is empty"]} if completion else {})

    return RankingReward(JUDGE, finish, RewardConfig(smoothing=0.25))


@pytest.fixture(scope="module")
def cache(reward: RankingReward) -> pd.DataFrame:
    rows = [
        (text, job, place)
        for job in JOBS["job_id"]
        for text, place in zip(COMPLETIONS, (0, 0, 2, 2, 2, 4), strict=True)
    ]
    return reward.score(*zip(*(rows * 2), strict=True))


def test_accepted_are_those_that_pass_and_change_each_once(cache: pd.DataFrame):
    rows = reward_gate.accepted(cache)
    assert len(rows) == 6 * 4 and set(rows["text"]) == set(COMPLETIONS[:4])


def test_choices_by_hand(reward: RankingReward, cache: pd.DataFrame):
    best = reward_gate.best_per_sentence(cache)
    # Women are behind: what lifts them is chosen, and nothing where all would lower them.
    assert best == {job: {0: "We hire kind cooks.", 2: "The kitchen is warm."} for job in JOBS["job_id"]}
    assert reward_gate.best_per_sentence(cache.assign(reward=-1.0)) == {}
    by_hard = reward_gate.best_per_sentence(cache[cache["text"] != "The kitchen is warm."], "hard")
    assert set(by_hard["j0"]) <= {0}
    drawn = [reward_gate.random_per_sentence(cache, seed) for seed in range(20)]
    assert all(set(of) == {0, 2} for chosen in drawn for of in chosen.values())
    assert {chosen["j0"][0] for chosen in drawn} == {"We hire kind cooks.", "We hire hard cooks."}
    assert drawn[0] == reward_gate.random_per_sentence(cache, 0)
    assert reward_gate.deploy_all(JUDGE, best)[0] == "We hire kind cooks. The kitchen is warm. Join us."
    assert reward_gate.deploy_all(JUDGE, {}) == JOBS["text"]


def test_greedy_search_stops_at_parity_and_leaves_nothing_to_gain(reward: RankingReward, cache: pd.DataFrame):
    chosen = reward_gate.greedy_search(reward, cache)

    def gap(edits: reward_gate.Chosen) -> float:
        texts = reward_gate.deploy_all(JUDGE, edits)
        return reward.linear.gap(dict(zip(JOBS["job_id"], texts, strict=True)))

    together = {name: gap(of) for name, of in (("none", {}), ("best", reward_gate.best_per_sentence(cache)))}
    assert gap(chosen) < 0.5 * together["none"]
    assert gap(chosen) <= together["best"] + 1e-9, "best of N overshoots where all gains add up"
    # The last sentence of the last ad: no other option would have been better.
    *_, last = JOBS["job_id"]
    options = [{**chosen, last: {**chosen.get(last, {}), 2: text}} for text in COMPLETIONS[2:4]]
    options.append({**chosen, last: {place: text for place, text in chosen.get(last, {}).items() if place != 2}})
    assert gap(chosen) == pytest.approx(min(map(gap, options)))


def test_greedy_search_of_one_sentence_each_is_a_look_at_all_options_in_turn(
    reward: RankingReward, cache: pd.DataFrame
):
    first = cache[(cache["position"] == 0) & cache["job_id"].isin(["j0", "j1"])]
    chosen = reward_gate.greedy_search(reward, first)
    ads: dict[str, str] = {}
    for job in ("j0", "j1"):
        tried = [{}, *({job: reward_gate.deploy(reward.measures.original(job), {0: text})} for text in COMPLETIONS[:2])]
        ads |= min(tried, key=lambda one: reward.linear.gap(ads | one))
    assert {job: reward_gate.deploy(reward.measures.original(job), of) for job, of in chosen.items()} == ads


def test_the_table(reward: RankingReward, cache: pd.DataFrame):
    choices = {
        "random": reward_gate.random_per_sentence(cache),
        "best of 2": reward_gate.best_per_sentence(cache),
        "greedy search": reward_gate.greedy_search(reward, cache),
    }
    table = reward_gate.compare(JUDGE, reward, choices, "female", "male").set_index("choice")
    assert table.index.tolist() == ["original ads", *choices] and (table["pool"] == "whole").all()
    selected = np.argsort(-rank(list(JOBS["text"])), axis=1)[:, :8] >= 20
    women = selected.sum()
    assert table.loc["original ads", "impact_ratio"] == pytest.approx(women / (6 * 8 - women))
    assert table.loc["original ads", "closeness"] == pytest.approx(women / (6 * 8 - women))
    assert table["sentences"].tolist()[:3] == [0, 12, 12]
    assert table.loc["best of 2", "impact_ratio"] > table.loc["random", "impact_ratio"]
    assert table["soft_gap"].idxmin() == "greedy search"


def test_additivity_by_hand(reward: RankingReward, cache: pd.DataFrame):
    pairs = list(itertools.product(COMPLETIONS[:2], COMPLETIONS[2:4]))
    chosen = {job: {0: pair[0], 2: pair[1]} for job, pair in zip(JOBS["job_id"], pairs + pairs, strict=False)}
    table = reward_gate.additivity(reward, cache, {"all": chosen, "one": {"j0": {0: COMPLETIONS[0]}}})
    table = table.set_index(["choice", "signal"])
    # Scores move by sums of words, so their means do, but for the standard deviation that they are divided by.
    assert table.loc[("all", "projection"), "slope"] == pytest.approx(1, abs=0.2)
    assert table.loc[("all", "projection"), "r"] > 0.99 and table.loc[("all", "selection"), "r"] > 0.9
    assert table.loc[("all", "selection"), "ads"] == 6 and table.loc["one"][["r", "slope"]].isna().all(axis=None)
    singles = reward.score([COMPLETIONS[0], COMPLETIONS[2]], ["j0", "j0"], [0, 2])["selection"].sum()
    assert singles != pytest.approx(0)


def test_a_rewrite_alone_is_measured_without_its_ad(reward: RankingReward, cache: pd.DataFrame):
    rows = reward_gate.read_alone(reward, cache)
    assert len(rows) == len(reward_gate.accepted(cache))
    kind = rows[rows["text"] == "We hire kind cooks."].iloc[0]
    # The same edit of an ad of this one sentence; the women are behind, so what lifts them pays.
    before, after = (reward.measures([text], ["j0"])["distance"][0] for text in (kind["source"], kind["text"]))
    women = reward.measures.groups.index("female")
    assert kind["alone"] == pytest.approx((after - before)[women]) and kind["alone"] > 0
    assert set(np.sign(rows.loc[rows["text"].str.contains("hard"), "alone"])) == {-1.0}


def test_what_the_words_decide_is_foretold_and_chance_is_not():
    rng = np.random.default_rng(0)
    worth = {"kind": 1.0, "warm": 0.5, "hard": -1.0}
    rows = [
        (f"ad {ad}", place, f"we hire {ad}", f"we hire {ad} {word}", worth[word], rng.normal())
        for ad, place, word in itertools.product(range(20), (0, 2), worth)
    ]
    names = ["job_id", "position", "source", "text", "projection", "selection"]
    cache = pd.DataFrame(rows, columns=names).assign(changed=True, protected=False, reasons=[[]] * len(rows))
    cache["hard"] = 2 * cache["projection"]
    # Where the rest of an ad adds something to its sentence that is the same for all rewrites, it changes no choice.
    cache["alone"] = cache["projection"] + cache["job_id"].str.len()
    told = reward_gate.predictability(cache).set_index("signal")
    assert told.loc["projection", "r_within"] > 0.99 and abs(told.loc["selection", "r_within"]) < 0.3
    assert told.loc["projection", "rank_with_hard"] == pytest.approx(1) and set(told["rewrites"]) == {120}
    assert told.loc["projection", "alone_within"] == pytest.approx(1)
    assert abs(told.loc["selection", "alone_within"]) < 0.3
    # One ad: nothing is left to learn from.
    assert reward_gate.predictability(cache[cache["job_id"] == "ad 0"])[["r", "r_within"]].isna().all(axis=None)
    none = reward_gate.predictability(cache.assign(changed=False))
    assert none["r"].isna().all() and list(none) == list(told.reset_index()) and set(none["rewrites"]) == {0}
