"""Audit a ranking: who is selected, group by group, with the arithmetic, its intervals, and what counts as a finding.

The tables have the shape of the summary that New York City's rules for automated employment decision tools ask for (6
RCNY § 5-301(b), (c) and § 5-303): for every category its number, selection rate or scoring rate and impact ratio, by
attribute and by intersection, with the unknown counted. The rules set no pass mark, ask for an independent auditor
(§ 5-300), and allow the auditor to leave a category below 2 % of the data out of the ratios if the reason, its number
and its rate are given (§ 5-301(d)).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib.audit import group_counts, label_permutation
from autorefine_lib.errors import InputError
from autorefine_lib.metrics import bootstrap, groups, permutation, ranking
from autorefine_lib.metrics.groups import Groups
from autorefine_lib.recommender.scores import check_k, check_scores

FOUR_FIFTHS = 0.8
"""The screening line of 29 CFR 1607.4(D); Local Law 144 sets none."""
FEW = 30
"""Candidates below which a note says that a group is small: one more selected moves its rate by over three points."""
NONE_SELECTED = -np.log(0.025)
"""Upper 97.5 % limit, 3.7, of a Poisson count seen to be 0: resamples of nobody selected are all nobody."""
N_BOOT = 2000
"""Resamples of the ads."""
N_SHUFFLES = 1000
"""Shuffles of the candidates' labels; more where there are many groups."""
ALPHA = 0.05
"""Chance, with groups that play no part in the ranking, of any finding in an audit (Holm over all its groups)."""
QUALITY = {"mrr": "MRR", "ndcg": "NDCG", "recall": "Recall", "precision": "Precision"}
COLUMNS = (
    "attribute", "pool", "group", "candidates", "share", "selected", "available", "selection_rate", "reference",
    "reference_rate", "impact_ratio", "low", "high", "p_holm", "above_median", "scoring_rate", "scoring_reference",
    "scoring_ratio", "finding", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Criteria:
    """What is measured, and when a ratio is a finding."""

    k: int = 20
    """Candidates that an ad selects."""
    threshold: float = FOUR_FIFTHS
    """A finding is an impact ratio below this, with a 95 % interval below 1 and a p value below `ALPHA`."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise InputError(f"threshold={self.threshold} is not above 0 and at most 1; the four-fifths line is 0.8")


@dataclass(frozen=True)
class Audit:
    """What an audit found; where a number is undefined the tables hold NaN, and `note` says why."""

    criteria: Criteria
    jobs: int
    candidates: int
    groups: pd.DataFrame
    """`COLUMNS`, one row per pool, attribute and group, of the primary pool first: "qualified" where occupations are
    known. selected, available and above_median are summed over the ads; `selected` is the expected number, a fraction
    where ties reach across rank k. low and high are the 95 % limits of the impact ratio by bootstrap over ads, the
    candidates held fixed; p_holm, of the primary pool, is the chance of a ratio as low if labels were shuffled among
    the candidates of a pool (`label_permutation`), by Holm over its groups."""
    tied: dict[str, int]
    """By pool the number of ads with a tie across rank k, whose members share the places that are left."""
    quality: pd.DataFrame
    """One row a metric: metric, value, low, high, n (ads)."""
    remarks: tuple[str, ...]
    """What was left out of the measurement, and why."""

    @property
    def findings(self) -> list[str]:
        """One line for each group of the primary pool that is a finding."""
        return [
            f"{row.attribute} = {row.group}: impact ratio {bootstrap.Interval(row.impact_ratio, row.low, row.high)} "
            f"at k = {self.criteria.k} against {row.reference}, p = {row.p_holm:.2g}"
            for row in self.groups[self.groups["finding"]].itertuples()
        ]


def measure(scores: np.ndarray, jobs: Dataset, candidates: Dataset, attributes: list[str], criteria: Criteria) -> Audit:
    """Measure what a ranking does to the groups of every attribute, in both pools where occupations are known.

    Args:
        scores: float [jobs, candidates], higher is better; may be memory-mapped.
        jobs, candidates: as `files.read_tables` returns them. An ad with fewer than k candidates of its occupation is
            left out of the qualified pool, and said to be.
        attributes: columns of the candidates.

    Raises:
        InputError: as `check`, or wrong scores.
    """
    divided = check(jobs, candidates, attributes, criteria)
    scores = check_scores(scores, len(jobs), len(candidates))
    remarks: list[str] = []
    quality = pd.DataFrame(columns=["metric", "value", "low", "high", "n"])
    ranked = {"all": (scores, jobs)}
    if "occupation" in jobs.column_names:
        kept, remarks = _with_pool(jobs, candidates, criteria.k)
        able = (scores, jobs) if len(kept) == len(jobs) else (scores[kept], jobs.select(kept))
        ranked = {"qualified": able, **ranked}
        quality = _quality(able[0], able[1], candidates, criteria.k)
    else:
        remarks.append("No occupations in the files: nobody is known to be qualified, and all are measured together")
    if len(jobs) == 1:
        remarks.append("One ad: there is no interval over ads; audit more ads together")
    tables, tied = [], {}
    for pool, (of_pool, ads) in ranked.items():
        counted, tied[pool] = group_counts.count(of_pool, ads, candidates, divided, criteria.k, pool)
        for part, counts in zip(divided, counted, strict=True):
            table = group_counts.compare_groups(part, counts).assign(pool=pool)
            tables.append(_with_limits(table, counts))
    table = pd.concat(tables, ignore_index=True)
    primary, (of_primary, ads) = next(iter(ranked.items()))
    pools = group_counts.pools(ads, candidates, primary)
    table.loc[table["pool"] == primary, "p_holm"] = _p_values(
        table[table["pool"] == primary], of_primary, pools, divided, criteria.k
    )
    table["finding"] = (table["impact_ratio"] < criteria.threshold) & (table["p_holm"] < ALPHA) & ~(table["high"] >= 1)
    table["note"] = [_note(row, criteria) for row in table.itertuples()]
    return Audit(criteria, len(jobs), len(candidates), table[list(COLUMNS)], tied, quality, tuple(remarks))


def check(jobs: Dataset, candidates: Dataset, attributes: Sequence[str], criteria: Criteria) -> list[Groups]:
    """Check what `measure` is given but the scores: to be called before a ranking that takes minutes.

    Returns:
        The groups of each attribute and of every two of them crossed.

    Raises:
        InputError: no attribute, k above the number of candidates or above the pool of every ad, and as `groups.of`.
    """
    if not attributes:
        raise InputError("no attribute to compare groups by; name at least one column of the candidates")
    check_k(criteria.k, len(candidates))
    if "occupation" in jobs.column_names:
        _with_pool(jobs, candidates, criteria.k)
    return [groups.of(candidates, name) for name in (*attributes, *combinations(attributes, 2))]


def _with_pool(jobs: Dataset, candidates: Dataset, k: int) -> tuple[np.ndarray, list[str]]:
    """Rows of the ads with at least k candidates of their occupation, and a line on each occupation of the others."""
    sizes = pd.Series(candidates["occupation"][:]).value_counts()
    occupations = pd.Series(jobs["occupation"][:])
    pools = occupations.map(sizes).fillna(0).astype(int)
    if (pools < k).all():
        raise InputError(
            f"k={k} is larger than the pool of every ad: the largest has {pools.max()} candidates of the ad's "
            f"occupation ({occupations[pools.idxmax()]!r}); choose a smaller k, or drop the occupation columns"
        )
    short = occupations[pools < k].value_counts(sort=False)
    return np.flatnonzero(pools >= k), [
        f"{count:,} {'ad' if count == 1 else 'ads'} for {name!r}, out of the qualified pool and of quality: "
        + (f"{sizes[name]} qualified candidates, fewer than k = {k}" if name in sizes else "no qualified candidate")
        for name, count in short.items()
    ]


def _with_limits(table: pd.DataFrame, counts: np.ndarray) -> pd.DataFrame:
    """The groups of one attribute with the 95 % limits of their impact ratios, low and high."""
    table = table.assign(low=np.nan, high=np.nan)
    is_reference = table["group"] == table["reference"]
    other = table["impact_ratio"].notna() & ~is_reference
    if len(counts) > 1 and other.any():
        # As from `ranking.rate_counts`: selected and available of the group, then of the reference.
        pairs = [[place, is_reference.argmax()] for place in np.flatnonzero(other)]
        samples = [counts[:, pair, :2].reshape(len(counts), 4) for pair in pairs]
        resampled = bootstrap.resample(*samples, n_boot=N_BOOT)
        table.loc[other, ["low", "high"]] = [bootstrap.percentile(statistics)[1:] for statistics in resampled]
        none = other & (table["selected"] == 0)
        table.loc[none, "high"] = NONE_SELECTED / table["available"] / table["reference_rate"]
    return table


def _p_values(
    table: pd.DataFrame, scores: np.ndarray, pools: Iterable[group_counts.Pool], divided: list[Groups], k: int
) -> np.ndarray:
    """The permutation test of the groups of the primary pool, adjusted by Holm over all groups that it compares."""
    # The reference counts as well: which group of two would be the lower was not known before.
    tested = table["impact_ratio"].notna()
    labels = [
        label_permutation.Labels(part.codes, tested[table["attribute"] == part.attribute].to_numpy())
        for part in divided
    ]
    # Enough that the smallest p value survives Holm's factor.
    shuffles = max(N_SHUFFLES, int(2 / ALPHA) * tested.sum())
    found = np.concatenate(label_permutation.p_values(scores, pools, labels, k, shuffles))
    return np.where(table["group"] == table["reference"], np.nan, permutation.holm(found))


def _note(row: Any, criteria: Criteria) -> str:
    only = (
        (row.group == groups.UNKNOWN, "ranked with the others, in no category" if row.candidates else ""),
        (not row.candidates, "no candidate in this category"),
        (not row.available, "no candidate of this category in the pool of these ads"),
        (
            not row.compared,
            f"{100 * row.share:.1f} % of the candidates, under {100 * group_counts.SMALL:g} %: counts and rates shown, "
            "left out of the ratios as 6 RCNY § 5-301(d) allows",
        ),
        (row.reference_rate == 0, f"nobody of the reference group {row.reference} is selected: no ratio"),
        (np.isnan(row.impact_ratio), "the only category that is compared: no ratio"),
        (row.group == row.reference, "reference"),
    )
    for holds, note in only:
        if holds:
            return note
    few = "fewer than 30 candidates" if row.candidates < FEW else ""
    none = "" if row.selected or np.isnan(row.high) else "nobody selected: upper limit of a count of 0 (Poisson)"
    below = ""
    if row.impact_ratio < criteria.threshold:
        below = f"below {criteria.threshold:g}"
        if row.high >= 1:
            below += ", but the interval reaches 1"
        elif row.p_holm >= ALPHA:
            below += f", not told from chance (p = {row.p_holm:.2g})"
        elif row.finding:
            below += f": a finding (p = {row.p_holm:.2g})"
    return "; ".join(part for part in (below, none, few) if part)


def _quality(scores: np.ndarray, jobs: Dataset, candidates: Dataset, k: int) -> pd.DataFrame:
    """Means over the ads with their intervals."""
    table = ranking.ranking_quality(scores, jobs, candidates, k)
    means = [bootstrap.interval(table[name].to_numpy(), n_boot=N_BOOT) for name in QUALITY]
    found = pd.DataFrame(means).assign(n=len(table))
    if len(table) == 1:
        found[["low", "high"]] = np.nan
    found.insert(0, "metric", list(QUALITY))
    return found
