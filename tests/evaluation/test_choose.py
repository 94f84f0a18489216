"""Rewrites chosen by their measured effect: the better one is taken, no refused one is, and the effect adds up."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from tiny_models import tiny_model, tiny_tokenizer

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import choose, reward_gate
from autorefine_lib.generator.generator import Generator
from autorefine_lib.metrics import ranking
from autorefine_lib.reward.reward import RankingReward

FIRST, SECOND = "You will cook bold meals for the guests.", "We are looking for a driven cook for our team."
AD = f"{FIRST} {SECOND}"
PEOPLE = Dataset.from_dict(
    {
        "candidate_id": [f"p{number}" for number in range(40)],
        "text": ["cook"] * 40,
        "gender": ["male"] * 20 + ["female"] * 20,
    }
)
LIFT = {"committed": 0.5, "eager": 0.1, "motivated": -0.4, "seven": 9.0, "tasty": 0.3, "daring": -0.3}
STANDING = np.random.default_rng(5).normal(size=40) + 0.7 * (np.array(PEOPLE["gender"]) == "male")


def rank(ads: list[str]) -> np.ndarray:
    """Men lead. Each listed word lifts the women, or lowers them."""
    lift = [sum(ad.count(word) * by for word, by in LIFT.items()) for ad in ads]
    return STANDING + np.outer(lift, np.array(PEOPLE["gender"]) == "female")


def embed(ads: list[str]) -> np.ndarray:
    return np.ones((len(ads), 1))


RECOMMENDER = SimpleNamespace(rank=rank, embed=embed)


class Fake(Generator):
    """Puts the next of a list of words in the place of a word."""

    words = {"driven": ["eager", "committed", "motivated"], "bold": ["daring"]}

    def complete(self, sources, temperature=0.0, seed=0, progress=True):
        turns, answers = {word: itertools.cycle(new) for word, new in self.words.items()}, []
        for source in sources:
            word = next(word for word in turns if word in source)
            answers.append(source.replace(word, next(turns[word])))
        return answers


def build(words: dict[str, list[str]], *ads: str, k: int = 8, samples: int = 3) -> tuple[RankingReward, pd.DataFrame]:
    writer = Fake(tiny_model("llama"), tiny_tokenizer())
    writer.words = words
    judge = choose.build_judge(RECOMMENDER, {f"j{number}": ad for number, ad in enumerate(ads)}, PEOPLE, "gender", k)
    reward = RankingReward(judge, writer.finish)
    return reward, choose.sample_rewrites(writer, reward, samples)


def test_the_rewrite_that_closes_the_gap_most_is_taken():
    reward, tried = build({"driven": ["eager", "committed", "motivated"], "bold": ["daring"]}, AD)
    assert len(tried) == 4, "an answer that comes twice is ranked once"
    chosen, effects = choose.choose_rewrites(reward, tried)
    assert chosen == {"j0": {2: SECOND.replace("driven", "committed")}}
    without, with_it = reward.linear.gap({}), reward.linear.gap({"j0": AD.replace("driven", "committed")})
    assert effects == {"j0": {2: pytest.approx(without - with_it)}} and effects["j0"][2] > 0.1


def test_a_refused_rewrite_is_never_taken():
    source = "You will lead a team of six driven cooks."
    reward, tried = build({"six": ["seven"]}, source)
    assert tried["reasons"].map(list).tolist() == [["facts"]] and LIFT["seven"] > 1
    assert choose.choose_rewrites(reward, tried) == ({}, {})


def test_nothing_is_taken_where_every_rewrite_moves_away():
    reward, tried = build({"driven": ["motivated"], "bold": ["daring"]}, AD, AD)
    assert len(reward_gate.accepted(tried)) == 4
    assert choose.choose_rewrites(reward, tried) == ({}, {})


def test_an_effect_is_the_gap_without_the_edit_less_the_gap_with_it():
    reward, tried = build({"driven": ["eager", "committed"], "bold": ["tasty"]}, AD, SECOND, AD)
    chosen, effects = choose.choose_rewrites(reward, tried)
    assert {job: set(edits) for job, edits in effects.items()} == {job: set(edits) for job, edits in chosen.items()}

    def gap(edits: reward_gate.Chosen) -> float:
        texts = reward_gate.deploy_all(reward.measures.judge, edits)
        return reward.linear.gap(dict(zip(reward.measures.originals, texts, strict=True)))

    assert sum(map(len, chosen.values())) > 2
    for job, edits in chosen.items():
        for place in edits:
            without = chosen | {job: {other: text for other, text in edits.items() if other != place}}
            assert effects[job][place] == pytest.approx(gap(without) - gap(chosen)) and effects[job][place] > 0


def test_an_edit_that_later_ones_made_one_too_many_is_taken_back(monkeypatch):
    reward, tried = build({"driven": ["committed"], "bold": ["tasty"]}, AD)
    both = {"j0": {0: FIRST.replace("bold", "daring"), 2: SECOND.replace("driven", "committed")}}
    monkeypatch.setattr(reward_gate, "greedy_search", lambda *_: both)
    chosen, effects = choose.choose_rewrites(reward, tried)
    assert list(chosen["j0"]) == [2] and list(effects["j0"]) == [2]


def test_an_edit_that_does_next_to_nothing_is_left_out(monkeypatch):
    for lift, ads, stays in ((0.05, 1, True), (0.005, 1, False), (0.05, 4, True), (0.005, 4, False)):
        monkeypatch.setitem(LIFT, "committed", lift)
        reward, tried = build({"driven": ["committed"]}, *[SECOND] * ads)
        assert (tried["selection"] > 0).all() and bool(choose.choose_rewrites(reward, tried)[0]) == stays


def test_an_ad_without_a_sentence_to_rewrite():
    reward, tried = build({}, "Cook")
    assert tried.empty and choose.choose_rewrites(reward, tried) == ({}, {})


def test_the_ratios_before_and_after():
    reward, tried = build({"driven": ["committed"]}, SECOND, SECOND + " ")
    chosen, _ = choose.choose_rewrites(reward, tried)
    table, kept = choose.compare_rankings(reward.measures.judge, chosen)
    table = table.set_index("group")
    women = [np.count_nonzero(np.argsort(-rank(ads))[:, :8] >= 20)
             for ads in ([SECOND] * 2, reward_gate.deploy_all(reward.measures.judge, chosen))]  # fmt: skip
    assert table.loc["female", ["before", "after"]].tolist() == pytest.approx([of / (16 - of) for of in women])
    assert women[1] > women[0] and (table["reference"] == "male").all() and table.loc["male", "after"] == 1
    assert 0 < kept < 1 and table.loc["female", "low"] <= table.loc["female", "high"]
    assert not table.loc["male", ["low", "high"]].any()
    table, kept = choose.compare_rankings(reward.measures.judge.evenly(1), {})
    assert kept == 1 and table["before"].tolist() == table["after"].tolist()


def test_more_than_two_groups_and_people_without_one():
    labels = ["a", "b", "c", None] * 10
    people = PEOPLE.add_column("band", labels)
    judge = choose.build_judge(RECOMMENDER, {"j0": AD}, people, "band", 8, {"j0": None})
    table, _ = choose.compare_rankings(judge, {})
    assert table["group"].tolist() == ["a", "b", "c"] and (table["before"] == table["after"]).all()
    selected = ranking.per_job(rank([AD]), judge.jobs, judge.candidates, "band", 8).query("pool == 'whole'")
    assert selected["selected"].sum() < 8


@pytest.mark.parametrize(
    ("labels", "k", "message"),
    [
        (["f", "m"], 41, "k=41 is not between 1 and 40, the size of the pool"),
        (["f", "m"], 0, "k=0 is not between"),
        (["f", "m"], 40, "k=40 selects every candidate"),
        (["f", "f"], 8, "'band' has 'f' 40; a ratio compares two groups or more"),
        (["f", None], 8, "'band' has 'f' 20; a ratio compares two groups or more"),
        (["", "unknown"], 8, "all candidates are unknown in column 'band'"),
    ],
)
def test_candidates_that_cannot_be_compared(labels: list, k: int, message: str):
    with pytest.raises(InputError, match=message):
        choose.build_judge(RECOMMENDER, {"j0": AD}, PEOPLE.add_column("band", labels * 20), "band", k)


def test_a_group_of_one_no_ad_and_no_sample():
    people = PEOPLE.add_column("band", ["x", *["m", "f"] * 19, "m"])
    with pytest.raises(InputError, match="'band' has 'f' 19, 'm' 20, 'x' 1; .* each of at least 2 candidates"):
        choose.build_judge(RECOMMENDER, {"j0": AD}, people, "band", 8)
    with pytest.raises(InputError, match="no ad"):
        choose.build_judge(RECOMMENDER, {}, PEOPLE, "gender", 8)
    with pytest.raises(InputError, match="samples=0 is below 1"):
        build({}, AD, samples=0)
