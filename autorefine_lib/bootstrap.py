"""Percentile intervals by resampling jobs (Efron and Tibshirani, 1993, chapter 13).

Jobs are the units: the candidates are the same for all of them, so jobs are what a new sample would vary. Before and
after are resampled together (paired), so that the spread between jobs cancels in a difference. With several
seeds, average (or sum) each job over the seeds first: runs of one job are no independent jobs.
"""

from typing import NamedTuple

import numpy as np

from autorefine_lib.errors import InputError


class Interval(NamedTuple):
    """A value with its confidence limits; NaN where it is undefined."""

    value: float
    low: float
    high: float


def interval(
    before: np.ndarray, after: np.ndarray | None = None, n_boot: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """The statistic of `before`, or of `after` minus `before`, with its percentile bootstrap interval.

    Args:
        before: per job, as in `resample`.
        after: the same jobs in the same order; the statistic is then statistic(after) - statistic(before).
        n_boot: resamples.
        seed: of the resampling.
        level: share of the resamples inside the interval.

    Raises:
        InputError: as `resample`.
    """
    statistics = resample(*((before,) if after is None else (before, after)), n_boot=n_boot, seed=seed)
    return percentile(statistics[0] if after is None else statistics[1] - statistics[0], level)


def resample(*samples: np.ndarray, n_boot: int = 2000, seed: int = 0) -> np.ndarray:
    """The statistic of every sample as measured and in `n_boot` resamples of the jobs, float [samples, 1 + n_boot].

    All samples are resampled together, so that functions of several of them are paired.

    Args:
        samples: per job either one number, float [jobs], whose mean is taken (MRR, NDCG), or four counts, float
            [jobs, 4] from `metrics.rate_counts`, whose impact ratio pooled over jobs is taken.

    Raises:
        InputError: no jobs, other shapes, samples of different shape, or NaN.
    """
    samples = tuple(np.asarray(sample, float) for sample in samples)
    for sample in samples:
        if sample.shape != samples[0].shape:
            raise InputError(f"before has shape {samples[0].shape}, after {sample.shape}; give the same jobs in both")
        if not len(sample) or (sample.ndim, *sample.shape[1:]) not in ((1,), (2, 4)):
            raise InputError(f"per-job numbers have shape {sample.shape}; allowed: [jobs] or [jobs, 4], jobs above 0")
        if np.isnan(sample).any():
            job = int(np.argwhere(np.isnan(sample))[0, 0])
            raise InputError(f"the numbers of job {job} hold NaN; drop that job from before and after")
    jobs = len(samples[0])
    counts = np.random.default_rng(seed).multinomial(jobs, np.full(jobs, 1 / jobs), size=n_boot).astype(float)
    once = np.ones((1, jobs))
    return np.stack([np.append(_statistic(once, sample), _statistic(counts, sample)) for sample in samples])


def percentile(statistics: np.ndarray, level: float = 0.95) -> Interval:
    """The first of `statistics`, the measured one, with the percentile interval of the others, its resamples.

    Resamples in which the statistic is undefined (a rate of the reference group of 0) are left out.
    """
    value, resampled = statistics[0], statistics[1:][np.isfinite(statistics[1:])]
    if not np.isfinite(value) or not len(resampled):
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(low), float(high))


def _statistic(counts: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """The mean or the pooled impact ratio of each resample, [resamples]; counts [resamples, jobs]."""
    sums = counts @ sample
    if sample.ndim == 1:
        return sums / len(sample)
    selected, available, reference_selected, reference_available = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return (selected / available) / (reference_selected / reference_available)
