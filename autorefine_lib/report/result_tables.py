"""Notebook 09: from the per-job numbers of every method to one row per number, with paired bootstrap intervals."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from autorefine_lib import provenance
from autorefine_lib.evaluation import paper
from autorefine_lib.evaluation.method import ORIGINAL, POOLS, Method, Methods, nearness, per_job_numbers
from autorefine_lib.metrics import bootstrap, ranking, top_k
from autorefine_lib.metrics.bootstrap import Interval
from autorefine_lib.report.pages import COLUMNS, COSTS

AUTHORS_K = {"impact_ratio_by_ad": ranking.FIRST, "q_by_ad": ranking.NEAREST}
BASELINE = ("impact_ratio", "impact_ratio_qualified", "mrr", "ndcg", "impact_ratio_change")
"""Metrics of notebook 02's table."""
LOST_AT_MOST = 0.02
"""Share of its value that MRR or NDCG may lose."""


def rows(methods: Methods, data: str, group: str, reference: str, k: int, command: str, seed: int = 0) -> pd.DataFrame:
    """One row per number, columns `pages.COLUMNS`.

    `methods` maps the name in the table to its runs, one per seed; the first entry must be the original ads. Each
    metric has its value with a bootstrap interval over the jobs that have it (n), and, as `<metric>_change`, the paired
    difference to the original ads. `pool` says whose selection an impact ratio is. A metric that is the same for every
    job has no interval, nor has people_selected, the number of different people that the jobs select together. Reward
    calls and seconds are those of one seed, on average. The training precision is that of all seeds; seeds that differ
    are separated by a slash.
    """
    baseline = per_job_numbers(methods[ORIGINAL], group, reference)
    facts = {
        "data": data, "split": "test", "k": k, "command": command,
        "commit": provenance.commit(), "versions": provenance.versions_line(), "device": provenance.device(),
    }  # fmt: skip
    table = []
    for name, runs in methods.items():
        shared = facts | {"method": name, "seeds": " ".join(str(run.seed) for run in runs)}
        shared |= {cost: round(float(np.mean([getattr(run, cost) for run in runs])), 1) for cost in COSTS}
        shared["training_precision"] = "/".join(sorted({run.training_precision for run in runs}))
        numbers = per_job_numbers(runs, group, reference)
        for metric, values in numbers.items():
            of = group if metric.startswith("impact_ratio") else "all"
            found = {metric: _interval(values, seed=seed)}
            if name != ORIGINAL and (metric.startswith("impact_ratio") or metric in ("mrr", "ndcg", "q_by_ad")):
                found[f"{metric}_change"] = _interval(baseline[metric], values, seed=seed)
            for label, interval in found.items():
                row = {"pool": POOLS.get(metric, "whole"), "group": of, "metric": label, "n": len(values)}
                table.append(shared | row | {"k": AUTHORS_K.get(metric, k)} | interval._asdict())
        people = float(np.mean([top_k.count_people(run.selected) for run in runs]))
        row = {"pool": "whole", "group": "all", "metric": "people_selected", "n": len(runs[0].quality)}
        table.append(shared | row | {"value": people})
    return pd.DataFrame(table).reindex(columns=COLUMNS)


def _interval(before: np.ndarray, after: np.ndarray | None = None, seed: int = 0) -> Interval:
    """`bootstrap.interval`; without limits where all jobs agree and resampling them can show no spread."""
    found = bootstrap.interval(before, after, seed=seed)
    per_job = before if after is None else after - before
    same = per_job.ndim == 1 and np.ptp(per_job) < 1e-6
    return found._replace(low=np.nan, high=np.nan) if same else found


def wide(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """One line a method, one column a metric of `names`, each cell text: value and interval."""
    part = rows[rows["metric"].isin(names)]
    cells = [str(Interval(*numbers)) for numbers in part[["value", "low", "high"]].to_numpy(float)]
    table = part.assign(cell=cells).pivot(index="method", columns="metric", values="cell").fillna("")
    table = table.loc[part["method"].drop_duplicates(), [name for name in names if name in table]]
    return table.rename_axis(None, axis=1)


def over_seeds(methods: Methods, group: str, reference: str) -> pd.DataFrame:
    """One row per seed of every method that calls the reward: what it reached and what it cost.

    Columns method, seed, impact_ratio, impact_ratio_change, mrr_gain and ndcg_gain (shares of the original value),
    reward_calls and seconds. The first entry of `methods` must be the original ads.
    """
    before = per_job_numbers(methods[ORIGINAL], group, reference)
    start = bootstrap.interval(before["impact_ratio"]).value
    table = []
    for name, run in ((name, run) for name, runs in methods.items() for run in runs if run.reward_calls):
        after = per_job_numbers([run], group, reference)
        ratio = bootstrap.interval(after["impact_ratio"]).value
        known = [metric for metric in ("mrr", "ndcg") if metric in before]
        gains = {f"{metric}_gain": after[metric].mean() / before[metric].mean() - 1 for metric in known}
        found = {"method": name, "seed": run.seed, "impact_ratio": ratio, "impact_ratio_change": ratio - start}
        table.append(found | gains | {cost: getattr(run, cost) for cost in COSTS})
    return pd.DataFrame(table)


def top_occupations(methods: Methods, most: int = 10) -> pd.DataFrame:
    """Shares of all selected places, over all seeds: occupation, and one column a method.

    The `most` occupations with the largest shares for the original ads, largest first.
    """
    selected = {name: pd.concat([run.selected for run in runs]) for name, runs in methods.items()}
    shares = pd.DataFrame({name: top_k.share_occupations(table) for name, table in selected.items()}).fillna(0)
    return shares.nlargest(most, ORIGINAL).rename_axis("occupation").reset_index()


def by_places(methods: Methods, group: str, reference: str, k: int) -> pd.DataFrame:
    """The impact ratio in the whole pool at other numbers of places: method, and one column a number.

    The per-job counts hold three cuts of a ranking: at k, and at the 10 and the 50 of the pool "nearest". In a pool of
    fewer people all are selected, and the ratio is 1. Of several seeds the first is taken.
    """
    table = {}
    for name, (run, *_) in methods.items():
        pools = (ranking.rate_counts(run.groups, group, reference, pool=pool) for pool in ("whole", "nearest"))
        whole, near = (counts.sum(axis=0) for counts in pools)
        cuts = {ranking.FIRST: near[::2], ranking.NEAREST: near[1::2], k: whole[::2]}
        table[name] = {str(n): ranking.impact_ratios(cuts[n], whole[1::2], 1)[0] for n in sorted(cuts)}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("method").reset_index()


def rates_by_occupation(runs: Sequence[Method], group: str, reference: str) -> pd.Series:
    """Ratio of the group's and the reference's selection rates among the qualified, by occupation, over all seeds.

    NaN where nobody of the reference group is selected or a group has no member.
    """
    table = pd.concat([run.groups[run.groups["pool"] == "qualified"] for run in runs])
    sums = table.groupby(["occupation", "group"])[["selected", "available"]].sum()
    rates = (sums["selected"] / sums["available"].where(sums["available"] > 0)).unstack("group")
    rates = rates.reindex(columns=[group, reference])  # where no ad has qualified candidates there is no column
    return rates[group] / rates[reference].where(rates[reference] > 0)


def closer(before: pd.Series, after: pd.Series) -> int:
    """How many ratios are closer to 1 after than before."""
    return int(((after - 1).abs() < (before - 1).abs()).sum())


def goals(rows: pd.DataFrame, runs: Sequence[Method], method: str) -> pd.DataFrame:
    """What the reproduction set out to show, what was measured, and whether it is met: goal, measured, met.

    Args:
        rows: from `rows`, with the original ads and `method`.
        runs: the runs of `method`, one per seed.
    """
    table = rows.set_index(["method", "metric"])
    before, after = (table.loc[(name, "impact_ratio"), "value"] for name in (ORIGINAL, method))
    group, change = table.loc[(method, "impact_ratio"), "group"], table.loc[(method, "impact_ratio_change")]
    nearer = abs(1 - before) - abs(1 - after)
    # Towards parity is up from below 1 and down from above it.
    certain = change["low"] > 0 if before <= 1 else change["high"] < 0
    interval = f"{change['value']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}]"
    moved = f"{before:.4f} -> {after:.4f}, {'closer' if nearer >= 0 else 'farther'} by {abs(nearer):.4f}"
    goal = f"{group} impact ratio comes closer to 1 by the paper's {paper.EFFECT} or more"
    found = [(goal, moved, nearer >= paper.EFFECT)]
    found.append(("the 95 % interval of the paired change excludes 0, towards parity", interval, certain))
    for metric in ("mrr", "ndcg"):
        if (ORIGINAL, metric) not in table.index:
            continue  # nobody is known to be qualified for any ad
        start, end = (table.loc[(name, metric), "value"] for name in (ORIGINAL, method))
        gain = end / start - 1
        goal = f"{metric.upper()} loses at most {LOST_AT_MOST:.0%} of its value"
        found.append((goal, f"{start:.4f} -> {end:.4f}, {gain:+.2%}", gain >= -LOST_AT_MOST))
    naming = sum(int((run.quality["protected"] > 0).sum()) for run in runs)
    total = sum(len(run.quality) for run in runs)
    goal = "no rewrite names a protected attribute that its original did not"
    found.append((goal, f"{naming} of {total} do", naming == 0))
    return pd.DataFrame(found, columns=["goal", "measured", "met"]).astype({"met": bool})


def verdict(methods: Methods, group: str, reference: str, seed: int = 0) -> list[str]:
    """Two sentences: which method comes closest to parity, and which gains most for its reward calls.

    The distance from parity is |1 - impact ratio| of each seed, averaged over the seeds: a mean ratio of 1 made of one
    seed below and one above is no parity. The two best are compared by a paired bootstrap over jobs; a difference
    whose 95 % interval holds 0 is called not certain. The first entry of `methods` must be the original ads.
    """
    near = nearness(methods, group, reference, seed)
    calls = {name: np.mean([run.reward_calls for run in runs]) for name, runs in methods.items()}
    gain = {name: (near[name] - near[ORIGINAL]) / calls[name] * 1000 for name in methods if calls[name]}
    best, next_best = _best_two(near)
    # The ratio's interval: that of a distance, which is never negative, need not even hold the measured one.
    ratio = bootstrap.interval(per_job_numbers(methods[best], group, reference)["impact_ratio"], seed=seed)
    away = [f"{-near[name][0]:.3f}" for name in (best, ORIGINAL)]
    sentences = [
        f"Closest to parity is {best}: its {group} impact ratio is {ratio}; one seed of it lies {away[0]} "
        f"from 1 on average, the original ads {away[1]}. {_comparison(near, best, next_best)}"
    ]
    if len(gain) > 1:
        best, next_best = _best_two(gain)
        sentences.append(
            f"Most for its reward calls gains {best}: {bootstrap.percentile(gain[best])} closer to 1 for every "
            f"1,000 of them. {_comparison(gain, best, next_best)}"
        )
    return sentences


def _best_two(scores: dict[str, np.ndarray]) -> list[str]:
    return sorted(scores, key=lambda name: -scores[name][0])[:2]


def _comparison(scores: dict[str, np.ndarray], best: str, next_best: str) -> str:
    difference = bootstrap.percentile(scores[best] - scores[next_best])
    certain = "is certain" if difference.low > 0 else "is not certain, its interval holds 0"
    return f"{next_best} is next; the difference, {difference}, {certain}."
