"""Counting in blocks without a sort: equal to sorting everybody, on inputs full of ties."""

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.audit import exposure, group_counts
from autorefine_lib.metrics import groups

JOBS = Dataset.from_dict({"job_id": list("123"), "occupation": ["cook", "nurse", "cook"]})
CANDIDATES = Dataset.from_dict(
    {
        "occupation": ["cook"] * 6 + ["nurse"] * 4 + ["pilot"] * 3,
        "gender": ["f", "m", None, "f", "m", "m", "f", "f", "m", None, "m", "f", "f"],
    }
)


def slowly(scores, part, k, depth, pool):
    """The same counts one job and one candidate at a time, from a full sort and a median of exact halves."""
    counts, ndkl = np.zeros((len(JOBS), len(part.names), 6)), []
    offered = list(CANDIDATES["occupation"])
    for job, occupation in enumerate(JOBS["occupation"]):
        fit = [name == occupation for name in offered]
        everyone = [place for place in range(len(offered)) if pool == "all" or fit[place]]
        order = sorted(everyone, key=lambda place: (-scores[job, place], place))
        median = np.median([float(scores[job, place]) for place in everyone])
        for place in everyone:
            row = counts[job, part.codes[place]]
            rank = order.index(place) + 1
            chosen = rank <= k
            seen = 1 / np.log2(1 + rank) if rank <= depth else 0
            row += [chosen, 1, scores[job, place] > median, fit[place], chosen and fit[place], seen]
        shares = np.bincount(part.codes[everyone], minlength=len(part.names)) / len(everyone)
        ndkl.append(exposure.ndkl(part.codes[order[:depth]][None], shares)[0])
    return counts, ndkl


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4), st.sampled_from(["all", "qualified"]), st.booleans()
)
def test_the_fast_path_is_the_slow_one(seed, k, depth, pool, whole):
    rng = np.random.default_rng(seed)
    scores = (rng.integers(-1, 2, (3, 13)) if whole else rng.normal(size=(3, 13))).astype(np.float32)
    part = groups.of(CANDIDATES, "gender")
    counts, ndkl = group_counts.count(scores, JOBS, CANDIDATES, [part], k, depth, pool)
    expected_counts, expected_ndkl = slowly(scores, part, k, depth, pool)
    np.testing.assert_allclose(counts[0], expected_counts, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ndkl[0], expected_ndkl, rtol=0, atol=1e-12)


@pytest.mark.parametrize("block", [1, 14, 10**6])
def test_blocks_change_nothing(block, monkeypatch):
    scores = np.random.default_rng(0).integers(0, 3, (3, 13))
    part = groups.of(CANDIDATES, "gender")
    expected = group_counts.count(scores, JOBS, CANDIDATES, [part], 3, 2, "all")
    monkeypatch.setattr(group_counts, "_BLOCK", block)
    counts, ndkl = group_counts.count(scores, JOBS, CANDIDATES, [part], 3, 2, "all")
    np.testing.assert_array_equal(counts[0], expected[0][0])
    np.testing.assert_array_equal(ndkl[0], expected[1][0])


def test_a_median_between_two_neighbouring_floats_does_not_round():
    # The mean of the middle scores rounds to the higher of them, which is above the exact median.
    low = np.float32(1) + np.finfo(np.float32).eps
    high = np.nextafter(low, np.float32(2))
    scores = np.array([[low, high]], np.float32)
    assert np.float32(np.median(scores)) == high
    assert group_counts._above_median(scores).tolist() == [[0, 1]]
