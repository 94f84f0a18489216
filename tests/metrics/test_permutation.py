"""Permutation tests against scipy, plain loops and numbers by hand; uniform p values where nothing changes; Holm."""

from itertools import product

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.errors import InputError
from autorefine_lib.metrics.bootstrap import interval
from autorefine_lib.metrics.permutation import holm, permutation_test


def counts(rng: np.random.Generator, jobs: int) -> np.ndarray:
    """Of 20 selected some are women, of whom there are 90 in a pool of 190."""
    women = rng.binomial(20, 0.4, jobs)
    return np.stack([women, np.full(jobs, 90), 20 - women, np.full(jobs, 100)], axis=1).astype(float)


def test_three_jobs_by_hand():
    # Of the eight sums of +-1, +-2, +-3 only 6 and -6 are as far from 0 as 6.
    found = permutation_test(np.zeros(3), np.array([1.0, 2.0, 3.0]))
    assert found == (2.0, 0.25, "")


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 8), st.integers(0, 10_000), st.booleans())
def test_means_agree_with_scipy(jobs: int, seed: int, rounded: bool):
    rng = np.random.default_rng(seed)
    before, after = rng.normal(0, 1, (2, jobs)).round(0 if rounded else 9)  # ties among the changes when rounded
    theirs = scipy.stats.permutation_test(
        (after, before), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", n_resamples=np.inf
    )
    ours = permutation_test(before, after)
    assert ours.change == pytest.approx(theirs.statistic)
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=1e-12)


def test_drawn_swaps_agree_with_scipy():
    rng = np.random.default_rng(0)
    before = rng.normal(0, 1, 40)
    after = before + rng.normal(0.1, 1, 40)
    theirs = scipy.stats.permutation_test(
        (after, before), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", n_resamples=20_000,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    ours = permutation_test(before, after, n_permutations=20_000)
    assert 0.01 < theirs.pvalue < 0.5
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=0.01)


def test_impact_ratio_agrees_with_a_loop():
    rng = np.random.default_rng(4)
    before, after = counts(rng, 7), counts(rng, 7)

    def ratio(sample: np.ndarray) -> float:
        a, b, c, d = sample.sum(0)
        return (a / b) / (c / d)

    def change(swapped: tuple[bool, ...]) -> float:
        where = np.array(swapped)[:, None]
        return ratio(np.where(where, before, after)) - ratio(np.where(where, after, before))

    measured = change((False,) * 7)
    changes = [change(swapped) for swapped in product((False, True), repeat=7)]
    expected = np.mean([abs(value) >= abs(measured) - 1e-9 for value in changes])
    ours = permutation_test(before, after)
    assert ours.change == pytest.approx(measured) and ours.p_value == pytest.approx(expected)
    assert ours.change == pytest.approx(interval(before, after).value)
    assert permutation_test(after, before).p_value == ours.p_value, "two-sided"


def test_drawn_p_values_are_never_zero_and_reproducible():
    before = counts(np.random.default_rng(1), 60)
    after = before + np.array([3, 0, -3, 0])
    found = permutation_test(before, after, n_permutations=199)
    assert found.p_value == 1 / 200
    assert found == permutation_test(before, after, n_permutations=199)


def test_no_change_has_p_one():
    sample = counts(np.random.default_rng(2), 30)
    assert permutation_test(sample, sample).p_value == 1
    assert permutation_test(sample[:1], sample[:1] + 1e-17).p_value == 1, "one job can prove nothing"


@pytest.mark.parametrize("ratio", [False, True])
def test_p_values_are_uniform_where_nothing_changes(ratio: bool):
    """Each job's two ads are drawn alike, so that all p values are equally likely (a ratio of counts has few ties)."""
    rng = np.random.default_rng(13)
    p_values = []
    for number in range(300):
        before, after = (counts(rng, 60) if ratio else rng.exponential(1, 25) for _ in range(2))
        p_values.append(permutation_test(before, after, n_permutations=199, seed=number).p_value)
    assert scipy.stats.kstest(p_values, "uniform").pvalue > 0.01
    assert 0.02 <= np.mean(np.array(p_values) <= 0.05) <= 0.09


def test_an_undefined_ratio_has_a_reason():
    sample = counts(np.random.default_rng(3), 10)
    for column, note in ((2, "nobody of the reference group is selected"), (1, "no candidate of the group")):
        other = sample.copy()
        other[:, column] = 0
        found = permutation_test(sample, other)
        assert np.isnan([found.change, found.p_value]).all() and note in found.note
    other[:, 1], other[:, 2] = 90, 0
    assert permutation_test(sample, other).note.endswith("after") and permutation_test(other, sample).note.endswith(
        "before"
    )


def test_swaps_that_leave_the_ratio_undefined_make_nothing_significant():
    before = np.array([[1, 4, 0, 4], [1, 4, 2, 4.0]])
    after = np.array([[2, 4, 2, 4], [2, 4, 0, 4.0]])
    # Swapping one of the two jobs leaves nobody of the reference group on one side: counted as extreme.
    assert permutation_test(before, after).p_value == 1


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.04, np.nan, 0.001, 0.9]), [0.08, np.nan, 0.003, 0.9])
    np.testing.assert_allclose(holm([0.6, 0.7]), [1, 1])
    assert holm([]).shape == (0,) and holm([0.2]).tolist() == [0.2]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values: list[float], alpha: float):
    rejected = set()
    for step, place in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[place] * (len(p_values) - step) > alpha:
            break
        rejected.add(int(place))
    assert set(np.flatnonzero(holm(p_values) <= alpha)) == rejected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(2), np.array([1.0, np.nan])), "job 1 hold NaN"),
        ((np.zeros(2), np.array([np.inf, 1.0])), "job 0 hold NaN or infinity"),
    ],
)
def test_bad_input_is_named(arguments: tuple, message: str):
    with pytest.raises(InputError, match=message):
        permutation_test(*arguments)
