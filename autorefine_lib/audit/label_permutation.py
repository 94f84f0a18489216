"""Could chance alone have picked these people? Group labels shuffled among candidates who compete with each other.

If groups play no part in a ranking, a candidate's label could as well be that of any other in the same pool. Shuffling
the labels within each pool, while the selection stays as it is, gives the impact ratios that chance produces (a
permutation test; Fisher, 1935; Good, 2005, "Permutation, Parametric and Bootstrap Tests of Hypotheses"). It is exact
where an interval over ads is not: a candidate whom every ad selects counts as one person, however many the ads, and the
most selected group is sought anew in every shuffle, as it was in the data. Where scores are tied, a person keeps the
expected number of ads that select him or her (`scores`), so that the order of the file decides nothing here either.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from autorefine_lib.audit.group_counts import Pool
from autorefine_lib.metrics import ranking
from autorefine_lib.recommender.scores import selection


class Labels(NamedTuple):
    """One attribute of the candidates."""

    codes: np.ndarray
    """Group of each candidate, int [candidates]."""
    compared: np.ndarray
    """Which groups are compared, bool [groups]; the others, such as the unknown, are shuffled with them."""


def p_values(
    scores: np.ndarray, pools: Iterable[Pool], attributes: Sequence[Labels], k: int, n_shuffles: int = 1000
) -> list[np.ndarray]:
    """Share of the shuffles in which an impact ratio is as low as measured or lower, float [groups] an attribute.

    Args:
        scores: float [ads, candidates]; each ad selects its k best.
        pools: from `group_counts.pools`.
        attributes: shuffled together, so that their intersections stay what they are.

    Returns:
        One-sided p values (1 + as low) / (1 + shuffles), so never 0; NaN for a group that has no ratio.

    Raises:
        InputError: k above a pool.
    """
    rng = np.random.default_rng(0)
    selected = [np.zeros((1 + n_shuffles, len(attribute.compared))) for attribute in attributes]
    available = [np.zeros(len(attribute.compared)) for attribute in attributes]
    for rows, indices in pools:
        labels = [attribute.codes[indices] for attribute in attributes]
        times = sum(selection(scores[row][None, indices], k)[0] for row in rows)
        # Who has the same selections and the same labels is the same here: the file's order does not touch the draws.
        order = np.lexsort([*labels, -times])
        weights = times[order][: np.count_nonzero(times)]
        labels = [label[order] for label in labels]
        for place in range(1 + n_shuffles):
            # Only the labels that the selected get matter: a draw without replacement from those of the pool.
            drawn = rng.choice(len(order), len(weights), replace=False) if place else np.arange(len(weights))
            for total, label in zip(selected, labels, strict=True):
                total[place] += np.bincount(label[drawn], weights, total.shape[1])
        for there, label in zip(available, labels, strict=True):
            there += len(rows) * np.bincount(label, minlength=len(there))
    return [_share_as_low(*parts) for parts in zip(selected, available, attributes, strict=True)]


def _share_as_low(selected: np.ndarray, available: np.ndarray, attribute: Labels) -> np.ndarray:
    ratios = ranking.impact_ratios(selected, available, compared=attribute.compared)
    # Ratios that are equal in exact numbers may differ in the last digit.
    as_low = (ratios[1:] <= ratios[0] * (1 + 1e-12)).sum(0)
    return np.where(np.isnan(ratios[0]), np.nan, (1 + as_low) / len(ratios))
