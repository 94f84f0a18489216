"""Ties: who belongs to one, what its members share, and that neither the file's order nor rounding decides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autorefine_lib.errors import InputError
from autorefine_lib.recommender.scores import TOLERANCE, best_ties, selection, share

STARS = arrays(np.float32, st.integers(1, 12), elements=st.sampled_from([-1.0, -0.0, 0.0, 1.0, 2.0]))


def ties(row: list[float], k: int) -> list[list[int]]:
    best, starts = best_ties(np.array(row), k)
    return [part.tolist() for part in np.split(best, starts[1:])]


def test_ties_are_returned_whole_down_to_rank_k():
    row = [1.0, 3.0, 2.0, 1.0, 2.0, 0.0]
    assert ties(row, 1) == [[1]]
    assert ties(row, 2) == ties(row, 3) == [[1], [2, 4]]
    assert ties(row, 4) == [[1], [2, 4], [0, 3]]
    assert ties(row, 6) == [[1], [2, 4], [0, 3], [5]]
    assert ties([7.0], 1) == [[0]] and ties([0.0, 0.0], 1) == [[0, 1]]


def test_places_that_are_left_are_shared():
    # One above, and two places for three.
    np.testing.assert_allclose(selection(np.array([[5.0, 2, 9, 5, 5]]), 3), [[2 / 3, 0, 1, 2 / 3, 2 / 3]])
    best, starts = best_ties(np.array([5.0, 2, 9, 5, 5]), 3)
    worth = np.array([[1, 0.5], [1, 0.3], [1, 0.1]])
    np.testing.assert_allclose(share(worth, starts, len(best)), [[1, 0.5], *[[2 / 3, 0.4 / 3]] * 3])


def test_a_difference_of_float32_rounding_is_a_tie_and_one_of_six_digits_is_none():
    one = np.float32(0.7)
    rounded = np.nextafter(np.nextafter(one, np.float32(1)), np.float32(1))
    assert ties([one, rounded], 1) == [[1, 0]]
    assert ties([0.700000, 0.700001], 1) == [[1]]
    assert ties([100_000, 100_001], 1) == [[1]], "whole numbers count as they are"
    # The unit is the largest absolute score, wherever it stands: rounding errors of a cosine near 0 are as large.
    assert ties([1e-8, 2e-8, -1.0], 1) == [[1, 0]] and ties([1e-8, 2e-8], 1) == [[1]]


def test_a_chain_of_neighbours_is_one_tie():
    step = 0.9 * TOLERANCE
    row = [1.0, 1 - 2 * step, 1 - step, 1 - 3 * step, 0.5]
    assert ties(row, 1) == [[0, 2, 1, 3]], "the ends are further apart than the tolerance"
    assert ties(row, 5) == [[0, 2, 1, 3], [4]]


@settings(max_examples=60, deadline=None)
@given(STARS, st.integers(0, 11), st.randoms(use_true_random=False))
def test_a_tie_does_not_depend_on_k_or_on_the_order_of_the_candidates(row, k, random):
    k = 1 + k % len(row)
    whole, head = ties(row, len(row)), ties(row, k)
    assert head == whole[: len(head)] and sum(map(len, head[:-1])) < k <= sum(map(len, head))
    order = random.sample(range(len(row)), len(row))
    np.testing.assert_array_equal(selection(row[None, order], k)[0], selection(row[None], k)[0][order])
    assert selection(row[None], k).sum() == pytest.approx(k)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, (2, 9), elements=st.floats(-1, 1), unique=True), st.integers(1, 9))
def test_without_ties_the_selection_is_that_of_a_sort(scores, k):
    scores = np.round(scores, 4) + np.arange(9) * 1e-5  # no two closer than the tolerance
    best = np.argsort(-scores, axis=1)[:, :k]
    expected = np.zeros(scores.shape)
    np.put_along_axis(expected, best, 1, axis=1)
    np.testing.assert_array_equal(selection(scores, k), expected)


def test_small_integers_do_not_wrap():
    assert ties(np.array([0, 255, 3], np.uint8), 3) == [[1], [2], [0]]
    assert ties(np.array([-128, 127], np.int8), 2) == [[1], [0]]


def test_a_k_that_is_no_rank_is_named():
    for k in (0, 4):
        with pytest.raises(InputError, match=f"k={k} is not between 1 and 3"):
            selection(np.zeros((1, 3)), k)
