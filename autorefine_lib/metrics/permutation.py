"""Is the change more than chance? Paired permutation tests by job, and Holm's correction for several groups.

Under the null hypothesis that the rewriting does nothing, either of a job's two ads could as well have been the
original one. So before and after are swapped within jobs, and the measured change is compared with those of all swaps
(Fisher's randomisation test; Smucker, Allan and Carterette, 2007, CIKM, for rankings). The p value is that of the
sharp null: no job changes. An interval of the change (`bootstrap.interval`) says how large it is.
"""

from typing import NamedTuple

import numpy as np

from autorefine_lib.metrics.bootstrap import check_per_job, statistic

_AT_ONCE = 1024  # swaps in one matrix product: 1,000 jobs then take 8 MiB


class PermutationTest(NamedTuple):
    """A change and how often chance alone would make one as large."""

    change: float
    """statistic(after) - statistic(before); NaN where it is undefined."""
    p_value: float
    """Two-sided; NaN where the change is undefined."""
    note: str
    """Why there is no p value; empty where there is one."""


def permutation_test(
    before: np.ndarray, after: np.ndarray, n_permutations: int = 9999, seed: int = 0
) -> PermutationTest:
    """Two-sided paired permutation test by job for the change in the mean or in the pooled impact ratio.

    All 2^jobs ways of swapping are looked at where they are no more than `n_permutations` + 1. Otherwise so many are
    drawn, and p = (1 + number as extreme as measured) / (1 + n_permutations), which is never 0 and never too small
    (Phipson and Smyth, 2010, Stat. Appl. Genet. Mol. Biol. 9(1), 39). Changes that differ by rounding only are equal; a
    swap that leaves the ratio undefined counts as extreme, so that it makes no change significant.

    Args:
        before, after: of the same jobs in the same order: float [jobs] for a mean, or [jobs, 4] from
            `ranking.rate_counts` for an impact ratio. With several seeds average each job over them first.

    Raises:
        InputError: NaN or infinity.
    """
    before, after = check_per_job(before, after)
    jobs = len(before)
    exact = 2**jobs <= n_permutations + 1
    swaps = 2**jobs if exact else n_permutations
    change = float(_changes(before, after, np.zeros((1, jobs)))[0])
    if not np.isfinite(change):
        return PermutationTest(float("nan"), float("nan"), _why_undefined(before, after))
    rng = np.random.default_rng(seed)
    extreme = 0
    for start in range(0, swaps, _AT_ONCE):
        numbers = np.arange(start, min(start + _AT_ONCE, swaps))
        swapped = numbers[:, None] >> np.arange(jobs) & 1 if exact else rng.integers(0, 2, (len(numbers), jobs))
        changes = np.abs(_changes(before, after, swapped.astype(float)))
        extreme += int((~(changes < abs(change) - 1e-12 * max(1, abs(change)))).sum())
    return PermutationTest(change, extreme / swaps if exact else (1 + extreme) / (1 + swaps), "")


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down adjusted p values, float, in the order given (Holm, 1979, Scand. J. Statist. 6, 65-70).

    The i-th smallest of m is multiplied by m - i + 1, is no smaller than the adjusted one before it and at most 1. The
    chance of any false alarm among all with an adjusted p up to alpha is then at most alpha, however they depend on
    each other. NaN (no test) stays NaN and does not count.
    """
    p_values = np.asarray(p_values, float)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    adjusted = np.full(len(p_values), np.nan)
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p_values[order] * factors))
    return adjusted


def _changes(before: np.ndarray, after: np.ndarray, swapped: np.ndarray) -> np.ndarray:
    """The change under each way of swapping, [ways]; swapped is 0 or 1, float [ways, jobs]."""
    moved = swapped @ (after - before)
    ends = (after.sum(0) - moved, before.sum(0) + moved)
    new, old = (statistic(np.asarray(sums), len(before)) for sums in ends)
    with np.errstate(invalid="ignore"):
        return new - old


def _why_undefined(before: np.ndarray, after: np.ndarray) -> str:
    if not (before.sum(0)[[1, 3]].all() and after.sum(0)[[1, 3]].all()):
        return "no candidate of the group, or of the reference group, in the pool"
    return f"nobody of the reference group is selected {'after' if before.sum(0)[2] else 'before'}"
