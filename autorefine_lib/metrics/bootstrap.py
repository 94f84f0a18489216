"""Percentile intervals by resampling jobs (Efron and Tibshirani, 1993, chapter 13), or jobs and candidates.

Jobs are the units: the candidates are the same for all of them, so jobs are what a new sample would vary. Before and
after are resampled together (paired), so that the spread between jobs cancels in a difference. With several
seeds, average (or sum) each job over the seeds first: runs of one job are no independent jobs.

Where the candidates are a sample as well, the impact ratio is resampled both ways (Owen, 2007, "The pigeonhole
bootstrap", Annals of Applied Statistics 1(2), 386-411): jobs as before and, independently of them, candidates within
the pool. Every job then selects *anew* the k best of the pool that was drawn, in which a candidate stands as often as
drawn; the drawn members of a tie share the places that are left for it (`scores`). Held fixed are the score of every
job and candidate, k, and the size of the pool. Owen shows the variance to be conservative: what is peculiar to a
single pair of job and candidate is counted up to three times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from autorefine_lib.errors import InputError
from autorefine_lib.metrics import ranking
from autorefine_lib.recommender.scores import best_ties, check_k, check_scores


class Interval(NamedTuple):
    """A value with its confidence limits; NaN where it is undefined."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        limits = "" if np.isnan(self.low) else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{limits}"

    def columns(self, name: str) -> dict[str, float]:
        """The three numbers under `name`, `<name>_low` and `<name>_high`."""
        return dict(zip((name, f"{name}_low", f"{name}_high"), self, strict=True))


@dataclass(frozen=True)
class Candidates:
    """The candidates as a sample: who is in the two groups, how many a job selects of all."""

    group: np.ndarray
    """Who is in the group, bool [candidates]."""
    reference: np.ndarray
    """Who is in the reference group, bool [candidates]."""
    k: int
    """Candidates that a job selects."""


def interval(
    before: np.ndarray,
    after: np.ndarray | None = None,
    n_boot: int = 2000,
    seed: int = 0,
    candidates: Candidates | None = None,
) -> Interval:
    """The statistic of `before`, or of `after` minus `before`, with its 95 % percentile bootstrap interval.

    Args:
        before: per job, as in `resample`.
        after: the same jobs in the same order; the statistic is then statistic(after) - statistic(before).
        n_boot: resamples.
        seed: of the resampling.
        candidates: who is ranked, to resample candidates as well as jobs; `before` and `after` are then scores.

    Raises:
        InputError: as `resample`.
    """
    samples = (before,) if after is None else (before, after)
    statistics = resample(*samples, n_boot=n_boot, seed=seed, candidates=candidates)
    return percentile(statistics[0] if after is None else statistics[1] - statistics[0])


def resample(
    *samples: np.ndarray, n_boot: int = 2000, seed: int = 0, candidates: Candidates | None = None
) -> np.ndarray:
    """The statistic of every sample as measured and in `n_boot` resamples of the jobs, float [samples, 1 + n_boot].

    All samples are resampled together, so that functions of several of them are paired.

    Args:
        samples: per job either one number, float [jobs], whose mean is taken (MRR, NDCG), or four counts, float
            [jobs, 4] from `ranking.rate_counts`, whose impact ratio pooled over jobs is taken. With `candidates`
            scores, float [jobs, candidates], whose impact ratio is taken; or [seeds, jobs, candidates], several
            runs over the same jobs, whose counts are averaged.
        candidates: who is ranked, to resample candidates as well as jobs.

    Raises:
        InputError: NaN or infinity, a k larger than the pool or below 1, or fewer than one resample.
    """
    if n_boot < 1:
        raise InputError(f"n_boot={n_boot} resamples give no interval; choose at least 1, better 1,000 or more")
    if candidates is not None:
        return _resample_both_ways(samples, candidates, n_boot, seed)
    samples = check_per_job(*samples)
    counts = draw_weights(np.random.default_rng(seed), len(samples[0]), n_boot)
    once = np.ones((1, counts.shape[1]))
    return np.stack(
        [np.append(*(statistic(drawn @ sample, len(sample)) for drawn in (once, counts))) for sample in samples]
    )


def percentile(statistics: np.ndarray) -> Interval:
    """The first of `statistics`, the measured one, with the 95 % percentile interval of the others, its resamples.

    Resamples in which the statistic is undefined (a rate of the reference group of 0) are left out.
    """
    value, resampled = statistics[0], statistics[1:][np.isfinite(statistics[1:])]
    if not np.isfinite(value) or not len(resampled):
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))


def check_per_job(*samples: np.ndarray) -> tuple[np.ndarray, ...]:
    """The samples as float arrays, all [jobs] or all [jobs, 4]; InputError as `resample`."""
    samples = tuple(np.asarray(sample, float) for sample in samples)
    for sample in samples:
        if not np.isfinite(sample).all():
            job = int(np.argwhere(~np.isfinite(sample))[0, 0])
            raise InputError(f"the numbers of job {job} hold NaN or infinity; drop that job from before and after")
    return samples


def statistic(sums: np.ndarray, jobs: int) -> np.ndarray:
    """Mean or pooled impact ratio of each of n sums over jobs: float [n] (of one number) or [n, 4] (of counts)."""
    return sums / jobs if sums.ndim == 1 else ranking.impact_ratios(sums[:, ::2], sums[:, 1::2], reference=1)[:, 0]


def draw_weights(rng: np.random.Generator, units: int, n_boot: int) -> np.ndarray:
    """How often each unit stands in each resample, float [n_boot, units]."""
    return rng.multinomial(units, np.full(units, 1 / units), size=n_boot).astype(float)


def _resample_both_ways(samples: Sequence[np.ndarray], candidates: Candidates, n_boot: int, seed: int) -> np.ndarray:
    jobs, people = samples[0].shape[-2], len(candidates.group)
    check_k(candidates.k, people)
    rankings = [
        [_ranking(check_scores(run, jobs, people)) for run in sample.reshape(-1, *sample.shape[-2:])]
        for sample in samples
    ]
    rng = np.random.default_rng(seed)
    drawn_jobs = np.vstack([np.ones(jobs), draw_weights(rng, jobs, n_boot)])
    members, weights = np.array([candidates.group, candidates.reference], float), np.ones(people)
    sums = np.empty((len(samples), 1 + n_boot, 4))  # columns as in `ranking.rate_counts`
    for number, job_weights in enumerate(drawn_jobs):
        if number:
            weights = draw_weights(rng, people, 1)[0]
        sums[:, number, 1::2] = job_weights.sum() * (members @ weights)
        for sample, runs in enumerate(rankings):
            selected = np.mean([_selected(ranked, weights, members, candidates.k) for ranked in runs], axis=0)
            sums[sample, number, ::2] = job_weights @ selected
    return np.stack([statistic(rows, jobs) for rows in sums])


def _ranking(scores: np.ndarray) -> np.ndarray:
    """The candidates in the order of every job's scores, best first, int [3, jobs, candidates].

    Beside the candidate stand the first and the last place of the tie that he or she belongs to.
    """
    ranked = np.empty((3, *scores.shape), int)
    for job, row in enumerate(scores):
        best, starts = best_ties(row, len(row))
        ends = np.append(starts[1:], len(row))
        ranked[:, job] = best, *np.repeat([starts, ends - 1], ends - starts, axis=1)
    return ranked


def _selected(ranked: np.ndarray, weights: np.ndarray, members: np.ndarray, k: int) -> np.ndarray:
    """Members of the two groups among the k best of the pool that was drawn, expected, float [jobs, 2].

    The drawn members of the tie that holds rank k share the places that are left. A single candidate who was drawn
    several times is such a tie as well: some of the copies are selected.
    """
    # Deep enough for all but a freak resample or a long tie, and much less than a pool of thousands.
    for depth in (4 * k + 50, ranked.shape[2]):
        best, first, last = ranked[:, :, :depth]
        drawn = weights[best]
        through = drawn.cumsum(axis=1)
        before = through - drawn
        # All members of a tie have the same number before it and through it. Most rankings have no tie.
        tied = np.flatnonzero((first != last).any(axis=1))
        before[tied] = np.take_along_axis(before[tied], first[tied], axis=1)
        if (before[:, -1] >= k).all():
            break  # nobody further down is selected, and the tie that this depth may cut off is not reached
    through[tied] = np.take_along_axis(through[tied], np.minimum(last[tied], best.shape[1] - 1), axis=1)
    tie = through - before
    selected = drawn * np.clip(k - before, 0, tie) / np.maximum(tie, 1)
    return np.stack([np.einsum("jr,jr->j", selected, group[best]) for group in members], axis=1)
