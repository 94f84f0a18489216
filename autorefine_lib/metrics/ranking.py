"""What a ranking does to groups (selection rate, impact ratio) and how good it is (MRR, NDCG, recall, precision).

A job *selects* its k best-scored candidates. Two pools are looked at:

- "qualified": the candidates with the job's occupation, ranked among themselves. This is the primary pool. With the
  whole pool, an ad for a nurse ranks nurses first, and most nurses are women: the shares of the occupations would
  swamp what the wording does.
- "all": every candidate. The ranking as a recruiter sees it.

Selection rate of group g over jobs J = sum over J of selected members of g / sum over J of members of g in the pool.
Impact ratio of g = selection rate of g / selection rate of the reference group: the most selected group in New York
City's rules for automated employment decision tools (Local Law 144 of 2021; 6 RCNY § 5-300, "impact ratio" and
"selection rate", § 5-301), or a group named by the caller. Below 4/5 it is generally regarded as evidence of
adverse impact under the Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4(D).
"""

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.recommender.scores import check_k, check_scores, top_k

POOLS = ("qualified", "all")
MOST_SELECTED = "most_selected"


def qualified(jobs: Dataset, candidates: Dataset) -> dict[str, np.ndarray]:
    """Indices of the candidates with each occupation that a job has.

    Raises:
        InputError: no candidate has the occupation of some job.
    """
    occupations = np.asarray(candidates["occupation"][:], dtype=object)
    pools = {name: np.flatnonzero(occupations == name) for name in dict.fromkeys(jobs["occupation"][:])}
    for name, pool in pools.items():
        if not len(pool):
            known = ", ".join(sorted(map(str, set(occupations.tolist())))[:10])
            raise InputError(f"no candidate has a job's occupation {name!r}; candidates have {known}; drop those jobs")
    return pools


def group_members(candidates: Dataset, attribute: str) -> tuple[list[str], np.ndarray]:
    """The groups that the attribute column names, sorted, and who is in them: bool [groups, candidates].

    A candidate whose value is missing belongs to no group.

    Raises:
        InputError: there is no such column, or it is empty.
    """
    if attribute not in candidates.column_names:
        raise InputError(f"candidates have no column {attribute!r}; they have {', '.join(candidates.column_names)}")
    values = np.asarray(candidates[attribute][:], dtype=object)
    groups = sorted({value for value in values if value is not None})
    if not groups:
        raise InputError(f"the candidates' column {attribute!r} is empty; give at least some candidates a value")
    return groups, np.stack([values == group for group in groups])


def per_job(scores: np.ndarray, jobs: Dataset, candidates: Dataset, attribute: str, k: int) -> pd.DataFrame:
    """Who is selected, job by job.

    Args:
        scores: float [jobs, candidates], higher is better; of equal ones the first candidates are selected (`top_k`).
        attribute: column of the candidates that names the groups.
        k: how many candidates a job selects, from either pool.

    Returns:
        One row per job, pool and group: job_id, occupation, pool, group, selected, available (both counts).

    Raises:
        InputError: wrong scores, unknown attribute, k larger than a pool, an occupation that no candidate has.
    """
    scores = check_scores(scores, len(jobs), len(candidates))
    groups, members = group_members(candidates, attribute)
    everyone = np.arange(len(candidates))
    occupations = np.asarray(jobs["occupation"][:], dtype=object)
    frames = []
    for occupation, pool in qualified(jobs, candidates).items():
        if k > len(pool):
            raise InputError(
                f"k={k} is larger than the pool: {len(pool)} candidates have the occupation {occupation!r}; choose a "
                f"smaller k or drop its jobs"
            )
        rows = np.flatnonzero(occupations == occupation)
        for name, indices in (("qualified", pool), ("all", everyone)):
            chosen = indices[top_k(scores[np.ix_(rows, indices)], k)]
            selected = members[:, chosen].sum(2)  # [groups, jobs]
            available = members[:, indices].sum(1)  # [groups]
            for group, count, size in zip(groups, selected, available, strict=True):
                columns = {"row": rows, "pool": name, "group": group, "selected": count, "available": size}
                frames.append(pd.DataFrame(columns))
    table = pd.concat(frames).sort_values(["row", "pool", "group"], kind="stable", ignore_index=True)
    order = table.pop("row").to_numpy()
    table.insert(0, "job_id", np.asarray(jobs["job_id"][:], dtype=object)[order])
    table.insert(1, "occupation", occupations[order])
    return table


def ranking_quality(scores: np.ndarray, jobs: Dataset, candidates: Dataset, k: int) -> pd.DataFrame:
    """How good the ranking of the whole pool is, job by job: job_id, mrr, ndcg, recall, precision.

    A candidate is relevant (gain 1) when he or she has the job's occupation, and irrelevant (gain 0) otherwise.

    - mrr = 1 / (rank of the first relevant candidate), with no cut-off (Voorhees, 1999, TREC-8).
    - ndcg = DCG@k / ideal DCG@k with DCG = sum over the first k ranks of gain / log2(rank + 1) (Järvelin and
      Kekäläinen, 2002).
    - recall = relevant candidates in the first k ranks / all relevant candidates.
    - precision = relevant candidates in the first k ranks / k.

    Raises:
        InputError: wrong scores, k larger than the pool, an occupation that no candidate has.
    """
    scores = check_scores(scores, len(jobs), len(candidates))
    pools = qualified(jobs, candidates)
    measures = quality(scores, [pools[occupation] for occupation in jobs["occupation"][:]], k)
    return pd.DataFrame({"job_id": jobs["job_id"][:], **measures})


def quality(scores: np.ndarray, relevant: list[np.ndarray], k: int) -> dict[str, np.ndarray]:
    """The measures of `ranking_quality` for each row of `scores` [rows, candidates]; float [rows] each.

    Equal to ranx's where no scores are tied. Worked out here, for ranx sorts everybody, which takes longer than all
    else, and loading it takes seconds.

    Args:
        relevant: indices of the relevant candidates of each row, at least one.

    Raises:
        InputError: k is not between 1 and the number of candidates, or a row has no relevant candidate.
    """
    check_k(k, scores.shape[1])
    sizes = np.array([len(indices) for indices in relevant], int)
    if not sizes.all():
        raise InputError(f"row {np.argmin(sizes)} has no relevant candidate; give one or more to each row")
    if not len(scores):
        return {name: np.zeros(0) for name in ("mrr", "ndcg", "recall", "precision")}
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.append(0, np.cumsum(discounts))
    rows = []
    for row, best, indices in zip(scores, top_k(scores, k), relevant, strict=True):
        is_relevant = np.zeros(len(row), bool)
        is_relevant[indices] = True
        hits = is_relevant[best]
        rows.append((1 / _first_rank(row, indices), discounts[hits].sum() / ideal[min(len(indices), k)], hits.sum()))
    mrr, ndcg, hits = np.array(rows).T
    return {"mrr": mrr, "ndcg": ndcg, "recall": hits / sizes, "precision": hits / k}


def _first_rank(row: np.ndarray, relevant: np.ndarray) -> int:
    """Rank, from 1, of the best relevant candidate; equal scores in the order of the candidates."""
    best = row[relevant].max()
    first = relevant[row[relevant] == best].min()
    return 1 + np.count_nonzero(row > best) + np.count_nonzero(row[:first] == best)


def mrr_and_ndcg(scores: np.ndarray, relevant: list[np.ndarray], k: int) -> tuple[np.ndarray, np.ndarray]:
    """Reciprocal rank and NDCG@k of each row of `scores` [rows, candidates], as in `quality`."""
    measures = quality(scores, relevant, k)
    return measures["mrr"], measures["ndcg"]


def selection_rates(table: pd.DataFrame, pool: str = "qualified") -> pd.DataFrame:
    """Selection rates pooled over the jobs of `per_job`'s table: group, selected, available, rate.

    A group without a member in the pool has rate NaN.
    """
    if pool not in POOLS:
        raise InputError(f"pool={pool!r} is not one of {', '.join(POOLS)}")
    sums = table[table["pool"] == pool].groupby("group", as_index=False)[["selected", "available"]].sum()
    return sums.assign(rate=sums["selected"] / sums["available"].where(sums["available"] > 0))


def impact_ratio(table: pd.DataFrame, pool: str = "qualified", reference: str = MOST_SELECTED) -> pd.DataFrame:
    """Impact ratio of every group: `selection_rates` with reference, impact_ratio and note.

    Args:
        table: from `per_job`.
        pool: "qualified" or "all".
        reference: the group whose rate is the denominator; "most_selected" takes the group of the highest rate.

    Returns:
        One row a group. Where the ratio is undefined it is NaN and `note` says why.

    Raises:
        InputError: `reference` is no group of the table.
    """
    rates = selection_rates(table, pool).set_index("group")
    if reference == MOST_SELECTED:
        reference = rates["rate"].idxmax() if rates["rate"].notna().any() else MOST_SELECTED
    elif reference not in rates.index:
        raise InputError(f"reference group {reference!r} is not one of {', '.join(map(str, rates.index))}")
    base = rates["rate"].get(reference, np.nan)
    rates["reference"] = reference
    rates["impact_ratio"] = rates["rate"] / base if base > 0 else np.nan
    rates["note"] = ""
    if not base > 0:
        rates["note"] = f"nobody of the reference group {reference} is selected"
    rates.loc[rates["available"] == 0, "note"] = "no candidate of this group in the pool"
    return rates.reset_index()


def rate_counts(table: pd.DataFrame, group: str, reference: str, pool: str = "qualified") -> np.ndarray:
    """Job by job what the impact ratio is made of: float [jobs, 4], in the order of the jobs in `table`.

    Columns: selected and available of `group`, selected and available of `reference`. `bootstrap.interval` takes it.
    """
    one_pool = table[table["pool"] == pool]
    order = one_pool["job_id"].drop_duplicates()
    columns = []
    for name in (group, reference):
        rows = one_pool[one_pool["group"] == name].set_index("job_id").reindex(order)
        if rows["selected"].isna().any():
            raise InputError(f"group {name!r} is not one of {', '.join(sorted(one_pool['group'].unique()))}")
        columns += [rows["selected"], rows["available"]]
    return np.stack([column.to_numpy(float) for column in columns], axis=1)
