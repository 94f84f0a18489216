"""Hybrid retrieval: the rankings of several recommenders become one by reciprocal rank fusion."""

from collections.abc import Sequence

import numpy as np
from datasets import Dataset
from scipy.stats import rankdata

from autorefine_lib.errors import InputError
from autorefine_lib.recommender.scores import check_scores

K = 60
"""The constant of Cormack, Clarke and Büttcher (2009), section 2. They found that results depend little on it."""


def fuse_reciprocal_ranks(scores: Sequence[np.ndarray], k: int = K) -> np.ndarray:
    """Sum over the rankings of 1 / (k + rank) (Cormack, Clarke and Büttcher, SIGIR 2009, section 2).

    Equal scores share the best of their ranks (1, 2, 2, 4), so that the order of the candidates never decides. This
    matters because BM25 ties all candidates who share no word with the ad. Ties after fusion stay ties.

    Args:
        scores: one float array [ads, candidates] for each recommender, higher is better.
        k: the larger it is, the less the top of each ranking stands out; at least 0.

    Returns:
        float64 [ads, candidates], higher is better, at most `len(scores)` / (k + 1).

    Raises:
        InputError: there are no rankings, shapes differ, scores are not finite, or k is below 0.
    """
    if not len(scores):
        raise InputError("no rankings to fuse; give at least one array [ads, candidates]")
    if not 0 <= k < float("inf"):
        raise InputError(f"k={k} is not a number of at least 0; 60 is usual")
    shape = np.shape(scores[0])
    if len(shape) != 2:
        raise InputError(f"rankings of shape {shape} cannot be fused; give arrays [ads, candidates]")
    fused = np.zeros(shape)
    for one in scores:
        one = check_scores(one, *shape)
        fused += 1.0 / (k + rankdata(-one.astype(np.float64), method="min", axis=1)) if one.size else 0.0
    return fused


class HybridRecommender:
    """Ranks by reciprocal rank fusion of other recommenders, each of which is fitted to the same candidates.

    Args:
        recommenders: with `fit` and `rank`; dense and lexical ones complement each other.

    Raises:
        InputError: there are no recommenders.
    """

    def __init__(self, recommenders: Sequence) -> None:
        if not recommenders:
            raise InputError("a hybrid of no recommenders; give at least one, two to gain by it")
        self.recommenders = tuple(recommenders)

    def fit(self, candidates: Dataset) -> "HybridRecommender":
        """Fit each of the recommenders."""
        for recommender in self.recommenders:
            recommender.fit(candidates)
        return self

    def rank(self, ads: list[str]) -> np.ndarray:
        """Fused reciprocal ranks, float32 [ads, candidates]."""
        return fuse_reciprocal_ranks([each.rank(ads) for each in self.recommenders]).astype(np.float32)
