"""What a ranking does to groups, counted job by job and block by block, so that a matrix of scores may fill the memory.

Nothing is sorted but the ranks that are looked at: the median is found by partition, and so are the best.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib.audit import exposure
from autorefine_lib.errors import InputError
from autorefine_lib.metrics.groups import Groups
from autorefine_lib.recommender.scores import top_k

COUNTS = ("selected", "available", "above_median", "qualified", "qualified_selected", "exposure_sum")
"""Members among the k best; in the pool; above the pool's median; of the job's occupation; of those among the k best;
and the position bias that the members gather in the first `depth` ranks."""
_BLOCK = 2**24
"""Scores that are worked on at once: 64 MB of float32."""


def count(
    scores: np.ndarray, jobs: Dataset, candidates: Dataset, divided: list[Groups], k: int, depth: int, pool: str
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What each job's ranking does to the groups of every attribute.

    Args:
        scores: checked, float [jobs, candidates].
        divided: the attributes' groups.
        k, depth, pool: as in `group_report.measure`.

    Returns:
        Of each attribute `COUNTS` by job and group, float [jobs, groups, counts], and NDKL by job, float [jobs].

    Raises:
        InputError: k or depth is not between 1 and the size of a job's pool.
    """
    counted = [np.zeros((len(jobs), len(part.names), len(COUNTS))) for part in divided]
    ndkl = [np.zeros(len(jobs)) for _ in divided]
    widths = np.cumsum([len(part.names) for part in divided])[:-1]
    # Sums of ones are exact in float32 up to 2^24, and take a fraction of the time of float64.
    dtype = np.float32 if len(candidates) <= 2**24 else np.float64
    members = np.hstack([np.eye(len(part.names), dtype=dtype)[part.codes] for part in divided])
    wanted, offered = _occupations(jobs, candidates)
    for rows, indices in _pools(wanted, offered, pool):
        for name, value in (("k", k), ("depth", depth)):
            if not 1 <= value <= len(indices):
                raise InputError(
                    f"{name}={value} is not between 1 and {len(indices)}, the size of the pool of job "
                    f"{jobs['job_id'][int(rows[0])]!r}; choose {name} in between or drop such jobs"
                )
        everybody = len(indices) == len(candidates)
        there = members if everybody else members[indices]
        occupations = offered[indices]
        fit_of = {code: np.split(there[occupations == code].sum(0, dtype=float), widths) for code in set(wanted[rows])}
        available = np.split(there.sum(0, dtype=float), widths)
        for block in np.array_split(rows, min(len(rows), -(-len(rows) * len(indices) // _BLOCK))):
            ranked = scores[block] if everybody else scores[np.ix_(block, indices)]
            shown = top_k(ranked, max(k, depth))
            above = np.split(_above_median(ranked) @ there, widths, axis=1)
            is_fit = occupations[shown[:, :k]] == wanted[block, None]
            everyone = np.ones_like(is_fit)
            for place, part in enumerate(divided):
                group = part.codes[indices][shown]
                fit = np.stack([fit_of[code][place] for code in wanted[block]])
                selected, fit_selected = (_tally(group[:, :k], len(part.names), who) for who in (everyone, is_fit))
                seen = exposure.exposure(group[:, :depth], len(part.names))
                columns = [selected, available[place], above[place], fit, fit_selected, seen]
                counted[place][block] = np.stack(np.broadcast_arrays(*columns), axis=2)
                ndkl[place][block] = exposure.ndkl(group[:, :depth], available[place] / len(indices))
    return counted, ndkl


def _tally(group: np.ndarray, groups: int, who: np.ndarray) -> np.ndarray:
    """How many of `who` are of each group, row by row: int [rows, groups]."""
    return np.stack([((group == code) & who).sum(1) for code in range(groups)], axis=1)


def _above_median(scores: np.ndarray) -> np.ndarray:
    """1 where a score lies above the median of its row, else 0; float32, the shape of `scores`.

    Above the median is above the lower of the two middle scores, also where the median lies between them: one is found
    without a sort, and no mean of two is rounded.
    """
    middle = (scores.shape[1] - 1) // 2
    above = np.empty(scores.shape, np.float32)
    for row, out in zip(scores, above, strict=True):
        np.greater(row, np.partition(row, middle)[middle], out=out, casting="unsafe")
    return above


def _occupations(jobs: Dataset, candidates: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the jobs' and the candidates' occupations; -1 and -2, which match nobody, where none is given."""
    named = [
        table["occupation"][:] if "occupation" in table.column_names else [None] * len(table)
        for table in (jobs, candidates)
    ]
    codes, _ = pd.factorize(pd.Series(named[0] + named[1], dtype=object))
    wanted, offered = codes[: len(jobs)], codes[len(jobs) :]
    return wanted, np.where(offered < 0, -2, offered)


def _pools(wanted: np.ndarray, offered: np.ndarray, pool: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of jobs, and the indices of the candidates that they rank."""
    if pool == "all":
        yield np.arange(len(wanted)), np.arange(len(offered))
        return
    for code in pd.unique(wanted):
        yield np.flatnonzero(wanted == code), np.flatnonzero(offered == code)
