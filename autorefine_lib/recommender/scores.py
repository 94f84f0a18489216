"""The seam of every recommender, ads in and scores out, and who the best-scored candidates are.

Equal scores say nothing about who comes first, and the order of a file must not decide it: a file may be sorted by
group. So whatever is measured of a ranking is the mean over all orders of the candidates within a tie, worked out
exactly: the members of a tie share what their ranks are worth equally (McSherry and Najork, "Computing information
retrieval performance measures efficiently in the presence of tied scores", ECIR 2008). For a selection of k this means:
where r places are left for a tie of m candidates, each of them is selected with the chance r / m.
"""

from collections.abc import Sequence

import numpy as np

from autorefine_lib.errors import InputError

TOLERANCE = 5e-7
"""Scores that differ by at most this share of the ad's largest absolute score are tied: a difference of float32
rounding, not of candidates. MiniLM's cosines of 60 ads and 560 candidates (float32, at most 0.71) moved by up to 2.4e-7
when the same texts were embedded in other batches, which is 3.4e-7 of the largest. Six digits of a score still count.
A chain counts as one tie: sorted neighbours within the tolerance belong together, however far its ends are apart."""


def best_ties(row: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The best candidates of one ad, tie by tie, down to the tie that holds rank k, which is returned whole.

    Args:
        row: scores [candidates].
        k: between 1 and the number of candidates (`check_k`).

    Returns:
        The candidates, int [k or more], best first, equal scores in the order of the candidates; more than k where a
        tie reaches beyond rank k. And the place at which each tie starts, int [ties]; a candidate who is tied with
        nobody is a tie of one.
    """
    row = np.asarray(row, np.float64)
    tolerance = TOLERANCE * max(row.max(), -row.min())
    kth = np.partition(row, len(row) - k)[len(row) - k]
    best = np.flatnonzero(row >= kth - tolerance)
    if row[best].min() < kth:
        # The tie goes on below the k-th best score, nobody knows how far. It is rare enough to sort everybody then.
        best = np.arange(len(row))
    best = best[np.argsort(-row[best], kind="stable")]
    starts = np.flatnonzero(np.append(True, -np.diff(row[best]) > tolerance))
    ties = np.searchsorted(starts, k)
    return best[: starts[ties] if ties < len(starts) else None], starts[:ties]


def share(worth: np.ndarray, starts: np.ndarray, candidates: int) -> np.ndarray:
    """What each of the best candidates is expected to get, where the members of a tie share what their ranks are worth.

    Args:
        worth: of the first ranks, float [ranks] or [ranks, measures]; the ranks after them are worth 0.
        starts: from `best_ties`.
        candidates: how many candidates `best_ties` returned.

    Returns:
        float [candidates] or [candidates, measures], in the order of `best_ties`.
    """
    padded = np.zeros((candidates, *worth.shape[1:]))
    padded[: len(worth)] = worth
    sizes = np.diff(starts, append=candidates)
    return np.repeat((np.add.reduceat(padded, starts).T / sizes).T, sizes, axis=0)


def selection(scores: np.ndarray, k: int) -> np.ndarray:
    """The chance that a candidate is among the k best of an ad, float [ads, candidates]; each row adds up to k.

    Raises:
        InputError: k is not between 1 and the number of columns.
    """
    check_k(k, np.shape(scores)[1])
    chances = np.zeros(np.shape(scores))
    for row, chance in zip(scores, chances, strict=True):
        best, starts = best_ties(row, k)
        chance[best] = share(np.ones(k), starts, len(best))
    return chances


def check_k(k: int, pool: int) -> None:
    """Raise InputError where k is not between 1 and the number of candidates in the pool."""
    if not 1 <= k <= pool:
        raise InputError(f"k={k} is not between 1 and {pool}, the size of the pool of candidates; choose k in between")


def check_scores(
    scores: np.ndarray, ads: int, candidates: int, origin: str = "rank", ids: Sequence[Sequence[str]] = ()
) -> np.ndarray:
    """`scores` if it is a finite array [ads, candidates].

    The message of an error names `origin`, what gave them, and the `ids` of ads and candidates or else their numbers.

    Raises:
        InputError: it has another shape, holds NaN or infinity, or no numbers.
    """
    scores = np.asarray(scores)
    if scores.dtype.kind not in "fiu":
        raise InputError(f"{origin} gives something else instead of numbers; give a number for each ad and candidate")
    if scores.shape != (ads, candidates):
        hint = ", of which this is the transpose" if scores.shape == (candidates, ads) else ""
        raise InputError(f"{origin} gives shape {scores.shape}, not {(ads, candidates)}; give ads x candidates{hint}")
    if not np.isfinite(scores).all():
        place = np.argwhere(~np.isfinite(scores))[0].tolist()
        ad, candidate = [own[number] for own, number in zip(ids, place, strict=True)] if ids else place
        raise InputError(f"{origin}: the score of ad {ad!r}, candidate {candidate!r} is missing or not a finite number")
    return scores
