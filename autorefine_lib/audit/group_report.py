"""What a ranking does to groups: any number of attributes and their intersections, every measure beside its counts.

Each job ranks a pool of candidates and *selects* its k best. Counts are summed over the jobs before a rate is taken, so
that a rate weighs every application alike. With J the jobs, and sums over J:

- selection_rate = selected members / members in the pool (`available`).
- impact_ratio = selection_rate / that of the reference: the most selected group, as in New York City's Local Law 144 of
  2021 (6 RCNY § 5-300), or a group named by the caller. `four_fifths` is the flag of the Uniform Guidelines on Employee
  Selection Procedures, 29 CFR 1607.4(D), worked out in whole numbers: True below 4/5. Local Law 144 sets no pass mark.
- scoring_rate = members whose score lies above the median of the full sample / members in the pool (6 RCNY § 5-300,
  § 5-301(c)). The full sample is the job's whole pool, the unknown included: scores of different ads have no common
  scale, so the median is taken ad by ad and the counts are summed after that. A score equal to the median is not above
  it.
- scoring_ratio = scoring_rate / that of the highest scoring group (6 RCNY § 5-300), or of the named one.
- true_positive_rate = selected qualified members / `qualified` members, those with the job's occupation. Their largest
  difference is the equal-opportunity difference (Hardt, Price and Srebro, 2016); among the pool "qualified" it is the
  demographic parity difference.
- exposure = position bias over the first `depth` ranks, a mean over the members in the pool (Singh and Joachims, 2018);
  exposure_ratio = exposure / that of the most exposed group, or of the named one.
- skew = log of the share of the selected over the share of the pool (Geyik et al., 2019), pooled over the jobs.
- ndkl, one number for all groups: the mean over the jobs of NDKL over the first `depth` ranks (Geyik et al., 2019); the
  desired shares are those of the job's pool, the unknown a group of their own.

Equal scores keep the order of the candidates, as in `ranking.top_k`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib.audit import exposure
from autorefine_lib.audit.group_counts import COUNTS, count
from autorefine_lib.errors import InputError
from autorefine_lib.metrics import groups, ranking
from autorefine_lib.metrics.groups import UNKNOWN, Groups
from autorefine_lib.recommender.scores import check_scores

MIN_SHARE = 0.02
"""Share of the candidates below which a group is small: such may be left out of the ratios (6 RCNY § 5-301(d))."""
MIN_COUNT = 30
"""Candidates below which a group is small: one more selected moves its rate by over three points."""
RATES = ("selection_rate", "scoring_rate", "true_positive_rate", "exposure")
METHODS = ("between_groups", "to_overall")


@dataclass(frozen=True)
class GroupReport:
    """Measures of groups; the names are those of fairlearn's MetricFrame."""

    by_group: pd.DataFrame
    """One row an attribute and group, the unknown last: attribute, group, candidates (members), small (bool), selected,
    available, selection_rate, impact_ratio, four_fifths (True below 4/5, missing where undefined), above_median,
    scoring_rate, scoring_ratio, qualified, qualified_selected, true_positive_rate, exposure, exposure_ratio, skew,
    compared (bool: takes part in references, differences and the worst group), reference, scoring_reference,
    exposure_reference, note. Where a value is undefined it is NaN (the skew of a group of which nobody is selected:
    minus infinity) and the note says why."""
    summary: pd.DataFrame
    """One row an attribute: attribute, groups (compared), small (their names), unknown (candidates), worst_group (of
    the lowest selection rate), impact_ratio_worst, demographic_parity_difference, equal_opportunity_difference,
    scoring_ratio and exposure_ratio (the lowest), ndkl, note, k, depth, pool."""
    per_job: pd.DataFrame
    """One row a job, attribute and group: job_id, occupation, pool, attribute, group and `COUNTS`; of one attribute
    it is a table for `ranking.rate_counts`."""
    overall: pd.DataFrame
    """The `RATES` of all candidates, groups or not, one row an attribute."""

    def group_max(self) -> pd.DataFrame:
        """Highest of each rate over the compared groups, one row an attribute."""
        return self._compared().max()

    def group_min(self) -> pd.DataFrame:
        """Lowest of each rate over the compared groups, one row an attribute."""
        return self._compared().min()

    def difference(self, method: str = "between_groups") -> pd.DataFrame:
        """Differences of the rates, one row an attribute; NaN where fewer than two groups have the rate.

        Args:
            method: "between_groups", highest less lowest; "to_overall", the largest distance to the rate of all.
        """
        _check_method(method)
        if method == "between_groups":
            return self._where_two(self.group_max() - self.group_min())
        return self._to_overall(lambda rates, overall: (rates - overall).abs()).max()

    def ratio(self, method: str = "between_groups") -> pd.DataFrame:
        """Ratios of the rates, at most 1, one row an attribute; NaN as in `difference`, and where all rates are 0.

        Args:
            method: "between_groups", lowest over highest; "to_overall", the smallest of each rate over that of all or
                the other way round.
        """
        _check_method(method)
        if method == "between_groups":
            highest = self.group_max()
            return self._where_two(self.group_min() / highest.where(highest > 0))
        return self._to_overall(lambda rates, overall: np.minimum(rates / overall, overall / rates)).min()

    def _compared(self):
        rows = self.by_group[self.by_group["compared"]]
        return rows.groupby("attribute", sort=False)[list(RATES)]

    def _where_two(self, table: pd.DataFrame) -> pd.DataFrame:
        return table.where(self._compared().count() > 1)

    def _to_overall(self, compare):
        rows = self.by_group[self.by_group["compared"]].set_index("attribute")
        rates = rows[list(RATES)]
        return compare(rates, self.overall.loc[rates.index]).groupby("attribute", sort=False)


def measure(
    scores: np.ndarray,
    jobs: Dataset,
    candidates: Dataset,
    attributes: Sequence[str | tuple[str, ...]],
    k: int,
    pool: str = "all",
    reference: str | Sequence[str] = ranking.MOST_SELECTED,
    depth: int | None = None,
    min_share: float = MIN_SHARE,
    min_count: int = MIN_COUNT,
    exclude_small: bool = False,
) -> GroupReport:
    """Measure what the ranking does to the groups of every attribute.

    Args:
        scores: finite floats [jobs, candidates], higher is better; may be memory-mapped.
        jobs: with job_id and occupation; without occupations nobody is known to be qualified.
        candidates: with occupation and the attributes' columns. A value that is missing, blank or "unknown" is unknown.
        attributes: columns of the candidates; a tuple of columns is their intersection.
        k: how many candidates a job selects.
        pool: "all" candidates, or those "qualified": with the job's occupation, ranked among themselves.
        reference: the group whose rates are the denominators, or several, each for the attribute that has it; in an
            attribute that has none of them, and with "most_selected", it is in each rate the group with the highest.
        depth: ranks that exposure and NDKL look at; k if None. The size of the pool gives the measures of a whole
            ranking, at the price of sorting it.
        min_share, min_count: share and number of candidates below which a group is small.
        exclude_small: leave small groups out of references, ratios, differences and the worst group, as 6 RCNY
            § 5-301(d) allows for ratios; they keep their rows, counts and rates.

    Raises:
        InputError: no jobs, wrong scores, an unknown attribute, pool or reference, an attribute twice, k or depth not
            between 1 and the size of every pool, and as `groups.of`.
    """
    if not len(jobs):
        raise InputError("no jobs, so nothing was ranked; give at least one")
    if pool not in ranking.POOLS:
        raise InputError(f"pool={pool!r} is not one of {', '.join(ranking.POOLS)}")
    if isinstance(attributes, str) or not len(attributes):
        raise InputError(f"attributes={attributes!r} is no list of columns; write for instance ['gender', 'race']")
    scores = check_scores(scores, len(jobs), len(candidates))
    divided = [groups.of(candidates, attribute) for attribute in attributes]
    names = [part.attribute for part in divided]
    if len(set(names)) < len(names):
        raise InputError(f"attributes {', '.join(names)} name one twice; give each once")
    wanted = [reference] if isinstance(reference, str) else list(reference)
    for group in wanted:
        if group != ranking.MOST_SELECTED and not any(group in part.names[:-1] for part in divided):
            known = ", ".join(dict.fromkeys(name for part in divided for name in part.names[:-1]))
            raise InputError(f"reference group {group!r} is not one of {known}")
    depth = k if depth is None else depth
    per_job, divergence = count(scores, jobs, candidates, divided, k, depth, pool)
    tables, rows, overall = [], [], []
    for part, counts, distance in zip(divided, per_job, divergence, strict=True):
        base = next((group for group in wanted if group in part.names[:-1]), ranking.MOST_SELECTED)
        table = _rates(part, counts.sum(0), min_share, min_count, exclude_small, base)
        tables.append(table)
        overall.append({"attribute": part.attribute} | _overall(counts.sum((0, 1))))
        rows.append(_summary(part, table, distance) | {"k": k, "depth": depth, "pool": pool})
    return GroupReport(
        by_group=pd.concat(tables, ignore_index=True),
        summary=pd.DataFrame(rows),
        per_job=pd.concat(
            [_per_job(jobs, pool, *pair) for pair in zip(divided, per_job, strict=True)], ignore_index=True
        ),
        overall=pd.DataFrame(overall).set_index("attribute"),
    )


def _divide(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    return np.divide(over, under, out=np.full(np.shape(over), np.nan), where=np.asarray(under) > 0)


def _overall(sums: np.ndarray) -> dict[str, float]:
    selected, available, above, fit, fit_selected, seen = sums
    rates = (selected / available, above / available, float(_divide(fit_selected, fit)), seen / available)
    return dict(zip(RATES, rates, strict=True))


def _rates(part: Groups, sums: np.ndarray, min_share, min_count, exclude_small, reference) -> pd.DataFrame:
    """The rows of `GroupReport.by_group` of one attribute from its sums [groups, counts]."""
    selected, available, above, fit, fit_selected, seen = sums.T
    table = pd.DataFrame({"attribute": part.attribute, "group": np.asarray(part.names, dtype=object)})
    table["candidates"] = part.sizes
    known = table["group"] != UNKNOWN
    few = (table["candidates"] < min_count) | (table["candidates"] < min_share * table["candidates"].sum())
    table["small"] = known & few
    table["compared"] = known & (available > 0) & ~(table["small"] & exclude_small)
    table["selected"], table["available"] = selected.astype(int), available.astype(int)
    table["selection_rate"] = _divide(selected, available)
    table["impact_ratio"], table["reference"] = _ratio(table, "selection_rate", reference)
    table["four_fifths"] = _below_four_fifths(table)
    table["above_median"], table["scoring_rate"] = above.astype(int), _divide(above, available)
    table["scoring_ratio"], table["scoring_reference"] = _ratio(table, "scoring_rate", reference)
    table["qualified"], table["qualified_selected"] = fit.astype(int), fit_selected.astype(int)
    table["true_positive_rate"] = _divide(fit_selected, fit)
    table["exposure"] = _divide(seen, available)
    table["exposure_ratio"], table["exposure_reference"] = _ratio(table, "exposure", reference)
    table["skew"] = exposure.skew(selected, available)
    alone = table["compared"].sum() < 2
    table["note"] = ["; ".join(_notes(row, alone, exclude_small)) for row in table.itertuples()]
    return table


def _ratio(table: pd.DataFrame, rate: str, reference: str) -> tuple[np.ndarray, str]:
    """The rate of each compared group over that of the reference, and which that is; NaN with less than two groups."""
    rates = table.set_index("group")[rate]
    if reference == ranking.MOST_SELECTED:
        reference = rates.where(table["compared"].to_numpy()).iloc[:-1].fillna(-1).idxmax()
    if table["compared"].sum() < 2:
        return np.full(len(table), np.nan), reference
    base = rates[reference]
    return np.where(table["compared"], _divide(table[rate], np.full(len(table), base)), np.nan), reference


def _below_four_fifths(table: pd.DataFrame) -> pd.Series:
    """Whether the impact ratio is below 4/5, in whole numbers: 6 of 10 against 15 of 20 is not."""
    selected, available = (table.set_index("group")[name].astype(object) for name in ("selected", "available"))
    reference = table["reference"].iloc[0]
    below = 5 * selected * available[reference] < 4 * selected[reference] * available
    return pd.Series(below.to_numpy(bool), table.index, dtype="boolean").mask(table["impact_ratio"].isna())


def _notes(row, alone: bool, exclude_small: bool) -> Iterator[str]:
    if row.group == UNKNOWN:
        if row.candidates:
            yield "no value given: ranked with the others, compared with none"
        return
    if not row.candidates:
        yield "no candidate of this group"
        return
    if row.small:
        yield f"small group: {row.candidates} candidates" + (", left out of the comparison" if exclude_small else "")
    if not row.available:
        yield "no candidate of this group in the pool"
        return
    if row.compared and alone:
        yield "the only group to compare: no ratio"
    elif row.compared:
        if np.isnan(row.impact_ratio):
            yield f"nobody of the reference group {row.reference} is selected: no impact ratio"
        if np.isnan(row.scoring_ratio):
            yield f"nobody of the reference group {row.scoring_reference} scores above the median: no scoring ratio"
        if np.isnan(row.exposure_ratio):
            yield f"nobody of the reference group {row.exposure_reference} is in the first ranks: no exposure ratio"
    if not row.selected:
        yield "nobody selected: skew is minus infinity"
    if not row.qualified:
        yield "no candidate known to be qualified: no true positive rate"


def _summary(part: Groups, table: pd.DataFrame, divergence: np.ndarray) -> dict:
    compared = table[table["compared"]]
    defined = compared["true_positive_rate"].dropna()
    enough = len(compared) > 1
    worst = compared["selection_rate"].idxmin() if enough else None
    notes = [] if enough else ["fewer than two groups to compare"]
    if enough and len(defined) < len(compared):
        without = compared.loc[compared["true_positive_rate"].isna(), "group"]
        notes.append(f"equal opportunity without {', '.join(without)}: nobody known to be qualified")
    return {
        "attribute": part.attribute,
        "groups": len(compared),
        "small": ", ".join(table.loc[table["small"], "group"]),
        "unknown": int(part.sizes[-1]),
        "worst_group": table["group"][worst] if enough else "",
        "impact_ratio_worst": table["impact_ratio"][worst] if enough else np.nan,
        "demographic_parity_difference": np.ptp(compared["selection_rate"]) if enough else np.nan,
        "equal_opportunity_difference": np.ptp(defined) if len(defined) > 1 else np.nan,
        "scoring_ratio": compared["scoring_ratio"].min(),
        "exposure_ratio": compared["exposure_ratio"].min(),
        "ndkl": divergence.mean(),
        "note": "; ".join(notes),
    }


def _per_job(jobs: Dataset, pool: str, division: Groups, counts: np.ndarray) -> pd.DataFrame:
    names = len(division.names)
    table = pd.DataFrame(counts.reshape(-1, len(COUNTS)), columns=list(COUNTS))
    table = table.astype({name: int for name in COUNTS if name != "exposure_sum"})
    table.insert(0, "job_id", np.repeat(np.asarray(jobs["job_id"][:], dtype=object), names))
    occupations = jobs["occupation"][:] if "occupation" in jobs.column_names else [None] * len(jobs)
    table.insert(1, "occupation", np.repeat(np.asarray(occupations, dtype=object), names))
    table.insert(2, "pool", pool)
    table.insert(3, "attribute", division.attribute)
    table.insert(4, "group", np.tile(np.asarray(division.names, dtype=object), len(jobs)))
    return table


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise InputError(f"method={method!r} is not one of {', '.join(METHODS)}")
