"""The gap between groups as a smooth function of their exposures, and its gradient.

An exposure is the sum of the candidates' selection weights over ads. With E_g the mean weight in group g, and E_-g that
of everyone else who belongs to a group, the gap is the mean over the groups of |log(E_g / E_-g)|: 0 at parity, and the
same for a ratio of 1.25 as for one of 0.8. For two groups it is the distance of the log impact ratio from 0.
"""

import numpy as np

from autorefine_lib.recommender import scores as ranked

AT_PARITY = 0.95
"""A ratio from here to its inverse, 1.053, is left alone: that near to parity a policy would be paid for noise."""
EXTRA_PLACES = 1.0
"""Places that nobody gave, shared by all alike: they keep the logarithm finite where a group has no exposure, and leave
a ratio of 1 as it is (as the half that Haldane and Anscombe add to the counts of a log odds ratio)."""


def selection_weights(scores: np.ndarray, k: int, smoothing: float) -> np.ndarray:
    """Membership of the top k, float [ads, candidates] in [0, 1].

    sigmoid((s - tau) / T), with tau midway between the k-th and the (k+1)-th best score of the ad and T = `smoothing`
    standard deviations of its scores. For `smoothing` 0 it is the hard top k (`scores.selection`). Needs more than k
    candidates.
    """
    if smoothing == 0:
        return ranked.selection(scores, k)
    scores = np.asarray(scores, np.float64)
    parted = np.partition(scores, (-k - 1, -k), axis=1)
    tau = parted[:, [-k - 1, -k]].mean(1, keepdims=True)
    width = np.maximum(smoothing * scores.std(1, keepdims=True), 1e-9)
    return 1 / (1 + np.exp(-np.clip((scores - tau) / width, -50, 50)))


def log_ratios(exposure: np.ndarray, members: np.ndarray, extra: float = EXTRA_PLACES) -> np.ndarray:
    """log(E_g / E_-g) of every group, float [..., groups]; NaN for a group without members, or alone with some.

    Args:
        exposure: summed weights of the groups' members, float [..., groups].
        members: how many weights each sum has, int [..., groups].
        extra: `EXTRA_PLACES`, or 0 for the plain ratio, whose logarithm may be infinite.
    """
    exposure, others, members, other_members = _with_others(exposure, members, extra)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.log((exposure / members) / (others / other_members))
    return np.where((members > 0) & (other_members > 0), ratios, np.nan)


def gap(exposure: np.ndarray, members: np.ndarray, extra: float = EXTRA_PLACES) -> np.ndarray:
    """The mean of |`log_ratios`| over the groups that have one, float [...]; NaN where none has."""
    distances = np.abs(log_ratios(exposure, members, extra))
    defined = np.where(np.isnan(distances), 0, 1).sum(-1)
    return np.where(defined, np.nansum(distances, -1) / np.maximum(defined, 1), np.nan)


def worst_gap(exposure: np.ndarray, members: np.ndarray, extra: float = EXTRA_PLACES) -> np.ndarray:
    """The largest of the groups' |`log_ratios`|, float [...]; NaN where none has one.

    A search for the smallest is for the group that is worst off (minimax; Martinez, Bertran and Sapiro, ICML 2020).
    """
    return np.fmax.reduce(np.abs(log_ratios(exposure, members, extra)), axis=-1)


def pull(exposure: np.ndarray, members: np.ndarray) -> np.ndarray:
    """What a rise of each log ratio takes off the gap, float [..., groups]: -sign / groups; 0 at parity, or if unknown.

    They add up the groups' contributions: the gap falls by the sum of pull_g times the change of log ratio g.
    """
    ratios = log_ratios(exposure, members)
    defined = np.count_nonzero(~np.isnan(ratios), axis=-1, keepdims=True)
    away = np.nan_to_num(np.abs(ratios)) > -np.log(AT_PARITY)
    return np.where(away, -np.sign(np.nan_to_num(ratios)), 0) / np.maximum(defined, 1)


def closing(pulls: np.ndarray, exposure: np.ndarray, members: np.ndarray) -> np.ndarray:
    """By how much the gap falls per unit of each group's exposure, float [..., groups]: minus its gradient.

    d log(E_g / E_-g) / d(weight) is 1 / (sum of g's weights) for a member of g, and -1 / (sum of the others') for
    another, so it is the same for all members of a group.
    """
    exposure, others, *_ = _with_others(exposure, members, EXTRA_PLACES)
    with np.errstate(divide="ignore", invalid="ignore"):
        own, against = (np.where(pulls, pulls / sums, 0) for sums in (exposure, others))
    return own - (against.sum(-1, keepdims=True) - against)


def _with_others(exposure: np.ndarray, members: np.ndarray, extra: float) -> tuple[np.ndarray, ...]:
    """The exposure of each group and of all others with the extra places, and the members of both."""
    members = np.asarray(members, np.float64)
    total = members.sum(-1, keepdims=True)
    exposure = np.asarray(exposure, np.float64) + extra * members / np.maximum(total, 1)
    return exposure, exposure.sum(-1, keepdims=True) - exposure, members, total - members
