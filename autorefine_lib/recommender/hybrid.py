"""Hybrid retrieval: the rankings of several recommenders become one by reciprocal rank fusion."""

from collections.abc import Sequence
from copy import copy

import numpy as np
from datasets import Dataset
from scipy.stats import rankdata

from autorefine_lib.recommender.scores import check_scores

K = 60
"""The constant of Cormack, Clarke and Büttcher (2009), section 2. They found that results depend little on it."""


def fuse_reciprocal_ranks(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Sum over the rankings of 1 / (K + rank) (Cormack, Clarke and Büttcher, SIGIR 2009, section 2).

    Equal scores share the best of their ranks (1, 2, 2, 4), so that the order of the candidates never decides. This
    matters because BM25 ties all candidates who share no word with the ad. Ties after fusion stay ties.

    Args:
        scores: one float array [ads, candidates] for each recommender, at least one; higher is better.

    Returns:
        float64 [ads, candidates], higher is better, at most `len(scores)` / (K + 1).

    Raises:
        InputError: shapes differ, or scores are not finite.
    """
    fused = np.zeros(np.shape(scores[0]))
    for one in scores:
        one = check_scores(one, *np.shape(scores[0]))
        fused += 1.0 / (K + rankdata(-one.astype(np.float64), method="min", axis=1)) if one.size else 0.0
    return fused


class HybridRecommender:
    """Ranks by reciprocal rank fusion of other recommenders, each of which is fitted to the same candidates.

    Args:
        recommenders: with `fit` and `rank`, at least one; dense and lexical ones complement each other.
    """

    def __init__(self, recommenders: Sequence) -> None:
        self.recommenders = tuple(recommenders)

    def __copy__(self) -> "HybridRecommender":
        # A copy may be fitted to other candidates; this one goes on ranking its own.
        return HybridRecommender([copy(each) for each in self.recommenders])

    def fit(self, candidates: Dataset) -> "HybridRecommender":
        """Fit each of the recommenders."""
        for recommender in self.recommenders:
            recommender.fit(candidates)
        return self

    def rank(self, ads: list[str]) -> np.ndarray:
        """Fused reciprocal ranks, float32 [ads, candidates]."""
        return fuse_reciprocal_ranks([each.rank(ads) for each in self.recommenders]).astype(np.float32)
