"""Notebook 09: how sure the change of the impact ratio is, for every method and group in one table.

Noise floor: the same ads, paraphrased at random and without a direction, ranked as before. What they change in the
impact ratio is what any rewriting would; a change inside that range is no evidence for a method.

Power: the impact ratio pooled over jobs is close to a mean of one number a job, its influence value (Efron and
Tibshirani, 1993, chapter 21; the delta method), so that its standard error falls with the square root of the number
of jobs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from tqdm.auto import tqdm

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import paper
from autorefine_lib.evaluation.method import Method, Methods, per_job_numbers
from autorefine_lib.generator import placebos
from autorefine_lib.metrics import bootstrap, groups, permutation, ranking
from autorefine_lib.reward.judge import Judge

COLUMNS = [
    "method", "group", "jobs", "change", "low", "high", "low_both", "high_both", "p_value", "p_holm", "p_holm_all",
    "noise", "power", "jobs_needed", "note",
]  # fmt: skip
DIFFER_AT_MOST = 0.01
"""Share of the selected that ranking anew may give to another group: another processor rounds scores otherwise."""


ALPHA, POWER = 0.05, 0.8
"""Level of the test, and the chance at which it finds the effect."""


@dataclass(frozen=True)
class NoiseFloor:
    """What paraphrasing at random does to an impact ratio."""

    group: str
    """The group whose ratio it is."""
    changes: np.ndarray
    """Of the ratio against that of the ads as they are, float [draws]."""
    low: float
    high: float
    """95 % prediction interval for the change that one more paraphrase makes, from the draws' mean and spread by
    Student's t. A change inside it is no more than paraphrasing does."""


def noise_floor(judge: Judge, group: str, reference: str, draws: int, seed: int = 0) -> NoiseFloor:
    """Paraphrase every ad of the judge at random, `draws` times, and measure the impact ratio of each draw.

    Raises:
        InputError: fewer than 2 draws, no ad with a listed phrase, an impact ratio that is undefined, or as
            `ranking.per_job` and `ranking.impact_ratio`.
    """
    if draws < 2:
        raise InputError(f"draws={draws}: a spread needs at least 2; choose 10 or more")

    def ratio(texts: list[str]) -> float:
        ratios = ranking.impact_ratio(judge.count(texts), "whole", reference).set_index("group")
        groups.check_group(group, ratios.index)
        found, note = ratios.loc[group, ["impact_ratio", "note"]]
        if not np.isfinite(found):
            raise InputError(f"the impact ratio of {group!r} is undefined: {note}; choose other groups or a larger k")
        return float(found)

    ads = list(judge.jobs["text"])
    drawn = [placebos.paraphrase(ads, seed * draws + draw) for draw in range(draws)]
    if all(texts == ads for texts in drawn):
        raise InputError("the random paraphrase changes no ad: none of them holds a listed phrase; give more ads")
    changes = np.array([ratio(texts) for texts in tqdm(drawn, "Paraphrasing at random", unit="draw")]) - ratio(ads)
    reach = stats.t.ppf(0.975, draws - 1) * changes.std(ddof=1) * math.sqrt(1 + 1 / draws)
    return NoiseFloor(group, changes, float(changes.mean() - reach), float(changes.mean() + reach))


def influence(sample: np.ndarray) -> np.ndarray:
    """What each job adds to the mean or to the pooled impact ratio, float [jobs], of mean 0.

    The standard error of the statistic is about the standard deviation of these numbers / sqrt(jobs).

    Args:
        sample: as in `bootstrap.resample`: float [jobs], or counts [jobs, 4].

    Raises:
        InputError: as `bootstrap.resample`, or the impact ratio is undefined.
    """
    (sample,) = bootstrap.check_per_job(sample)
    if sample.ndim == 1:
        return sample - sample.mean()
    selected, available, reference_selected, reference_available = sample.mean(0)
    if not (available > 0 and reference_available > 0 and reference_selected > 0):
        raise InputError("impact ratio undefined: a group has nobody in the pools, or the reference is not selected")
    base = reference_selected / reference_available
    ratio = selected / available / base
    return sample @ np.array(
        [1 / (available * base), -ratio / available, -ratio / reference_selected, ratio / reference_available]
    )


def jobs_needed(before: np.ndarray, after: np.ndarray, effect: float = paper.EFFECT) -> int:
    """Jobs at which a true change of `effect` is found with `POWER` by a two-sided test at level `ALPHA`.

    ((z(1 - ALPHA/2) + z(POWER)) sd / effect)^2 rounded up, with sd the standard deviation between jobs of what they
    add to the change. It is that of the measured rewriting: one that changes more in each ad needs more jobs.

    Args:
        before, after: as in `bootstrap.interval`, of the same jobs.
        effect: the change to be found, not 0, in units of the statistic.

    Raises:
        InputError: as `influence`; fewer than 2 jobs, or a change that is the same in every job.
    """
    reach = (stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(POWER)) * spread(before, after)
    return math.ceil((reach / abs(effect)) ** 2)


def normal_power(before: np.ndarray, after: np.ndarray, jobs: int, effect: float = paper.EFFECT) -> float:
    """Chance that a two-sided test on `jobs` jobs finds a true change of `effect`; otherwise as `jobs_needed`."""
    z, shift = stats.norm.ppf(1 - ALPHA / 2), abs(effect) * math.sqrt(jobs) / spread(before, after)
    return float(stats.norm.cdf(shift - z) + stats.norm.cdf(-shift - z))


def spread(before: np.ndarray, after: np.ndarray) -> float:
    """Standard deviation between jobs of what each adds to the change; InputError as `jobs_needed`."""
    before, after = bootstrap.check_per_job(before, after)
    if len(before) < 2:
        raise InputError("one job shows no spread between jobs; give at least 2")
    found = float(np.std(influence(after) - influence(before), ddof=1))
    if found < 1e-12:
        raise InputError("the change is the same in every job, so its spread is unknown; the method must change ads")
    return found


def table(
    methods: Methods, judge: Judge | None, reference: str, floor: NoiseFloor | None, n_boot: int = 500, seed: int = 0
) -> pd.DataFrame:
    """One row per method and group: how the impact ratio changed, and how certain that is.

    Columns: method, group, jobs; change with low and high (bootstrap by job) and low_both and high_both (by job and
    candidate); p_value (paired permutation by job), p_holm (Holm over the groups of a method) and p_holm_all (over all
    rows); noise ("below", "inside" or "above" what one more random paraphrase would do, which need not be 0; empty for
    a group that it was not measured for); power (to see the paper's effect with these jobs), jobs_needed (for power
    0.8) and note (why a number is missing).

    Args:
        methods: the runs of each by name, one per seed, averaged job by job; the first must be the original ads.
        judge: the evaluator that measured them, which ranks their ads anew for the resampling of candidates. None
            leaves low_both and high_both empty: what the counts of saved methods tell without their texts.
        reference: the group that the others are compared with.
        floor: from `noise_floor`; None leaves noise empty.
        n_boot: resamples of jobs and candidates.
        seed: of all resampling.

    Raises:
        InputError: `reference` is no group, or the judge ranks otherwise than when these were measured.
    """
    original, *others = methods
    names = list(methods[original][0].groups["group"].unique())
    groups.check_group(reference, names)
    members = dict(zip(*groups.find_members(judge.candidates, judge.attribute), strict=True)) if judge else {}
    ranked = {name: _rank(runs, judge) for name, runs in methods.items()} if judge else {}
    rows = []
    for name in tqdm(others, desc="Resampling jobs and candidates", unit="method", disable=judge is None):
        for group in (group for group in names if group != reference):
            before, after = (per_job_numbers(methods[of], group, reference)["impact_ratio"] for of in (original, name))
            both = bootstrap.Interval(np.nan, np.nan, np.nan)
            if judge:
                people = bootstrap.Candidates(members[group], members[reference], judge.k)
                both = bootstrap.interval(ranked[original], ranked[name], n_boot=n_boot, seed=seed, candidates=people)
            row = _row(before, after, both, floor if floor and group == floor.group else None, seed)
            rows.append({"method": name, "group": group} | row)
    found = pd.DataFrame(rows, columns=COLUMNS)
    p_values = found["p_value"].astype(float)
    found["p_holm"] = p_values.groupby(found["method"], sort=False).transform(permutation.holm)
    found["p_holm_all"] = permutation.holm(p_values)
    return found.astype({"jobs_needed": "Int64"})


def _rank(runs: Sequence[Method], judge: Judge) -> np.ndarray:
    """The scores of each run's ads, [seeds, jobs, candidates]; InputError where they select others than was saved."""
    scores = np.stack([judge.recommender.rank(run.texts) for run in runs])
    for run, of_run in zip(runs, scores, strict=True):
        counts = ranking.per_job(of_run, judge.jobs, judge.candidates, judge.attribute, judge.k)
        anew, then = (table[["pool", "group", "selected"]].reset_index(drop=True) for table in (counts, run.groups))
        same = anew[["pool", "group"]].equals(then[["pool", "group"]])
        # A selection that differs is missed in one group and counted in another.
        differ = (anew["selected"] - then["selected"]).abs().sum() / 2 / anew["selected"].sum() if same else 1.0
        if differ > DIFFER_AT_MOST:
            raise InputError(
                f"{run.name!r}, seed {run.seed}: the judge selects otherwise than was saved ({differ:.0%} of the "
                "selected are of another group); give the recommender, attribute and k that the run had"
            )
    return scores


def _row(before: np.ndarray, after: np.ndarray, both: bootstrap.Interval, floor: NoiseFloor | None, seed: int) -> dict:
    by_job = bootstrap.interval(before, after, seed=seed)
    test = permutation.permutation_test(before, after, seed=seed)
    row: dict[str, Any] = {"jobs": len(before)} | by_job._asdict() | {"low_both": both.low, "high_both": both.high}
    row |= {"change": row.pop("value"), "p_value": test.p_value, "noise": "", "note": test.note}
    if floor and np.isfinite(test.change):
        row["noise"] = "below" if test.change < floor.low else "above" if test.change > floor.high else "inside"
    try:
        row["power"] = normal_power(before, after, len(before))
        row["jobs_needed"] = jobs_needed(before, after)
    except InputError as error:  # a method that changes nothing, for instance
        row["note"] = row["note"] or str(error)
    return row
