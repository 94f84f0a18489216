"""The seam of every recommender, ads in and scores out, and who the best-scored candidates are."""

from collections.abc import Callable

import numpy as np

from autorefine_lib.errors import InputError

Rank = Callable[[list[str]], np.ndarray]
"""The ranking seam: ad texts in, scores [ads, candidates] out, higher is better."""


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Column indices of the k best scores of each row, int [rows, k], best first.

    Equal scores keep the order of the candidates, so that a ranking never depends on chance. In a file that order may
    go by group, as in the embedded corpus, where women come first. There MiniLM's cosines decide alone: for each of the
    1,680 ads the 20th and the 21st score differ by 1e-6 or more, in either pool. Where scores tie, put the candidates
    into a random order first, as `transfer.rejudge` does.

    Raises:
        InputError: k is not between 1 and the number of columns.
    """
    check_k(k, scores.shape[1])
    return np.stack([_best(row, k) for row in scores]) if len(scores) else np.zeros((0, k), int)


def _best(row: np.ndarray, k: int) -> np.ndarray:
    """As `top_k`, of one row: only what is as good as the k-th best is sorted, which is most of the time saved."""
    kth = np.partition(row, len(row) - k)[len(row) - k]
    above = np.flatnonzero(row > kth)
    chosen = np.concatenate([above, np.flatnonzero(row == kth)[: k - len(above)]])
    # Reversed twice: a stable sort from high to low, without a negation that would wrap small integers.
    return chosen[::-1][np.argsort(row[chosen][::-1], kind="stable")][::-1]


def check_k(k: int, pool: int) -> None:
    if not 1 <= k <= pool:
        raise InputError(f"k={k} is not between 1 and {pool}, the size of the pool of candidates; choose k in between")


def check_scores(scores: np.ndarray, ads: int, candidates: int) -> np.ndarray:
    """`scores` if it is a finite array [ads, candidates].

    Raises:
        InputError: it has another shape, holds NaN or infinity, or no numbers.
    """
    scores = np.asarray(scores)
    if scores.dtype.kind not in "fiu":
        raise InputError(f"rank returned {scores.dtype} instead of numbers; give floats [ads, candidates]")
    if scores.shape != (ads, candidates):
        raise InputError(f"rank returned shape {scores.shape}, not {(ads, candidates)}; give [ads, candidates]")
    if not np.isfinite(scores).all():
        row, column = np.argwhere(~np.isfinite(scores))[0]
        raise InputError(f"rank returned {scores[row, column]} for ad {row}, candidate {column}; give finite scores")
    return scores
