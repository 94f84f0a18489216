"""The measures of one attribute's groups, each beside the counts that it is made of.

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

import numpy as np
import pandas as pd

from autorefine_lib.audit.group_counts import COUNTS
from autorefine_lib.metrics import ranking
from autorefine_lib.metrics.groups import UNKNOWN, Groups

SMALL = 0.02
"""Share of the candidates below which a group has counts and rates, but no ratio, and is no reference, as 6 RCNY
§ 5-301(d) allows."""


def compare_groups(part: Groups, counts: np.ndarray) -> pd.DataFrame:
    """Divide the counts, one row a group, the unknown last; the reference is the compared group of the highest rate.

    Args:
        part: the attribute's groups.
        counts: from `group_counts.count`, float [ads, groups, counts].

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
