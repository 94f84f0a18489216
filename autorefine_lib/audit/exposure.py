"""What a ranking shows of each group: exposure (Singh and Joachims, 2018), skew@k and NDKL (Geyik et al., 2019).

All look at the first ranks only, down to a cut-off: the rest of a long ranking is never seen by a recruiter, and
sorting it costs more than all other measures together.

- A. Singh and T. Joachims, "Fairness of Exposure in Rankings", KDD 2018: position bias, exposure of a group.
- S. C. Geyik, S. Ambler and K. Kenthapadi, "Fairness-Aware Ranking in Search and Recommendation Systems with
  Application to LinkedIn Talent Search", KDD 2019: skew@k, NDKL.
"""

import numpy as np

SMOOTHING = 1e-7
"""Added to every share in NDKL, so that no logarithm is of 0, as in FairRankTune 0.0.7."""


def position_bias(ranks: int) -> np.ndarray:
    """The attention that each rank gets, 1 / log2(1 + rank) from rank 1, float [ranks]."""
    return 1 / np.log2(np.arange(2, ranks + 2))


def exposure(shown: np.ndarray, groups: int) -> np.ndarray:
    """Position bias that the members of each group gather in each ranking, float [rankings, groups].

    Divided by the number of its members it is the exposure of the group.

    Args:
        shown: group of the candidate at each rank, int [rankings, ranks], in 0 to groups - 1.
    """
    return np.stack([(shown == group) @ position_bias(shown.shape[1]) for group in range(groups)], axis=1)


def ndkl(shown: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Normalized discounted cumulative Kullback-Leibler divergence of each ranking, float [rankings]; 0 is parity.

    The mean, weighted by 1 / log2(1 + i), over the first i = 1, 2, ... ranks, of the divergence of the groups' shares
    in those i ranks from `shares`.

    Args:
        shown: as in `exposure`.
        shares: desired share of each group, float [rankings, groups] or [groups].
    """
    ranks = np.arange(1, shown.shape[1] + 1)
    desired = np.broadcast_to(shares, (len(shown), np.shape(shares)[-1])).T + SMOOTHING
    divergence = np.zeros(shown.shape)
    for group, wanted in enumerate(desired):
        seen = np.cumsum(shown == group, axis=1) / ranks + SMOOTHING
        divergence += seen * np.log(seen / wanted[:, None])
    weights = position_bias(shown.shape[1])
    return divergence @ weights / weights.sum()


def skew(selected: np.ndarray, available: np.ndarray) -> np.ndarray:
    """Skew@k of each group: log of its share of the selected over its share of the pool, float [groups].

    0 is parity; minus infinity where nobody of the group is selected, NaN where it has no member in the pool.

    Args:
        selected, available: counts over all groups, the unknown included, [groups].
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(selected / selected.sum()) - np.log(available / available.sum())
