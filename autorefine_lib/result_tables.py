"""Notebook 05: from the per-job numbers of every method to one row per number, with paired bootstrap intervals."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from autorefine_lib import bootstrap, metrics, provenance
from autorefine_lib.evaluation import Method
from autorefine_lib.report import COLUMNS

QUALITY = ("mrr", "ndcg", "similarity")
ORIGINAL = "original ads"


def per_job_numbers(runs: Sequence[Method], group: str, reference: str) -> dict[str, np.ndarray]:
    """Per-job numbers of one method, averaged over its seeds, for `bootstrap.interval`.

    impact_ratio (qualified pool) and impact_ratio_all are counts [jobs, 4]; the others are one number a job.
    """
    numbers = {
        name: np.mean([metrics.rate_counts(run.groups, group, reference, pool) for run in runs], axis=0)
        for name, pool in (("impact_ratio", "qualified"), ("impact_ratio_all", "all"))
    }
    numbers |= {name: np.mean([run.quality[name] for run in runs], axis=0) for name in QUALITY}
    numbers["ads_changed"] = np.mean([run.quality["changed"] for run in runs], axis=0)
    numbers["ads_naming_protected"] = np.mean([run.quality["protected"] != "" for run in runs], axis=0)
    return numbers


def rows(
    methods: dict[str, Sequence[Method]], data: str, group: str, reference: str, k: int, command: str, seed: int = 0
) -> pd.DataFrame:
    """One row per number, columns `report.COLUMNS`.

    `methods` maps the name in the table to its runs, one per seed; the first entry must be the original ads. Each
    metric has its value with a bootstrap interval over jobs, and, as `<metric>_change`, the paired difference to the
    original ads. A metric that is the same for every job has no interval.
    """
    baseline = per_job_numbers(methods[ORIGINAL], group, reference)
    facts = {
        "data": data, "split": "test", "k": k, "command": command,
        "commit": provenance.commit(), "versions": provenance.versions_line(), "device": provenance.device(),
    }  # fmt: skip
    table = []
    for name, runs in methods.items():
        seeds = " ".join(str(run.seed) for run in runs)
        shared = facts | {"method": name, "seeds": seeds, "seconds": round(sum(run.seconds for run in runs), 1)}
        numbers = per_job_numbers(runs, group, reference)
        for metric, values in numbers.items():
            of = group if metric.startswith("impact_ratio") else "all"
            found = {metric: bootstrap.interval(values, seed=seed)}
            if name != ORIGINAL and metric in ("impact_ratio", "impact_ratio_all", "mrr", "ndcg"):
                found[f"{metric}_change"] = bootstrap.interval(baseline[metric], values, seed=seed)
            for label, interval in found.items():
                table.append(shared | {"group": of, "metric": label, "n": len(values)} | interval._asdict())
    return pd.DataFrame(table).reindex(columns=COLUMNS)


def over_seeds(runs: Sequence[Method], group: str, reference: str, original: Method) -> pd.DataFrame:
    """One row per seed: impact ratio, its change, and the relative change of MRR and NDCG."""
    before = per_job_numbers([original], group, reference)
    table = []
    for run in runs:
        after = per_job_numbers([run], group, reference)
        ratio, start = (bootstrap.interval(numbers["impact_ratio"], n_boot=1).value for numbers in (after, before))
        losses = {name: after[name].mean() / before[name].mean() - 1 for name in ("mrr", "ndcg")}
        table.append({"seed": run.seed, "impact_ratio": ratio, "change": ratio - start} | losses)
    return pd.DataFrame(table)


def rates_by_occupation(method: Method, group: str, reference: str) -> pd.Series:
    """Female-to-male (or any group's) ratio of selection rates among the qualified, by occupation."""
    table = method.groups[method.groups["pool"] == "qualified"]
    sums = table.groupby(["occupation", "group"])[["selected", "available"]].sum()
    rates = (sums["selected"] / sums["available"]).unstack("group")
    return rates[group] / rates[reference]
