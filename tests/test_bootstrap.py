"""Bootstrap intervals: against scipy, against a plain loop, and where they must be trivial."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.bootstrap import interval, percentile, resample
from autorefine_lib.errors import InputError

RNG = np.random.default_rng(3)
VALUES = RNG.beta(2, 1, size=80)
COUNTS = np.stack(
    [RNG.integers(0, 8, 80), RNG.integers(20, 40, 80), RNG.integers(4, 12, 80), RNG.integers(20, 40, 80)], axis=1
)


def impact_ratio(counts: np.ndarray) -> float:
    a, b, c, d = counts.sum(0)
    return (a / b) / (c / d)


def test_mean_agrees_with_scipy():
    ours = interval(VALUES, n_boot=20_000)
    theirs = scipy.stats.bootstrap(
        (VALUES,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours.value == pytest.approx(VALUES.mean())
    assert (ours.low, ours.high) == (pytest.approx(theirs.low, abs=2e-3), pytest.approx(theirs.high, abs=2e-3))


def test_paired_difference_of_means_is_the_mean_difference():
    after = VALUES + RNG.normal(0.05, 0.01, 80)
    ours, direct = interval(VALUES, after), interval(after - VALUES)
    np.testing.assert_allclose(ours, direct, atol=1e-12)
    # Pairing matters: the spread between jobs cancels.
    assert ours.high - ours.low < 0.1 * (interval(VALUES).high - interval(VALUES).low)


def test_impact_ratio_agrees_with_a_loop():
    after = COUNTS.copy()
    after[:, 0] += 1
    rng = np.random.default_rng(9)
    rows = [rng.integers(0, 80, 80) for _ in range(4000)]
    for arguments, statistic in (
        ((COUNTS,), lambda row: impact_ratio(COUNTS[row])),
        ((COUNTS, after), lambda row: impact_ratio(after[row]) - impact_ratio(COUNTS[row])),
    ):
        ours = interval(*arguments, n_boot=4000)
        assert ours.value == pytest.approx(statistic(np.arange(80)))
        expected = np.quantile([statistic(row) for row in rows], [0.025, 0.975])
        np.testing.assert_allclose(ours[1:], expected, rtol=0.02)


def test_no_change_is_exactly_zero():
    assert interval(COUNTS, COUNTS) == (0, 0, 0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30), st.integers(0, 99))
def test_interval_is_reproducible_and_lies_in_the_data(values, seed):
    ours = interval(np.array(values), n_boot=200, seed=seed)
    assert ours == interval(np.array(values), n_boot=200, seed=seed)
    assert min(values) - 1e-9 <= ours.low <= ours.high <= max(values) + 1e-9


def test_undefined_ratio_is_nan():
    assert np.isnan(interval(np.array([[1, 2, 0, 2.0]]))).all()


def test_undefined_resamples_are_left_out():
    counts = np.array([[1, 4, 2, 4], [1, 4, 0, 4.0]])  # only the first job selects the reference group
    ours = interval(counts)
    assert ours.value == 1 and 0 < ours.low <= ours.high < np.inf


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(0),), "jobs above 0"),
        ((np.zeros((3, 2)),), r"shape \(3, 2\)"),
        ((np.zeros(3), np.zeros(4)), "same jobs in both"),
        ((np.array([1.0, np.nan]),), "job 1 hold NaN"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(InputError, match=message):
        interval(*arguments)


def test_samples_are_resampled_together():
    first, second, third = resample(COUNTS, COUNTS[:, [2, 3, 0, 1]], COUNTS, n_boot=500, seed=4)
    assert first.shape == (501,) and first[0] == pytest.approx(impact_ratio(COUNTS))
    np.testing.assert_allclose(first * second, 1)  # the inverse ratio of the very same resample
    np.testing.assert_array_equal(first, third)
    assert percentile(first) == interval(COUNTS, n_boot=500, seed=4)
    distance = percentile(np.abs(1 - first))
    assert distance.low >= 0 and distance.value == pytest.approx(abs(1 - impact_ratio(COUNTS)))
