"""What a ranking does to groups: any number of attributes and their intersections, every measure beside its counts.

Each job ranks a pool of candidates and *selects* its k best. Counts are summed over the jobs before a rate is taken, so
that a rate weighs every application alike. With J the jobs, and sums over J:

- selection_rate = selected members / members in the pool (`available`).
- impact_ratio = selection_rate / that of the reference: the most selected group, as in New York City's Local Law 144 of
  2021 (6 RCNY § 5-300), or a group named by the caller. `four_fifths` is the flag of the Uniform Guidelines on Employee
  Selection Procedures, 29 CFR 1607.4(D), worked out in whole numbers: True below 4/5. Local Law 144 sets no pass mark.
- scoring_rate = members whose score lies above the median of the full sample / members in the pool. The full sample is
  the job's whole pool, the unknown included: scores of different ads have no common scale, so the median is taken ad by
  ad and the counts are summed after that. A score equal to the median is not above it.
- scoring_ratio = scoring_rate / that of the highest scoring group (Local Law 144), or of the named one.
- true_positive_rate = selected qualified members / `qualified` members, those with the job's occupation. Their largest
  difference is the equal-opportunity difference (Hardt, Price and Srebro, 2016); among the pool "qualified" it is the
  demographic parity difference.
- exposure = position bias over the first `depth` ranks, a mean over the members in the pool (Singh and Joachims, 2018);
  exposure_ratio = exposure / that of the most exposed group, or of the named one.
- skew = log of the share of the selected over the share of the pool (Geyik et al., 2019), pooled over the jobs.
- ndkl, one number for all groups: the mean over the jobs of NDKL over the first `depth` ranks (Geyik et al., 2019); the
  desired shares are those of the job's pool, the unknown a group of their own.

Equal scores keep the order of the candidates, as in `metrics.top_k`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib import exposure, groups, metrics
from autorefine_lib.errors import InputError
from autorefine_lib.groups import Groups

FOUR_FIFTHS = (4, 5)
MIN_SHARE = 0.02
"""Share of the candidates below which a group is small: such may be left out of the ratios (6 RCNY § 5-301)."""
MIN_COUNT = 30
"""Candidates below which a group is small: one more selected moves its rate by over three points."""
RATES = ("selection_rate", "scoring_rate", "true_positive_rate", "exposure")
COUNTS = ("selected", "available", "above_median", "qualified", "qualified_selected", "exposure_sum")
METHODS = ("between_groups", "to_overall")
_BLOCK = 2**24
"""Numbers that are worked on at once: 64 MB of float32."""


@dataclass(frozen=True)
class GroupReport:
    """Measures of groups; the names are those of fairlearn's MetricFrame."""

    by_group: pd.DataFrame
    """One row an attribute and group, the unknown last: attribute, group, candidates (members), small (bool), selected,
    available, selection_rate, impact_ratio, four_fifths (True below 4/5, missing where undefined), above_median,
    scoring_rate, scoring_ratio, qualified, qualified_selected, true_positive_rate, exposure, exposure_ratio, skew,
    compared (bool: takes part in references, differences and the worst group), reference, scoring_reference,
    exposure_reference, note. Where a value is undefined it is NaN (a skew of nobody selected: minus infinity) and the
    note says why."""
    summary: pd.DataFrame
    """One row an attribute: attribute, groups (compared), unknown (candidates), worst_group, impact_ratio_worst,
    demographic_parity_difference, equal_opportunity_difference, scoring_ratio, exposure_ratio (both of the worst
    group), ndkl, k, depth, pool, note."""
    per_job: pd.DataFrame
    """One row a job, attribute and group: job_id, occupation, pool, attribute, group and `COUNTS`; of one attribute
    it is a table for `metrics.rate_counts`."""
    overall: pd.DataFrame
    """The `RATES` of all candidates, groups or not, one row an attribute."""

    def group_max(self) -> pd.DataFrame:
        """Highest of each rate over the compared groups, one row an attribute."""
        return self._compared().max()

    def group_min(self) -> pd.DataFrame:
        """Lowest of each rate over the compared groups, one row an attribute."""
        return self._compared().min()

    def difference(self, method: str = "between_groups") -> pd.DataFrame:
        """Differences of the rates, one row an attribute.

        Args:
            method: "between_groups", highest less lowest; "to_overall", the largest distance to the rate of all.
        """
        _check_method(method)
        if method == "between_groups":
            return self.group_max() - self.group_min()
        return self._to_overall(lambda rates, overall: (rates - overall).abs()).max()

    def ratio(self, method: str = "between_groups") -> pd.DataFrame:
        """Ratios of the rates, at most 1, one row an attribute.

        Args:
            method: "between_groups", lowest over highest; "to_overall", the smallest of each rate over that of all or
                the other way round.
        """
        _check_method(method)
        if method == "between_groups":
            highest = self.group_max()
            return self.group_min() / highest.where(highest > 0)
        return self._to_overall(lambda rates, overall: np.minimum(rates / overall, overall / rates)).min()

    def _compared(self):
        rows = self.by_group[self.by_group["compared"]]
        return rows.groupby("attribute", sort=False)[list(RATES)]

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
    reference: str = metrics.MOST_SELECTED,
    depth: int | None = None,
    min_share: float = MIN_SHARE,
    min_count: int = MIN_COUNT,
    exclude_small: bool = False,
) -> GroupReport:
    """Measure what the ranking does to the groups of every attribute.

    Args:
        scores: finite floats [jobs, candidates], higher is better; may be memory-mapped.
        jobs: with job_id and occupation.
        candidates: with occupation and the attributes' columns.
        attributes: columns of the candidates; a tuple of columns is their intersection.
        k: how many candidates a job selects.
        pool: "all" candidates, or those "qualified": with the job's occupation, ranked among themselves.
        reference: the group whose rates are the denominators, in every attribute; "most_selected" takes in each rate
            the group that has the highest.
        depth: ranks that exposure and NDKL look at; k if None. The size of the pool gives the measures of a whole
            ranking, at the price of sorting it.
        min_share, min_count: share and number of candidates below which a group is small.
        exclude_small: leave small groups out of references, ratios, differences and the worst group, which Local Law
            144 allows; they keep their rows, counts and rates.

    Raises:
        InputError: no jobs, wrong scores, an unknown attribute, pool or reference, k or depth not in 1 to the size of
            every pool, an occupation that no candidate has, a column in which everybody is unknown.
    """
    if not len(jobs):
        raise InputError("no jobs, so nothing was ranked; give at least one")
    if pool not in metrics.POOLS:
        raise InputError(f"pool={pool!r} is not one of {', '.join(metrics.POOLS)}")
    if isinstance(attributes, str) or not len(attributes):
        raise InputError(f"attributes={attributes!r} is no list of columns; write for instance ['gender', 'race']")
    scores = metrics.check_scores(scores, len(jobs), len(candidates))
    divided = [groups.of(candidates, attribute) for attribute in attributes]
    for division in divided:
        if reference != metrics.MOST_SELECTED and reference not in division.names[:-1]:
            raise InputError(
                f"reference group {reference!r} is not one of {', '.join(division.names[:-1])} ({division.attribute})"
            )
    depth = k if depth is None else depth
    counts = _count(scores, jobs, candidates, divided, k, depth, pool)
    tables, rows, overall = [], [], []
    for division, per_job, divergence in counts:
        table = _rates(division, per_job.sum(0), min_share, min_count, exclude_small, reference)
        tables.append(table)
        overall.append({"attribute": division.attribute} | _overall(per_job.sum((0, 1))))
        rows.append(_summary(division, table, divergence) | {"k": k, "depth": depth, "pool": pool})
    return GroupReport(
        by_group=pd.concat(tables, ignore_index=True),
        summary=pd.DataFrame(rows),
        per_job=pd.concat([_per_job(jobs, pool, division, per_job) for division, per_job, _ in counts]),
        overall=pd.DataFrame(overall).set_index("attribute"),
    )


def _count(scores, jobs, candidates, divided, k, depth, pool) -> list[tuple[Groups, np.ndarray, np.ndarray]]:
    """Of each attribute `COUNTS` by job and group, float [jobs, groups, counts], and NDKL by job, float [jobs]."""
    counted = [(np.zeros((len(jobs), len(part.names), len(COUNTS))), np.zeros(len(jobs))) for part in divided]
    widths = np.cumsum([len(part.names) for part in divided])[:-1]
    # Whole numbers below 2^24 are exact in float32, half the time of float64.
    members = np.hstack([np.eye(len(part.names), dtype=np.float32)[part.codes] for part in divided])
    for rows, pool_of_job, is_qualified in _pools(jobs, candidates, pool, k, depth):
        available = np.split(members[pool_of_job].sum(0, dtype=float), widths)
        qualified = np.split(members[pool_of_job][is_qualified].sum(0, dtype=float), widths)
        for block in np.array_split(rows, -(-len(rows) * len(pool_of_job) // _BLOCK)):
            ranked = scores[np.ix_(block, pool_of_job)]
            shown = metrics.top_k(ranked, max(k, depth))
            # Above the median is above the lower of the two middle scores, also where it lies between them.
            middle = (len(pool_of_job) - 1) // 2
            median = np.partition(ranked, middle, axis=1)[:, middle, None]
            above = np.split((ranked > median).astype(np.float32) @ members[pool_of_job], widths, axis=1)
            for part, (table, ndkl), above_median, there, fit in zip(
                divided, counted, above, available, qualified, strict=True
            ):
                group = part.codes[pool_of_job][shown]
                one_of = group[:, :k, None] == np.arange(len(part.names))
                selected = one_of.sum(1)
                fit_selected = (one_of & is_qualified[shown[:, :k], None]).sum(1)
                seen = exposure.exposure(group[:, :depth], len(part.names))
                columns = [selected, there, above_median, fit, fit_selected, seen]
                table[block] = np.stack(np.broadcast_arrays(*columns), axis=2)
                ndkl[block] = exposure.ndkl(group[:, :depth], there / there.sum())
    return [(part, *arrays) for part, arrays in zip(divided, counted, strict=True)]


def _pools(jobs, candidates, pool, k, depth) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each occupation the rows of its jobs, the indices of their pool, and who of the pool is qualified (bool)."""
    occupations = np.asarray(jobs["occupation"], dtype=object)
    for occupation, qualified in metrics.qualified(jobs, candidates).items():
        indices = qualified if pool == "qualified" else np.arange(len(candidates))
        for name, value in (("k", k), ("depth", depth)):
            if not 1 <= value <= len(indices):
                raise InputError(
                    f"{name}={value} is not between 1 and {len(indices)}, the candidates in the pool of the occupation "
                    f"{occupation!r}; choose {name} in between or drop its jobs"
                )
        yield np.flatnonzero(occupations == occupation), indices, np.isin(indices, qualified)


def _divide(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    return np.divide(over, under, out=np.full(np.shape(over), np.nan), where=np.asarray(under) > 0)


def _overall(sums: np.ndarray) -> dict[str, float]:
    selected, available, above, fit, fit_selected, seen = sums
    rates = (selected / available, above / available, float(_divide(fit_selected, fit)), seen / available)
    return dict(zip(RATES, rates, strict=True))


def _rates(division: Groups, sums, min_share, min_count, exclude_small, reference) -> pd.DataFrame:
    """The rows of `GroupReport.by_group` of one attribute from its sums [groups, counts]."""
    selected, available, above, fit, fit_selected, seen = sums.T
    size = division.sizes
    names = np.asarray(division.names, dtype=object)
    known = np.arange(len(names)) < len(names) - 1
    small = (size < min_share * size.sum()) | (size < min_count)
    compared = known & (available > 0) & ~(small & exclude_small)
    rates = {
        "selection": _divide(selected, available),
        "scoring": _divide(above, available),
        "exposure": _divide(seen, available),
    }
    bases = {name: _reference(names, rate, compared, reference) for name, rate in rates.items()}
    ratios = {name: _divide(rate, np.full(len(names), rate[bases[name]])) for name, rate in rates.items()}
    for ratio in ratios.values():
        ratio[~compared] = np.nan
    base = bases["selection"]
    over, under = FOUR_FIFTHS
    below = under * selected * available[base] < over * selected[base] * available
    table = {
        "attribute": division.attribute,
        "group": names,
        "candidates": size,
        "small": small,
        "selected": selected.astype(int),
        "available": available.astype(int),
        "selection_rate": rates["selection"],
        "impact_ratio": ratios["selection"],
        "four_fifths": pd.array(below, dtype="boolean"),
        "above_median": above.astype(int),
        "scoring_rate": rates["scoring"],
        "scoring_ratio": ratios["scoring"],
        "qualified": fit.astype(int),
        "qualified_selected": fit_selected.astype(int),
        "true_positive_rate": _divide(fit_selected, fit),
        "exposure": rates["exposure"],
        "exposure_ratio": ratios["exposure"],
        "skew": exposure.skew(selected, available),
        "compared": compared,
        "reference": names[base],
        "scoring_reference": names[bases["scoring"]],
        "exposure_reference": names[bases["exposure"]],
    }
    frame = pd.DataFrame(table)
    frame.loc[frame["impact_ratio"].isna(), "four_fifths"] = pd.NA
    frame["note"] = ""
    return frame


def _reference(names, rate, compared, reference) -> int:
    if reference != metrics.MOST_SELECTED:
        return int(np.flatnonzero(names[:-1] == reference)[0])
    return int(np.argmax(np.where(compared, rate, -1.0)))


def _summary(division: Groups, table: pd.DataFrame, divergence: np.ndarray) -> dict:
    compared = table[table["compared"]]
    worst = compared.loc[compared["selection_rate"].idxmin()]
    return {
        "attribute": division.attribute,
        "groups": len(compared),
        "unknown": int(division.sizes[-1]),
        "worst_group": worst["group"],
        "impact_ratio_worst": worst["impact_ratio"],
        "demographic_parity_difference": np.ptp(compared["selection_rate"]),
        "equal_opportunity_difference": compared["true_positive_rate"].max() - compared["true_positive_rate"].min(),
        "scoring_ratio": compared["scoring_ratio"].min(),
        "exposure_ratio": compared["exposure_ratio"].min(),
        "ndkl": divergence.mean(),
    }


def _per_job(jobs: Dataset, pool: str, division: Groups, counts: np.ndarray) -> pd.DataFrame:
    names = len(division.names)
    table = pd.DataFrame(counts.reshape(-1, len(COUNTS)), columns=list(COUNTS))
    table = table.astype({name: int for name in COUNTS if name != "exposure_sum"})
    table.insert(0, "job_id", np.repeat(np.asarray(jobs["job_id"], dtype=object), names))
    table.insert(1, "occupation", np.repeat(np.asarray(jobs["occupation"], dtype=object), names))
    table.insert(2, "pool", pool)
    table.insert(3, "attribute", division.attribute)
    table.insert(4, "group", np.tile(np.asarray(division.names, dtype=object), len(jobs)))
    return table


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise InputError(f"method={method!r} is not one of {', '.join(METHODS)}")
