"""What an ad is worth: the parity of its ranking, less the ranking quality and the meaning that it loses.

Parity is smooth in the scores, because a reward that jumps only when a candidate crosses rank k teaches little. The
measures that are reported are the hard ones, in `ranking`. Every part lies between 0 and 1, so the weights of
`RewardConfig` bound what it can give or take. Pooled over n ads, one rewrite's change of the common parity counts n
times (`reward`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.metrics import groups, ranking
from autorefine_lib.recommender.scores import Rank, check_scores
from autorefine_lib.text import faithfulness
from autorefine_lib.text.guards import GUARDS

LOSSES = ("mrr_loss", "ndcg_loss", "meaning_loss")
"""The parts that are taken off, each between 0 and 1."""


@dataclass(frozen=True)
class RewardConfig:
    """What an ad's value is made of; every weight is in units of parity, which lies between 0 and 1."""

    w_parity: float = 1.0
    """Weight of parity."""
    w_quality: float = 1.0
    """Weight of the MRR and the NDCG@k lost against the original ad; gains are not paid."""
    w_meaning: float = 0.2
    """Weight of the meaning lost: 1 - cosine of the embeddings of the ad and its original."""
    w_violation: float = 0.03
    """Taken off for a completion that is refused; the text it was to replace stays."""
    w_protected: float = 0.2
    """Taken off for a completion that names a protected attribute which its source does not name."""
    smoothing: float = 1.0
    """Width of the soft threshold at rank k, in standard deviations of the qualified candidates' scores: narrower
    follows the hard top k more closely, wider is less noisy but drifts towards the mean score's own parity. On the
    synthetic validation ads PPO learned little from 0.25 and much from 1."""
    guards: tuple[str, ...] = GUARDS
    """The guards that a rewrite of a whole ad must pass (`guards.GUARDS`); leave one out to see what it is for.
    Sentences pass the strict check instead, which needs none of them but "protected"."""

    def __post_init__(self) -> None:
        for name in ("w_parity", "w_quality", "w_meaning", "w_violation", "w_protected"):
            if not 0 <= getattr(self, name) < np.inf:
                raise InputError(f"{name}={getattr(self, name)} is negative or no number; allowed: 0 or more")
        if self.w_protected < self.w_violation:
            raise InputError(f"w_protected={self.w_protected} is below w_violation={self.w_violation}; raise it")
        if not self.smoothing > 0:
            raise InputError(f"smoothing={self.smoothing} is not above 0; choose for instance 0.25")
        faithfulness.check_guards(self.guards)

    def value(self, parts: pd.DataFrame) -> pd.Series:
        """The weighted sum of parity and of the losses, `LOSSES`; a parity of NaN counts as 0."""
        return (
            self.w_parity * parts["parity"].fillna(0)
            - self.w_quality * (parts["mrr_loss"] + parts["ndcg_loss"])
            - self.w_meaning * parts["meaning_loss"]
        )


def selection_weights(scores: np.ndarray, k: int, smoothing: float) -> np.ndarray:
    """Soft membership of the top k, the expected exposure on a page of k places: float [ads, candidates] in (0, 1).

    sigmoid((s - tau) / T), with tau midway between the k-th and the (k+1)-th best score of the ad and T = `smoothing`
    standard deviations of its scores; as T goes to 0 it becomes the hard top k. Needs k < candidates.
    """
    scores = np.asarray(scores, np.float64)
    parted = np.partition(scores, (-k - 1, -k), axis=1)
    tau = parted[:, [-k - 1, -k]].mean(1, keepdims=True)
    width = np.maximum(smoothing * scores.std(1, keepdims=True), 1e-9)
    return _sigmoid((scores - tau) / width)


def parity(weights: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Closeness of groups' exposures to each other, float [ads] in (0, 1], 1 at parity, from both sides.

    With E_g the mean weight in group g and r_g = E_g / (mean weight of everyone else who belongs to a group):
    exp(-|log r_g|) = min(r_g, 1 / r_g), averaged over the groups. A ratio of 1.25 counts as much
    as one of 0.8: overshooting costs as much as falling short.

    Args:
        weights: float [ads, candidates].
        members: bool [groups, candidates]; groups without members are left out.

    Returns:
        NaN for every ad when fewer than two groups have members.
    """
    members = members.astype(np.float64)
    return parity_of_sums(weights @ members.T, members.sum(1))


def parity_of_sums(exposure: np.ndarray, members: np.ndarray) -> np.ndarray:
    """`parity` from the summed weights and the numbers of the groups' members, both float [..., groups]."""
    members = np.broadcast_to(members, exposure.shape)
    others = members.sum(-1, keepdims=True) - members
    defined = (members > 0) & (others > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (exposure / members) / ((exposure.sum(-1, keepdims=True) - exposure) / others)
        closeness = np.exp(-np.abs(np.log(ratio)))
    with np.errstate(invalid="ignore"):
        return np.where(defined, closeness, 0).sum(-1) / np.where(defined.any(-1), defined.sum(-1), np.nan)


@dataclass(frozen=True)
class Measures:
    """What was measured of some ads; float [ads, groups] or [ads]."""

    exposure: np.ndarray
    """Summed selection weights of each group's qualified members; 0 where parity cannot be told."""
    members: np.ndarray
    """Numbers of qualified members; 0 where parity cannot be told."""
    mrr_loss: np.ndarray
    """MRR lost against the original ad; 0 where it rose."""
    ndcg_loss: np.ndarray
    """NDCG@k lost against the original ad; 0 where it rose."""
    meaning_loss: np.ndarray
    """1 - cosine of the embeddings of the ad and its original, at most 1."""
    watched_exposure: np.ndarray
    """As `exposure`, of the groups of the watched attributes, which earn nothing."""
    watched_members: np.ndarray
    """As `members`, of those groups."""

    def rows(self, index: slice) -> "Measures":
        """Some of the ads."""
        return Measures(*(getattr(self, field.name)[index] for field in fields(self)))


class AdValues:
    """Values ads of known jobs by ranking the candidates for them.

    Args:
        rank: the recommender's ranking function.
        jobs: job_id, text (the original ad) and occupation.
        candidates: occupation and `attribute`, in the order of the scores' columns.
        attribute: the candidates' column that names the groups; several columns stand for their intersections, the
            groups "female & White" and so on, in which who lacks a value of any of them belongs to none.
        k: the number of candidates selected.
        embed: texts to unit vectors [texts, dimension], for the loss of meaning; None counts no such loss.
        watched: further attributes of the candidates whose groups' exposures are measured but count for nothing.

    Raises:
        InputError: a wrong column, or a job's occupation that no candidate has.
    """

    def __init__(
        self,
        rank: Rank,
        jobs: Dataset,
        candidates: Dataset,
        attribute: str | Sequence[str],
        k: int,
        config: RewardConfig,
        embed: Callable[[list[str]], np.ndarray] | None = None,
        watched: Sequence[str] = (),
    ) -> None:
        self.rank, self.k, self.config, self.embed = rank, k, config, embed
        self.candidates = len(candidates)
        self.originals = dict(zip(jobs["job_id"], jobs["text"], strict=True))
        self._occupations = dict(zip(jobs["job_id"], jobs["occupation"], strict=True))
        self._pools = ranking.qualified(jobs, candidates)
        self.groups, self._members = _group_members(candidates, attribute)
        followed = [(name, *ranking.group_members(candidates, name)) for name in watched]
        self.watched_groups = [(name, group) for name, groups, _ in followed for group in groups]
        self._watched_members = np.concatenate([np.zeros((0, self.candidates), bool), *(of for *_, of in followed)])
        self._known: dict[str, np.ndarray] = {}

    def original(self, job_id: str) -> str:
        """The original ad of a job.

        Raises:
            InputError: there is no such job.
        """
        if job_id not in self.originals:
            raise InputError(f"job_id {job_id!r} is not one of the {len(self.originals)} jobs the reward was built for")
        return self.originals[job_id]

    def __call__(self, ads: list[str], job_ids: list[str]) -> pd.DataFrame:
        """One row an ad: parity, the `LOSSES`, value.

        `parity` is NaN, and counts as 0 in every value of the job, where it cannot be told: an occupation with one
        group only, or with no more than k candidates, all of whom are selected.

        Raises:
            InputError: an unknown job, or scores of the wrong shape or not finite.
        """
        measures = self.measure(ads, job_ids)
        table = pd.DataFrame(
            {
                "parity": parity_of_sums(measures.exposure, measures.members),
                **{name: getattr(measures, name) for name in LOSSES},
            }
        )
        table["value"] = self.config.value(table)
        return table

    def measure(self, ads: list[str], job_ids: list[str]) -> Measures:
        """Rank for the ads and measure them against the originals of their jobs; the errors are those of a call."""
        own, every = len(self._members), len(self._members) + len(self._watched_members)
        originals = [self.original(job_id) for job_id in job_ids]
        unknown = [(job_id, text) for job_id, text in zip(job_ids, originals, strict=True) if job_id not in self._known]
        pairs = list(dict.fromkeys([*zip(job_ids, ads, strict=True), *unknown]))
        measured = dict(zip(pairs, self._measure(pairs), strict=True))
        self._known |= {job_id: measured[job_id, text] for job_id, text in unknown}
        after = np.array([measured[pair] for pair in zip(job_ids, ads, strict=True)]).reshape(-1, 2 + 2 * every)
        before = np.array([self._known[job_id] for job_id in job_ids]).reshape(-1, 2 + 2 * every)
        mrr_loss, ndcg_loss = np.maximum(0, before - after)[:, :2].T
        exposure, watched, members, watched_members = np.split(after[:, 2:], [own, every, every + own], axis=1)
        meaning_loss = self._meaning_loss(ads, originals)
        return Measures(exposure, members, mrr_loss, ndcg_loss, meaning_loss, watched, watched_members)

    def _measure(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        """Each (job_id, ad)'s MRR, NDCG@k, exposures and members in a row; each distinct ad is ranked once."""
        own, every = len(self._members), len(self._members) + len(self._watched_members)
        if not pairs:
            return np.zeros((0, 2 + 2 * every))
        texts = list(dict.fromkeys(text for _, text in pairs))
        scores = check_scores(self.rank(texts), len(texts), self.candidates)
        row_of = {text: row for row, text in enumerate(texts)}
        scores = scores[[row_of[text] for _, text in pairs]]
        occupations = np.array([self._occupations[job_id] for job_id, _ in pairs], dtype=object)
        exposure, members = np.zeros((2, len(pairs), every))
        for occupation in dict.fromkeys(occupations):
            rows, pool = np.flatnonzero(occupations == occupation), self._pools[occupation]
            if len(pool) > self.k:
                weights = selection_weights(scores[np.ix_(rows, pool)], self.k, self.config.smoothing)
                exposure[rows, :own] = weights @ self._members[:, pool].T
                exposure[rows, own:] = weights @ self._watched_members[:, pool].T
                members[rows, :own] = self._members[:, pool].sum(1)
                members[rows, own:] = self._watched_members[:, pool].sum(1)
        quality = ranking.quality(scores, [self._pools[occupation] for occupation in occupations], self.k)
        return np.column_stack([quality["mrr"], quality["ndcg"], exposure, members])

    def _meaning_loss(self, ads: list[str], originals: list[str]) -> np.ndarray:
        if self.embed is None or not ads:
            return np.zeros(len(ads))
        vectors = self.embed([*ads, *originals])
        return np.clip(1 - (vectors[: len(ads)] * vectors[len(ads) :]).sum(1), 0, 1)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -50, 50)))


def _group_members(candidates: Dataset, attribute: str | Sequence[str]) -> tuple[list[str], np.ndarray]:
    """`ranking.group_members` of a column, or of the intersections of several that somebody belongs to."""
    if isinstance(attribute, str):
        return ranking.group_members(candidates, attribute)
    found = groups.of(candidates, attribute)
    names = [name for name in found.names if name != groups.UNKNOWN]
    members = np.stack([found.codes == number for number in range(len(names))])
    there = np.flatnonzero(members.any(axis=1))
    return [names[number] for number in there], members[there]
