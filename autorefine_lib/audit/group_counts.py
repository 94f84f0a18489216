"""What a ranking does to groups, counted ad by ad.

Only the median and the ranks down to k are looked for, both without a sort of all candidates, and one ad at a time: a
matrix of scores may be larger than the memory. Tied candidates share the ranks of their tie (`scores`).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from datasets import Dataset

from autorefine_lib.metrics import ranking
from autorefine_lib.metrics.groups import Groups
from autorefine_lib.recommender.scores import best_ties, check_k, share

COUNTS = ("selected", "available", "above_median")
"""Members among the k best (expected, where candidates are tied); in the pool; above the pool's median score."""

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
