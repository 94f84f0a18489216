"""Counting ad by ad without a sort: equal to sorting everybody. Ties are in tests/metrics/test_ties.py."""

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.audit import group_counts
from autorefine_lib.errors import InputError
from autorefine_lib.metrics import groups

JOBS = Dataset.from_dict({"job_id": list("123"), "occupation": ["cook", "nurse", "cook"]})
CANDIDATES = Dataset.from_dict(
    {
        "occupation": ["cook"] * 6 + ["nurse"] * 4 + ["pilot"] * 3,
        "gender": ["f", "m", None, "f", "m", "m", "f", "f", "m", None, "m", "f", "f"],
    }
)


def count_slowly(scores, part, k, pool):
    """The same counts one ad and one candidate at a time, from a full sort and a median of exact halves."""
    counts = np.zeros((len(JOBS), len(part.names), 3))
    offered = list(CANDIDATES["occupation"])
    for job, occupation in enumerate(JOBS["occupation"]):
        fit = [name == occupation for name in offered]
        everyone = [place for place in range(len(offered)) if pool == "all" or fit[place]]
        order = sorted(everyone, key=lambda place: -scores[job, place])
        median = np.median([float(scores[job, place]) for place in everyone])
        for place in everyone:
            rank = order.index(place) + 1
            chosen = rank <= k
            above = scores[job, place] > median
            counts[job, part.codes[place]] += [chosen, 1, above]
    return counts


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from(["all", "qualified"]))
def test_the_fast_path_is_the_slow_one(seed, k, pool):
    scores = np.random.default_rng(seed).normal(size=(3, 13)).astype(np.float32)
    part = groups.of(CANDIDATES, "gender")
    counts, tied = group_counts.count(scores, JOBS, CANDIDATES, [part, part], k, pool)
    assert tied == 0
    for of_part in counts:
        np.testing.assert_allclose(of_part, count_slowly(scores, part, k, pool), rtol=0, atol=1e-12)


def test_ads_with_a_tie_across_rank_k_are_counted():
    scores = np.zeros((3, 13))
    scores[0, :3] = 1  # a tie that ends at rank 3
    scores[1, :2] = 1
    scores[2, :2] = [2, 1]
    part = groups.of(CANDIDATES, "gender")
    assert [group_counts.count(scores, JOBS, CANDIDATES, [part], k, "all")[1] for k in (1, 2, 3)] == [2, 1, 2]


def test_a_median_between_two_neighbouring_floats_does_not_round():
    # The mean of the middle scores rounds to the higher of them, which is above the exact median.
    low = np.float32(1) + np.finfo(np.float32).eps
    high = np.nextafter(low, np.float32(2))
    scores = np.array([[low, high]], np.float32)
    assert np.float32(np.median(scores)) == high
    people = Dataset.from_dict({"gender": ["f", "m"]})
    (counts,), _ = group_counts.count(
        scores, Dataset.from_dict({"job_id": ["1"]}), people, [groups.of(people, "gender")], 1, "all"
    )
    assert counts[0, :2, group_counts.COUNTS.index("above_median")].tolist() == [0, 1]


def test_pools_of_occupations_and_of_all():
    jobs = Dataset.from_dict({"occupation": ["a", "b", "a"]})
    people = Dataset.from_dict({"occupation": ["b", "a", "a"]})
    found = [(rows.tolist(), indices.tolist()) for rows, indices in group_counts.pools(jobs, people, "qualified")]
    assert found == [([0, 2], [1, 2]), ([1], [0])]
    assert [len(part) for part in next(group_counts.pools(jobs, people, "all"))] == [3, 3]


@pytest.mark.parametrize(("k", "pool", "size"), [(0, "all", 13), (14, "all", 13), (5, "qualified", 4)])
def test_a_k_that_no_pool_has_is_named(k: int, pool: str, size: int):
    with pytest.raises(InputError, match=f"k={k} is not between 1 and {size}"):
        group_counts.count(np.zeros((3, 13)), JOBS, CANDIDATES, [groups.of(CANDIDATES, "gender")], k, pool)
