"""Tied scores: every measure is the mean over all orders within the ties, by brute force and against scikit-learn."""

from collections.abc import Iterator
from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from autorefine_lib.audit import group_counts
from autorefine_lib.metrics import bootstrap, groups, ranking
from autorefine_lib.metrics.bootstrap import Candidates
from autorefine_lib.recommender.scores import selection

STARS = st.lists(st.integers(0, 2), min_size=2, max_size=6)


def orders(row: np.ndarray) -> Iterator[list[int]]:
    """All orders of the candidates in which no score stands above a higher one."""
    of_ties = [permutations(np.flatnonzero(row == score).tolist()) for score in np.unique(row)[::-1]]
    for parts in product(*of_ties):
        yield [candidate for part in parts for candidate in part]


def mean_over_orders(row: np.ndarray, measure) -> np.ndarray:
    return np.mean([measure(order) for order in orders(row)], axis=0)


@settings(max_examples=80, deadline=None)
@given(STARS, st.integers(0, 5), st.integers(1, 63))
def test_quality_is_the_mean_over_all_orders(stars, cut, who):
    row, k = np.array(stars, float), 1 + cut % len(stars)
    relevant = np.flatnonzero([who >> place & 1 for place in range(len(row))])
    relevant = relevant if len(relevant) else np.array([0])
    discounts = 1 / np.log2(np.arange(2, k + 2))

    def hard(order: list[int]) -> tuple[float, ...]:
        hits = np.isin(order, relevant)
        found = hits[:k].sum()
        ndcg = (hits[:k] * discounts).sum() / discounts[: len(relevant)].sum()
        return 1 / (1 + hits.argmax()), ndcg, found / len(relevant), found / k

    ours = ranking.quality(row[None], [relevant], k)
    np.testing.assert_allclose([ours[name][0] for name in ours], mean_over_orders(row, hard), atol=1e-12)
    assert list(ours) == ["mrr", "ndcg", "recall", "precision"]


@settings(max_examples=80, deadline=None)
@given(STARS, st.integers(0, 5), st.integers(0, 63))
def test_selections_and_counts_are_the_means_over_all_orders(stars, cut, who):
    row, k = np.array(stars, float), 1 + cut % len(stars)
    people = len(row)
    code = np.array([who >> place & 1 for place in range(people)])
    code[0] = 0
    jobs = Dataset.from_dict({"job_id": ["j"], "occupation": ["cook"]})
    trade = ["cook", *["nurse" if place % 2 else "cook" for place in range(1, people)]]
    candidates = Dataset.from_dict({"occupation": trade, "gender": [f"g{number}" for number in code]})
    fit = np.array(trade) == "cook"

    def hard(order: list[int]) -> np.ndarray:
        found = np.zeros(2)
        np.add.at(found, code[order[:k]], 1)
        return found

    expected = mean_over_orders(row, hard)
    (counts,), tied = group_counts.count(row[None], jobs, candidates, [groups.of(candidates, "gender")], k, "all")
    names = sorted(set(candidates["gender"]))
    selected = counts[0, : len(names), group_counts.COUNTS.index("selected")]
    np.testing.assert_allclose(selected, expected[: len(names)], atol=1e-12)
    assert tied == any(sorted(order[:k]) != sorted(next(orders(row))[:k]) for order in orders(row))

    chances = mean_over_orders(row, lambda order: np.isin(np.arange(people), order[:k]))
    np.testing.assert_allclose(selection(row[None], k)[0], chances, atol=1e-12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "FIRST", 2)
        patch.setattr(ranking, "NEAREST", k)
        pools = dict(iter(ranking.per_job(row[None], jobs, candidates, "gender", k).groupby("pool")))
    np.testing.assert_allclose(pools["whole"]["selected"], expected[: len(names)], atol=1e-12)
    np.testing.assert_allclose(pools["nearest"]["available"], expected[: len(names)], atol=1e-12)
    assert pools["nearest"]["selected"].sum() == pytest.approx(2)
    # Each selected place goes to the groups as they share its occupation.
    of_trade = np.array([np.bincount(code[np.array(trade) == one], minlength=2) / trade.count(one) for one in trade])
    places = mean_over_orders(row, lambda order: of_trade[order[:k]].sum(axis=0))
    np.testing.assert_allclose(pools["whole"]["expected"], places[: len(names)], atol=1e-12)
    assert ("qualified" in pools) == (k <= fit.sum())


@settings(max_examples=60, deadline=None)
@given(STARS, st.integers(0, 5), st.integers(0, 63), st.data())
def test_a_resampled_pool_selects_the_mean_over_all_orders_of_its_copies(stars, cut, who, data):
    """Every candidate stands in a pool as often as drawn; the copies of a tie are in any order."""
    people = len(stars)
    drawn = data.draw(st.lists(st.integers(0, people - 1), min_size=people, max_size=people))
    row, k = np.array(stars, float), 1 + cut % people
    group = np.array([bool(who >> place & 1) for place in range(people)])
    copies = np.sort(drawn)
    expected = mean_over_orders(row[copies], lambda order: group[copies[order[:k]]].sum())
    both = np.array([group, ~group], float)
    ranked = bootstrap._ranking(row[None])
    times = np.bincount(drawn, minlength=people).astype(float)
    np.testing.assert_allclose(bootstrap._selected(ranked, times, both, k), [[expected, k - expected]], atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30))
def test_ndcg_is_that_of_scikit_learn_where_scores_are_tied(seed, k):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (4, 30)).astype(float)
    relevant = [rng.choice(30, rng.integers(1, 30), replace=False) for _ in scores]
    gains = np.array([np.isin(np.arange(30), indices) for indices in relevant], float)
    expected = [ndcg_score(gain[None], row[None], k=k) for gain, row in zip(gains, scores, strict=True)]
    np.testing.assert_allclose(ranking.quality(scores, relevant, k)["ndcg"], expected, atol=1e-12)


def test_the_first_relevant_one_of_a_long_tie_by_hand():
    # Two above, then a tie of four of which one is relevant: ranks 3 to 6 alike.
    row = np.array([9.0, 8, 5, 5, 5, 5, 1])
    found = ranking.quality(row[None], [np.array([4])], 1)["mrr"]
    assert found == pytest.approx(np.mean([1 / 3, 1 / 4, 1 / 5, 1 / 6]))
    # All relevant: the first rank of the tie. And a tie of thousands, where binomial coefficients would overflow.
    assert ranking.quality(row[None], [np.array([2, 3, 4, 5])], 1)["mrr"] == pytest.approx(1 / 3)
    long = ranking.quality(np.zeros((1, 5000)), [np.arange(2500)], 1)["mrr"]
    halves = 0.5 ** np.arange(1, 60)
    assert long == pytest.approx((halves / np.arange(1, 60)).sum(), rel=1e-3)


def tied_input(seed: int = 0) -> tuple[np.ndarray, Dataset, Dataset]:
    rng = np.random.default_rng(seed)
    jobs = Dataset.from_dict({"job_id": list("abcdef"), "occupation": ["cook", "nurse"] * 3})
    candidates = Dataset.from_dict(
        {
            "candidate_id": [f"c{number}" for number in range(60)],
            "occupation": ["cook", "nurse"] * 30,
            "gender": ["f"] * 25 + ["m"] * 35,
        }
    )
    return rng.integers(0, 4, (6, 60)).astype(float), jobs, candidates


def test_a_constant_recommender_treats_all_groups_alike():
    scores, jobs, candidates = tied_input()
    table = ranking.per_job(scores * 0 + 0.3, jobs, candidates, "gender", 7)
    for pool in ("whole", "qualified"):
        assert ranking.impact_ratio(table, pool)["impact_ratio"].tolist() == [1, 1]
    people = Candidates(*(np.array(candidates["gender"]) == name for name in "fm"), 7)
    limits = bootstrap.interval(scores * 0, n_boot=30, candidates=people)
    np.testing.assert_allclose(limits, 1, atol=1e-12)


def test_the_order_and_the_ids_of_the_candidates_change_nothing():
    scores, jobs, candidates = tied_input()
    backwards = candidates.select(range(59, -1, -1)).remove_columns("candidate_id")
    backwards = backwards.add_column("candidate_id", [f"other {number}" for number in range(60)])
    tables = [
        (
            ranking.per_job(values, jobs, people, "gender", 7),
            ranking.ranking_quality(values, jobs, people, 7),
        )
        for values, people in ((scores, candidates), (scores[:, ::-1], backwards))
    ]
    for one, other in zip(*tables, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert tables[0][0]["selected"].mod(1).any(), "there are ties across rank k"
