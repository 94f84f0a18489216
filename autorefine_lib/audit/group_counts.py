"""What a ranking does to groups, counted ad by ad.

Only the median and the ranks down to k are looked for, both without a sort of all candidates, and one ad at a time: a
matrix of scores may be larger than the memory. Tied candidates share the ranks of their tie (`scores`).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib.metrics import ranking
from autorefine_lib.metrics.groups import Groups
from autorefine_lib.recommender.scores import best_ties, check_k, share

COUNTS = ("selected", "available", "above_median", "qualified", "qualified_selected", "exposure")
"""Members among the k best (expected, where candidates are tied); in the pool; above the pool's median score; of the
ad's occupation; of those among the k best; and the position bias, 1 / log2(1 + rank), that the members among the k best
gather (Singh and Joachims, "Fairness of Exposure in Rankings", KDD 2018)."""


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
    worth = np.column_stack([np.ones(k), ranking.position_bias(k)])
    wanted, offered = _occupations(jobs, candidates)
    tied = 0
    for rows, indices in pools(jobs, candidates, pool):
        check_k(k, len(indices))
        codes, occupations = [part.codes[indices] for part in divided], offered[indices]
        middle = (len(indices) - 1) // 2
        for row in rows:
            ranked = scores[row][indices]
            best, starts = best_ties(ranked, k)
            tied += len(best) > k
            chances, exposure = share(worth, starts, len(best)).T
            # Above the median is above the lower of the two middle scores: no mean of the two has to be rounded.
            above, fit = ranked > np.partition(ranked, middle)[middle], occupations == wanted[row]
            for code, counts in zip(codes, counted, strict=True):
                size = counts.shape[1]
                counts[row, :, 0] = np.bincount(code[best], chances, size)
                counts[row, :, 1] = np.bincount(code, minlength=size)
                counts[row, :, 2] = np.bincount(code[above], minlength=size)
                counts[row, :, 3] = np.bincount(code[fit], minlength=size)
                counts[row, :, 4] = np.bincount(code[best], chances * fit[best], size)
                counts[row, :, 5] = np.bincount(code[best], exposure, size)
    return counted, tied


def _occupations(jobs: Dataset, candidates: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the ads' and the candidates' occupations; -1 and -2, which match nobody, where none is given."""
    named = [
        table["occupation"][:] if "occupation" in table.column_names else [None] * len(table)
        for table in (jobs, candidates)
    ]
    codes, _ = pd.factorize(pd.Series(named[0] + named[1], dtype=object))
    wanted, offered = codes[: len(jobs)], codes[len(jobs) :]
    return wanted, np.where(offered < 0, -2, offered)
