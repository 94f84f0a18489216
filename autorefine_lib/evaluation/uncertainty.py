"""Notebook 09: how sure the change of the impact ratio is, for every method and group in one table."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import power
from autorefine_lib.evaluation.method import Method, per_job_numbers
from autorefine_lib.evaluation.power import NoiseFloor
from autorefine_lib.metrics import bootstrap, groups, permutation, ranking
from autorefine_lib.metrics.bootstrap import Candidates, Interval
from autorefine_lib.reward.judge import Judge

COLUMNS = [
    "method", "group", "jobs", "change", "low", "high", "low_both", "high_both", "p_value", "p_holm", "p_holm_all",
    "noise", "power", "jobs_needed", "note",
]  # fmt: skip
DIFFER_AT_MOST = 0.01
"""Share of the selected that ranking anew may give to another group: another processor rounds scores otherwise."""


def table(
    methods: dict[str, Sequence[Method]],
    judge: Judge,
    reference: str,
    floor: NoiseFloor,
    n_boot: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per method and group: how the impact ratio in the judge's pool changed, and how certain that is.

    Columns: method, group, jobs; change with low and high (bootstrap by job) and low_both and high_both (by job and
    candidate); p_value (paired permutation by job), p_holm (Holm over the groups of a method) and p_holm_all (over all
    rows); noise ("below", "inside" or "above" what one more random paraphrase would do, which need not be 0; empty for
    a group that it was not measured for); power (to see the paper's effect with these jobs), jobs_needed (for power
    0.8) and note (why a number is missing).

    Args:
        methods: the runs of each by name, one per seed, averaged job by job; the first must be the original ads.
        judge: the evaluator that measured them, which ranks their ads anew for the resampling of candidates.
        reference: the group that the others are compared with.
        floor: from `power.noise_floor`.
        n_boot: resamples of jobs and candidates.
        seed: of all resampling.

    Raises:
        InputError: `reference` is no group; the judge has other jobs, or ranks otherwise than when these were measured.
    """
    names, _ = groups.find_members(judge.candidates, judge.attribute)
    groups.check_group(reference, names)
    original, *others = methods
    for name, runs in methods.items():
        if any(list(run.quality["job_id"]) != list(judge.jobs["job_id"]) for run in runs):
            raise InputError(f"{name!r} was measured on other ads than the judge has; give the evaluator of its run")
    ranked_before = _rank(methods[original], judge)
    rows = []
    for name in tqdm(others, desc="Resampling jobs and candidates", unit="method"):
        ranked_after, of_method = _rank(methods[name], judge), []
        for group in (group for group in names if group != reference):
            before, after = (
                per_job_numbers(methods[which], group, reference)["impact_ratio"] for which in (original, name)
            )
            people = Candidates.of(judge.jobs, judge.candidates, judge.attribute, group, reference, judge.k, judge.pool)
            both = bootstrap.interval(ranked_before, ranked_after, n_boot=n_boot, seed=seed, candidates=people)
            row = _row(before, after, both, floor if group == floor.group else None, seed)
            of_method.append({"method": name, "group": group} | row)
        adjusted = permutation.holm(np.array([row["p_value"] for row in of_method]))
        rows += [row | {"p_holm": p_value} for row, p_value in zip(of_method, adjusted, strict=True)]
    found = pd.DataFrame(rows, columns=COLUMNS)
    found["p_holm_all"] = permutation.holm(found["p_value"].to_numpy(float))
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


def _row(before: np.ndarray, after: np.ndarray, both: Interval, floor: NoiseFloor | None, seed: int) -> dict:
    by_job = bootstrap.interval(before, after, seed=seed)
    test = permutation.permutation_test(before, after, seed=seed)
    row: dict[str, Any] = {"jobs": len(before)} | by_job._asdict() | {"low_both": both.low, "high_both": both.high}
    row |= {"change": row.pop("value"), "p_value": test.p_value, "noise": "", "note": test.note}
    if floor and np.isfinite(test.change):
        row["noise"] = "below" if test.change < floor.low else "above" if test.change > floor.high else "inside"
    try:
        row["power"] = power.normal_power(before, after, len(before))
        row["jobs_needed"] = power.jobs_needed(before, after)
    except InputError as error:  # a method that changes nothing, for instance
        row["note"] = row["note"] or str(error)
    return row
