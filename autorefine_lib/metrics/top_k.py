"""Who the k best candidates of the whole pool are: people, their occupations, and how many of them a rewrite keeps.

A candidate in a tie across rank k is selected with a chance (`scores`), and counts with it everywhere here.
"""

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib.metrics import groups
from autorefine_lib.metrics.ranking import position_bias
from autorefine_lib.recommender.scores import best_ties, check_scores, selection, share


def find_selected(scores: np.ndarray, jobs: Dataset, candidates: Dataset, attribute: str, k: int) -> pd.DataFrame:
    """The selected people of each job.

    Args:
        scores: float [jobs, candidates].
        attribute: column of the candidates that names the groups.

    Returns:
        One row a job and person: job_id, candidate_id, occupation and group of the person, and selected, the chance,
        which adds up to k for each job.

    Raises:
        InputError: wrong scores, unknown attribute, k larger than the pool.
    """
    chances, divided = selection(check_scores(scores, len(jobs), len(candidates)), k), groups.of(candidates, attribute)
    job, person = np.nonzero(chances)
    found = {"job_id": np.asarray(jobs["job_id"][:], object)[job]}
    found |= {name: np.asarray(candidates[name][:], object)[person] for name in ("candidate_id", "occupation")}
    found["group"] = np.asarray(divided.names, object)[divided.codes[person]]
    return pd.DataFrame(found | {"selected": chances[job, person]})


def count_people(selected: pd.DataFrame) -> float:
    """How many different people some job selects, from `find_selected`; the ties of different jobs are independent."""
    never = (1 - selected["selected"]).groupby(selected["candidate_id"]).prod()
    return float(len(never) - never.sum())


def share_occupations(selected: pd.DataFrame) -> pd.Series:
    """The share of all places that each occupation gets, from `find_selected`; the largest first, adding up to 1."""
    places = selected.groupby("occupation", dropna=False)["selected"].sum()
    return (places / places.sum()).sort_values(ascending=False)


def overlap(scores: np.ndarray, originals: np.ndarray, k: int) -> np.ndarray:
    """The share of each ad's k places that the same people hold in both rankings, between 0 and 1, float [ads].

    A person counts with the smaller of his or her two chances, so that a ranking and itself overlap in full.

    Args:
        scores, originals: of the same ads and candidates, float [ads, candidates].
    """
    return np.minimum(selection(scores, k), selection(originals, k)).sum(axis=1) / k


def ndcg_to_original(scores: np.ndarray, originals: np.ndarray, k: int) -> np.ndarray:
    """NDCG@k of each ad's ranking with the scores of the original ad as gains, float [ads]; 1 for the same order.

    DCG and discounts are those of `ranking.ranking_quality`. A negative score, such as a cosine below 0, is a gain of
    0; the result is NaN where no original score is above 0.

    Args:
        scores, originals: as in `overlap`.
    """
    discounts, found = position_bias(k), np.full(len(scores), np.nan)
    for place, (row, gains) in enumerate(zip(scores, np.maximum(originals, 0), strict=True)):
        best, starts = best_ties(row, k)
        if ideal := np.sort(gains)[::-1][:k] @ discounts:
            found[place] = share(discounts, starts, len(best)) @ gains[best] / ideal
    return found
