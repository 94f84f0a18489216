"""What the ranking for one ad measures: the groups' exposures, soft and hard, their distance in score, MRR and NDCG."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.metrics import groups, ranking
from autorefine_lib.recommender.scores import check_k, check_scores
from autorefine_lib.reward.judge import Judge
from autorefine_lib.reward.parity_gap import selection_weights


class AdMeasures:
    """Measures ads of the judge's jobs. Each ad is ranked once: what was measured is remembered.

    Args:
        judge: its recommender, jobs, candidates, attribute and k. Several attributes in a tuple stand for their
            intersections, the groups "female & White" and so on, in which who lacks a value of any belongs to none.
        smoothing: width of the soft threshold, as in `RewardConfig`.
        watched: further attributes whose groups' exposures are measured as well.

    Raises:
        InputError: a wrong column, or k above the number of candidates.
    """

    def __init__(self, judge: Judge, smoothing: float, watched: Sequence[str] = ()) -> None:
        jobs, people = judge.jobs, judge.candidates
        self.judge, self.smoothing = judge, smoothing
        check_k(judge.k, len(people))
        self.originals = dict(zip(jobs["job_id"], jobs["text"], strict=True))
        self.occupations = dict(zip(jobs["job_id"], jobs["occupation"], strict=True))
        self._qualified = ranking.qualified(jobs, people)
        self.groups, own = groups.find_members(people, judge.attribute)
        others = [(name, *groups.find_members(people, name)) for name in watched]
        self.names = [f"exposure/{group}" for group in self.groups]
        self.names += [f"watched/{attribute}/{group}" for attribute, found, _ in others for group in found]
        belongs = np.concatenate([own, *(members for *_, members in others)])
        self._belongs = np.ascontiguousarray(belongs.T, np.float64)
        self._selects_all = judge.k == len(people)
        self.members = np.zeros(len(belongs)) if self._selects_all else belongs.sum(1).astype(np.float64)
        """How many candidates belong to each of `names`, float [names]; 0 where all would be selected."""
        self._contrast = score_contrast(own, people)
        fields = {"exposure": len(self.names), "hard": len(own), "distance": len(own), "quality": 2}
        self._row = np.dtype([(name, np.float64, (size,)) for name, size in fields.items()])
        self._known: dict[tuple[str, str], np.void] = {}

    def original(self, job_id: str) -> str:
        """The original ad of a job.

        Raises:
            InputError: there is no such job.
        """
        if job_id not in self.originals:
            raise InputError(f"job_id {job_id!r} is not one of the {len(self.originals)} jobs the reward was built for")
        return self.originals[job_id]

    def __call__(self, ads: Sequence[str], job_ids: Sequence[str]) -> np.ndarray:
        """Measure ads: a structured array [ads] with these float fields.

        exposure [names]: summed soft selection weights, of the `groups` and then of the watched ones.
        hard [groups]: expected number of selected members. distance [groups]: how far the mean score of a group lies
        above that of the others, within occupations, in standard deviations of the ad's scores, times the hazard of a
        normal distribution at rank k: the change of its log ratio that such a shift makes where scores are normal.
        quality [2]: MRR and NDCG@k of the whole pool, NaN where `ranking.ranking_quality` has none.

        Raises:
            InputError: scores of the wrong shape or not finite.
        """
        pairs = list(zip(job_ids, ads, strict=True))
        if new := [pair for pair in dict.fromkeys(pairs) if pair not in self._known]:
            self._known |= zip(new, self._measure(new), strict=True)
        return np.array([self._known[pair] for pair in pairs], self._row)

    def _measure(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        k, own = self.judge.k, len(self.groups)
        scores = self.judge.recommender.rank([ad for _, ad in pairs])
        scores = check_scores(scores, len(pairs), len(self._belongs)).astype(np.float64)
        table = np.zeros(len(pairs), self._row)
        for measured, (job_id, _), row in zip(table, pairs, scores[:, None], strict=True):
            if not self._selects_all:
                measured["exposure"] = selection_weights(row, k, self.smoothing)[0] @ self._belongs
                measured["hard"] = selection_weights(row, k, 0)[0] @ self._belongs[:, :own]
            relevant = self._qualified.get(self.occupations[job_id])
            found = {"mrr": np.nan, "ndcg": np.nan} if relevant is None else ranking.quality(row, [relevant], k)
            measured["quality"] = np.hstack([found["mrr"], found["ndcg"]])
        share = k / len(self._belongs)
        hazard = NormalDist().pdf(NormalDist().inv_cdf(1 - share)) / share if share < 1 else 0.0
        spread = np.maximum(scores.std(1, keepdims=True), 1e-9)
        table["distance"] = hazard * (scores @ self._contrast.T) / spread
        return table


def score_contrast(members: np.ndarray, candidates: Dataset) -> np.ndarray:
    """Weights that turn an ad's scores into each group's mean less that of the others, within occupations.

    An occupation counts by n1 * n2 / (n1 + n2), as its difference of means can be told (the weights of Cochran, 1954).

    Args:
        members: bool [groups, candidates].

    Returns:
        float [groups, candidates]; 0 for a group that meets no other in any occupation.
    """
    occupation = np.array([str(name) for name in candidates["occupation"][:]])
    others = members.any(0) & ~members
    contrast, total = np.zeros(members.shape), np.zeros((len(members), 1))
    for name in np.unique(occupation):
        one, two = members & (occupation == name), others & (occupation == name)
        sizes, against = one.sum(1, keepdims=True), two.sum(1, keepdims=True)
        contrast += (one * against - two * sizes) / np.maximum(sizes + against, 1)
        total += sizes * against / np.maximum(sizes + against, 1)
    return contrast / np.where(total > 0, total, 1)
