"""Soft selection and the gap between groups: by hand, their limits, and the gradient by finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.recommender.scores import selection
from autorefine_lib.reward.parity_gap import AT_PARITY, closing, gap, log_ratios, pull, selection_weights, worst_gap


def test_selection_weights_by_hand():
    weights = selection_weights(np.array([[4.0, 2.0, 1.0, 3.0]]), k=2, smoothing=1)
    # tau = (3 + 2) / 2, T = sqrt(5) / 2
    expected = 1 / (1 + np.exp(-(np.array([4, 2, 1, 3]) - 2.5) / (np.sqrt(5) / 2)))
    np.testing.assert_allclose(weights, [expected])


@settings(deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=4, max_size=12, unique=True), st.integers(1, 3))
def test_weights_rise_with_the_score_and_end_in_the_hard_top_k(scores, k):
    row = np.array([scores], float)
    soft, narrow = selection_weights(row, k, 0.5), selection_weights(row, k, 1e-6)
    assert (np.diff(soft[0, np.argsort(row[0])]) >= 0).all()
    np.testing.assert_allclose(narrow[0], row[0] >= np.sort(row[0])[-k], atol=1e-6)
    np.testing.assert_array_equal(selection_weights(row, k, 0), selection(row, k))


def test_equal_scores_are_no_error():
    np.testing.assert_allclose(selection_weights(np.ones((1, 5)), 2, 0.5), 0.5)


def test_the_gap_of_two_groups_by_hand_and_from_both_sides():
    # One place more for four members: each group of two gets half of it. (0.6 + 0.5) / 2 against (1.2 + 0.5) / 2.
    exposure = np.array([[0.6, 1.2], [1.2, 0.6], [0.9, 0.9]])
    np.testing.assert_allclose(gap(exposure, np.array([2, 2])), np.log(1.7 / 1.1) * np.array([1, 1, 0]), atol=1e-12)
    np.testing.assert_allclose(gap(exposure, np.array([2, 2]), extra=0), np.log(2) * np.array([1, 1, 0]), atol=1e-12)


def test_the_gap_of_three_groups_is_the_mean_against_the_rest():
    ratios = np.array([0.1 / 0.3, 0.2 / 0.25, 0.4 / 0.15])
    np.testing.assert_allclose(log_ratios(np.array([0.1, 0.2, 0.4]), np.ones(3), 0), np.log(ratios))
    np.testing.assert_allclose(gap(np.array([0.1, 0.2, 0.4]), np.ones(3), 0), np.abs(np.log(ratios)).mean())
    np.testing.assert_allclose(worst_gap(np.array([0.1, 0.2, 0.4]), np.ones(3), 0), np.log(3))


def test_the_extra_places_leave_parity_as_it_is():
    """Whatever the sizes of the groups: 3 of 30 and 5 of 50 are selected alike."""
    np.testing.assert_allclose(log_ratios(np.array([3.0, 5.0]), np.array([30, 50])), 0, atol=1e-12)
    assert np.isfinite(log_ratios(np.array([0.0, 5.0]), np.array([30, 50]))).all()


def test_one_group_alone_has_no_gap():
    assert np.isnan(gap(np.array([2.0, 0.0]), np.array([2, 0])))
    assert np.isnan(worst_gap(np.array([2.0, 0.0]), np.array([2, 0])))
    assert pull(np.array([2.0, 0.0]), np.array([2, 0])).tolist() == [0, 0]
    # A group without members is left out, and the others are compared.
    np.testing.assert_allclose(gap(np.array([1.0, 0.0, 2.0]), np.array([1, 0, 1]), 0), np.log(2))


def test_nothing_is_pulled_near_parity():
    members = np.array([100, 100])
    for ratio, pays in ((0.94, True), (0.96, False), (1.0, False), (1.05, False), (1.06, True)):
        exposure = np.array([1000 * ratio, 1000.0])
        assert bool(pull(exposure, members).any()) is pays, ratio
        assert bool(closing(pull(exposure, members), exposure, members).any()) is pays
    assert pull(np.array([1.0, 90]), members).tolist() == [0.5, -0.5]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 30.0), st.integers(1, 50)), min_size=2, max_size=5))
def test_closing_is_minus_the_gradient_of_the_gap(groups):
    exposure, members = np.array(groups).T
    ratios = np.abs(log_ratios(exposure, members))
    pulls, step = pull(exposure, members), 1e-6
    if ((ratios < -np.log(AT_PARITY)) | np.isnan(ratios)).any():
        return  # some group is at parity, where nothing is paid
    slopes = [
        -(gap(exposure + step * one, members) - gap(exposure - step * one, members)) / (2 * step)
        for one in np.eye(len(groups))
    ]
    np.testing.assert_allclose(closing(pulls, exposure, members), slopes, rtol=1e-4, atol=1e-7)


def test_closing_by_hand():
    # log((0.6 + 0.5) / (1.2 + 0.5)) is below 0: it rises by 1 / 1.1 a unit of the first, falls by 1 / 1.7 of the other.
    exposure, members = np.array([0.6, 1.2]), np.array([2, 2])
    assert closing(pull(exposure, members), exposure, members) == pytest.approx([1 / 1.1, -1 / 1.7])
