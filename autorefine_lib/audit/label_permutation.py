"""Could chance alone have picked these people? Group labels shuffled among candidates who compete with each other.

If groups play no part in a ranking, a candidate's label could as well be that of any other in the same pool. Shuffling
the labels within each pool, whoever is selected staying selected, gives the impact ratios that chance produces (a
permutation test; Fisher, 1935; Good, 2005, "Permutation, Parametric and Bootstrap Tests of Hypotheses"). It is exact
where an interval over ads is not: a candidate whom every ad selects counts as one person, however many the ads, and the
most selected group is sought anew in every shuffle, as it was in the data.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.metrics import ranking
from autorefine_lib.recommender.scores import top_k


def pools(jobs: Dataset, candidates: Dataset, pool: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of the jobs and indices of the candidates that they rank: by occupation, or all together for pool "all"."""
    if pool == "all":
        yield np.arange(len(jobs)), np.arange(len(candidates))
        return
    occupations = np.asarray(jobs["occupation"][:], dtype=object)
    for occupation, indices in ranking.qualified(jobs, candidates).items():
        yield np.flatnonzero(occupations == occupation), indices


@dataclass(frozen=True)
class Labels:
    """One attribute of the candidates."""

    codes: np.ndarray
    """Group of each candidate, int [candidates]."""
    compared: np.ndarray
    """Which groups are compared, bool [groups]; the others, such as the unknown, are shuffled with them."""
    reference: int | None = None
    """The group whose rate is the denominator; None takes the highest of the compared."""


def p_values(
    scores: np.ndarray,
    divided: Iterable[tuple[np.ndarray, np.ndarray]],
    attributes: Sequence[Labels],
    k: int,
    n_shuffles: int = 1000,
    seed: int = 0,
) -> list[np.ndarray]:
    """Share of the shuffles in which an impact ratio is as low as measured or lower, float [groups] an attribute.

    Args:
        scores: float [jobs, candidates]; each job selects its k best, equal scores in the order of the candidates.
        divided: from `pools`.
        attributes: shuffled together, so that their intersections stay what they are.

    Returns:
        One-sided p values (1 + as low) / (1 + shuffles), so never 0; NaN for a group that has no ratio.

    Raises:
        InputError: fewer than one shuffle, or k above a pool.
    """
    if n_shuffles < 1:
        raise InputError(f"n_shuffles={n_shuffles} gives no p value; choose at least 1, better 1,000 or more")
    rng = np.random.default_rng(seed)
    sizes = [len(attribute.compared) for attribute in attributes]
    sums = [np.zeros((1 + n_shuffles, size)) for size in sizes]
    available = [np.zeros(size) for size in sizes]
    for rows, indices in divided:
        labels = [attribute.codes[indices] for attribute in attributes]
        times = np.zeros(len(indices), int)
        for row in rows:
            times[top_k(scores[row, indices][None], k)[0]] += 1
        chosen = np.flatnonzero(times)
        weights = times[chosen]
        for place in range(1 + n_shuffles):
            # Only the labels that the selected get matter: a draw without replacement from the pool's.
            drawn = rng.choice(len(indices), len(chosen), replace=False) if place else chosen
            for total, label, size in zip(sums, labels, sizes, strict=True):
                total[place] += np.bincount(label[drawn], weights, size)
        for total, label, size in zip(available, labels, sizes, strict=True):
            total += len(rows) * np.bincount(label, minlength=size)
    return [_as_low(*parts) for parts in zip(sums, available, attributes, strict=True)]


def _as_low(sums: np.ndarray, available: np.ndarray, attribute: Labels) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = sums / available
        compared = np.where(attribute.compared & (available > 0), rates, -np.inf)
        base = compared.max(1) if attribute.reference is None else rates[:, attribute.reference]
        ratios = rates / base[:, None]
    # Ratios that are equal in exact numbers may differ in the last digit.
    as_low = (ratios[1:] <= ratios[0] * (1 + 1e-12)).sum(0)
    return np.where(attribute.compared & np.isfinite(ratios[0]), (1 + as_low) / len(ratios), np.nan)
