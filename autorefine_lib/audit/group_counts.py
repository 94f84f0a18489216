"""What a ranking does to groups: counted ad by ad, then the measures of one attribute, each beside its counts.

Only the median and the ranks down to k are looked for, both without a sort of all candidates, and one ad at a time: a
matrix of scores may be larger than the memory. Tied candidates share the ranks of their tie (`scores`).

Counts are summed over the ads before a rate is taken, so that a rate weighs every application alike. With sums over the
ads:

- selection_rate = selected members / members in the pool (`available`).
- impact_ratio = selection_rate / that of the reference: the most selected group, as in New York City's Local Law 144 of
  2021 (6 RCNY § 5-300).
- scoring_rate = members whose score lies above the median of the full sample / members in the pool (6 RCNY § 5-300,
  § 5-301(c)). The full sample is the ad's whole pool, the unknown included: scores of different ads have no common
  scale, so the median is taken ad by ad and the counts are summed after that. A score equal to the median is not above
  it.
- scoring_ratio = scoring_rate / that of the highest scoring group (6 RCNY § 5-300).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib.metrics import ranking
from autorefine_lib.metrics.groups import UNKNOWN, Groups
from autorefine_lib.recommender.scores import best_ties, check_k, share

COUNTS = ("selected", "available", "above_median")
"""Members among the k best (expected, where candidates are tied); in the pool; above the pool's median score."""

SMALL = 0.02
"""Share of the candidates below which a group has counts and rates, but no ratio, and is no reference, as 6 RCNY
§ 5-301(d) allows."""

Pool = tuple[np.ndarray, np.ndarray]
"""Rows of ads, and the indices of the candidates that these ads rank."""


def pools(jobs: Dataset, candidates: Dataset, pool: str) -> Iterator[Pool]:
    """Who ranks whom: "qualified" candidates by occupation, or "all" together."""
    if pool == "all":
        yield np.arange(len(jobs)), np.arange(len(candidates))
        return
    occupations = np.asarray(jobs["occupation"][:], dtype=object)
    for occupation, indices in ranking.qualified(jobs, candidates).items():
        yield np.flatnonzero(occupations == occupation), indices


def count(
    scores: np.ndarray, jobs: Dataset, candidates: Dataset, divided: Sequence[Groups], k: int, pool: str
) -> tuple[list[np.ndarray], int]:
    """What each ad's ranking does to the groups of every attribute.

    Args:
        scores: checked, float [ads, candidates]; may be memory-mapped.
        divided: the attributes' groups.
        k: how many candidates an ad selects.
        pool: "all" candidates, or the "qualified" ones, which are ranked among themselves.

    Returns:
        Of each attribute `COUNTS` by ad and group, float [ads, groups, counts]; and the number of ads with a tie across
        rank k, so that some of its members are selected and others are not.

    Raises:
        InputError: k is not between 1 and the size of an ad's pool.
    """
    counted = [np.zeros((len(jobs), len(part.names), len(COUNTS))) for part in divided]
    tied = 0
    for rows, indices in pools(jobs, candidates, pool):
        check_k(k, len(indices))
        codes = [part.codes[indices] for part in divided]
        middle = (len(indices) - 1) // 2
        for row in rows:
            ranked = scores[row][indices]
            best, starts = best_ties(ranked, k)
            tied += len(best) > k
            chances = share(np.ones(k), starts, len(best))
            # Above the median is above the lower of the two middle scores: no mean of the two has to be rounded.
            above = ranked > np.partition(ranked, middle)[middle]
            for code, counts in zip(codes, counted, strict=True):
                size = counts.shape[1]
                counts[row, :, 0] = np.bincount(code[best], chances, size)
                counts[row, :, 1] = np.bincount(code, minlength=size)
                counts[row, :, 2] = np.bincount(code[above], minlength=size)
    return counted, tied


def compare_groups(part: Groups, counts: np.ndarray) -> pd.DataFrame:
    """Divide the counts, one row a group, the unknown last; the reference is the compared group of the highest rate.

    Args:
        part: the attribute's groups.
        counts: from `count`, float [ads, groups, counts].

    Returns:
        attribute, group, candidates, share, compared (bool), selected, available, selection_rate, reference,
        reference_rate, impact_ratio, above_median, scoring_rate, scoring_reference, scoring_ratio. Where a value is
        undefined it is NaN.
    """
    names, sums = np.asarray(part.names, dtype=object), pd.DataFrame(counts.sum(0), columns=list(COUNTS))
    table = pd.DataFrame({"attribute": part.attribute, "group": names, "candidates": part.sizes})
    table["share"] = table["candidates"] / len(part.codes)
    large = (table["candidates"] >= SMALL * len(part.codes)) & (sums["available"] > 0)
    compared = (large & (table["group"] != UNKNOWN)).to_numpy()

    def divide(over: str) -> tuple[pd.Series, int, np.ndarray]:
        """A count over the available: the rates, the place of their reference, and the ratios to it."""
        rates = sums[over] / sums["available"]
        place = ranking.most_selected(np.where(compared, rates, np.nan))
        ratios = ranking.impact_ratios(sums[over].to_numpy(), sums["available"].to_numpy(), place, compared)
        return rates, place, ratios if compared.sum() > 1 else np.full(len(names), np.nan)

    table["compared"], table["selected"], table["available"] = compared, sums["selected"], sums["available"].astype(int)
    table["selection_rate"], place, table["impact_ratio"] = divide("selected")
    table["reference"], table["reference_rate"] = names[place], table["selection_rate"][place]
    table["above_median"] = sums["above_median"].astype(int)
    table["scoring_rate"], place, table["scoring_ratio"] = divide("above_median")
    table["scoring_reference"] = names[place]
    return table
