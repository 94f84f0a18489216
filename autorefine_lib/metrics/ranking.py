"""What a ranking does to groups (selection rate, impact ratio) and how good it is (MRR, NDCG, recall, precision).

A job *selects* its k best-scored candidates. Where scores are tied, every number here is the mean over all orders of
the candidates within a tie (`scores`), so that the order of a file decides nothing. Three pools are looked at:

- "whole": every candidate, the ranking as a recruiter sees it. An ad for a nurse ranks nurses first, and most nurses
  are women: a ratio holds the mix of the occupations as well as what the wording does.
- "qualified": the candidates with the job's occupation, ranked among themselves, which leaves the wording. A job
  without an occupation, or with fewer than k such candidates, has no such pool.
- "nearest": the `NEAREST` best candidates of the job, of whom it selects the first `FIRST`: the pool of the authors'
  evaluation (github.com/buseskorkmaz/FMs-at-work), which compares the top of the ranking with what comes next.

Selection rate of group g over jobs J = sum over J of selected members of g / sum over J of members of g in the pool.
Impact ratio of g = selection rate of g / selection rate of the reference group: the most selected group in New York
City's rules for automated employment decision tools (Local Law 144 of 2021; 6 RCNY § 5-300, "impact ratio" and
"selection rate", § 5-301), or a group named by the caller. Below 4/5 it is generally regarded as evidence of
adverse impact under the Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4(D).

The impact ratio is a product of two. *Between* occupations: the ratio if each selected place went to the groups as they
share its occupation in the whole pool. *Within*: what was selected against that expectation. It is the standardisation
of Kitagawa (1955, "Components of a difference between two rates", JASA 50, 1168-1194), taken as a ratio.
"""

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib.metrics import groups
from autorefine_lib.recommender.scores import best_ties, check_k, check_scores, share

NEAREST, FIRST = 50, 10
MOST_SELECTED = "most_selected"
SELECTION, BETWEEN, WITHIN = ("selected", "available"), ("expected", "available"), ("selected", "expected")


def qualified(jobs: Dataset, candidates: Dataset) -> dict[str, np.ndarray]:
    """Indices of the candidates with each occupation that both a job and a candidate have."""
    occupations = np.asarray(candidates["occupation"][:], dtype=object)
    pools = {name: np.flatnonzero(occupations == name) for name in dict.fromkeys(jobs["occupation"][:]) if name}
    return {name: pool for name, pool in pools.items() if len(pool)}


def per_job(scores: np.ndarray, jobs: Dataset, candidates: Dataset, attribute: str, k: int) -> pd.DataFrame:
    """Who is selected, job by job.

    Args:
        scores: float [jobs, candidates], higher is better.
        attribute: column of the candidates that names the groups.
        k: how many candidates a job selects from the pools "whole" and "qualified".

    Returns:
        One row per job, pool and group: job_id, occupation, pool, group, selected, available and expected. `selected`
        is the mean number, which is a fraction where a tie reaches across rank k; `available` is a count, in the pool
        "nearest" a mean number too; `expected` is what the occupations of the selected alone would give the group. A
        job has no rows of the pool "qualified" where it has no occupation, or fewer than k candidates have it.

    Raises:
        InputError: wrong scores, unknown attribute, k larger than the whole pool.
    """
    scores = check_scores(scores, len(jobs), len(candidates))
    divided = groups.of(candidates, attribute)
    names, codes = divided.names, divided.codes  # the last name is for those who belong to no group
    qualified_pools, everyone = qualified(jobs, candidates), np.arange(len(candidates))
    check_k(k, len(candidates))
    occupations = np.asarray(candidates["occupation"][:], dtype=object)
    trades = pd.factorize(occupations, sort=True, use_na_sentinel=False)[0]
    members = np.zeros((1 + trades.max(), len(names)))
    np.add.at(members, (trades, codes), 1)
    shares = members / members.sum(axis=1, keepdims=True)  # of each occupation that the groups have

    def count(row: np.ndarray, indices: np.ndarray, places: int) -> tuple[np.ndarray, np.ndarray]:
        best, starts = best_ties(row[indices], places)
        people, chances = indices[best], share(np.ones(places), starts, len(best))
        expected = np.bincount(trades[people], chances, len(shares)) @ shares
        return np.bincount(codes[people], chances, len(names)), expected

    first, nearest = (min(places, len(candidates)) for places in (FIRST, NEAREST))
    rows = []
    for job_id, occupation, row in zip(jobs["job_id"][:], jobs["occupation"][:], scores, strict=True):
        fit = qualified_pools.get(occupation, everyone[:0])
        counted = [("whole", count(row, everyone, k), divided.sizes)]
        if len(fit) >= k:
            counted.append(("qualified", count(row, fit, k), np.bincount(codes[fit], minlength=len(names))))
        counted.append(("nearest", count(row, everyone, first), count(row, everyone, nearest)[0]))
        for pool, (selected, expected), available in counted:
            numbers = zip(names[:-1], selected, available, expected, strict=False)
            rows += [(job_id, occupation, pool, *of_group) for of_group in numbers]
    columns = ["job_id", "occupation", "pool", "group", "selected", "available", "expected"]
    return pd.DataFrame(rows, columns=columns)


def ranking_quality(scores: np.ndarray, jobs: Dataset, candidates: Dataset, k: int) -> pd.DataFrame:
    """How good the ranking of the whole pool is, job by job: job_id, mrr, ndcg, recall, precision.

    A candidate is relevant (gain 1) when he or she has the job's occupation, and irrelevant (gain 0) otherwise. For a
    job without an occupation, or with one that no candidate has, nobody is known to be: all four are NaN.

    - mrr = 1 / (rank of the first relevant candidate), with no cut-off (Voorhees, 1999, TREC-8).
    - ndcg = DCG@k / ideal DCG@k with DCG = sum over the first k ranks of gain / log2(rank + 1) (Järvelin and
      Kekäläinen, 2002).
    - recall = relevant candidates in the first k ranks / all relevant candidates.
    - precision = relevant candidates in the first k ranks / k.

    Raises:
        InputError: wrong scores, k larger than the pool.
    """
    scores = check_scores(scores, len(jobs), len(candidates))
    pools = qualified(jobs, candidates)
    check_k(k, len(candidates))
    relevant = {row: pools[name] for row, name in enumerate(jobs["occupation"][:]) if name in pools}
    measures = pd.DataFrame(quality(scores[list(relevant)], list(relevant.values()), k), index=list(relevant))
    measures = measures.reindex(range(len(jobs)))
    measures.insert(0, "job_id", jobs["job_id"][:])
    return measures


def quality(scores: np.ndarray, relevant: list[np.ndarray], k: int) -> dict[str, np.ndarray]:
    """The measures of `ranking_quality` for each row of `scores` [rows, candidates]; float [rows] each.

    Equal to ranx's where no scores are tied, and to scikit-learn's NDCG also where they are. It is worked out here
    because ranx sorts everybody, which takes longer than all else, and takes seconds to load.

    Args:
        relevant: indices of the relevant candidates of each row, at least one.
        k: between 1 and the number of candidates.
    """
    sizes = np.array([len(indices) for indices in relevant], int)
    discounts = position_bias(k)
    worth, ideal = np.column_stack([np.ones(k), discounts]), np.append(0, np.cumsum(discounts))
    rows = np.zeros((len(scores), 3))
    for place, (row, indices) in enumerate(zip(scores, relevant, strict=True)):
        is_relevant = np.zeros(len(row), bool)
        is_relevant[indices] = True
        best, starts = best_ties(row, k)
        hits, (chances, gains) = is_relevant[best], share(worth, starts, len(best)).T
        found = chances[hits].sum(), gains[hits].sum() / ideal[min(len(indices), k)]
        if not hits.any():
            best, starts = best_ties(row, len(row))
            hits = is_relevant[best]
        rows[place] = _reciprocal_rank(hits, starts), *found
    mrr, selected, ndcg = rows.T
    return {"mrr": mrr, "ndcg": ndcg, "recall": selected / sizes, "precision": selected / k}


def position_bias(ranks: int) -> np.ndarray:
    """The attention that each rank gets, 1 / log2(1 + rank) from rank 1, float [ranks]."""
    return 1 / np.log2(np.arange(2, ranks + 2))


def _reciprocal_rank(hits: np.ndarray, starts: np.ndarray) -> float:
    """Expected 1 / rank of the first relevant candidate (McSherry and Najork, 2008).

    Args:
        hits: who of the best candidates is relevant, bool, best first; at least one is.
        starts: the place at which each tie starts.
    """
    ends = np.append(starts[1:], len(hits))
    tie = np.searchsorted(ends, hits.argmax(), side="right")
    before, size = starts[tie], ends[tie] - starts[tie]
    relevant = np.count_nonzero(hits[before : ends[tie]])
    # The first relevant one is at place i of the tie if the i places before it hold none, and the next one does.
    left = np.arange(size, relevant - 1, -1)
    none_before = np.cumprod(np.append(1, 1 - relevant / left[:-1]))
    return float((none_before * relevant / left / (before + 1 + np.arange(len(left)))).sum())


def impact_ratios(
    selected: np.ndarray, available: np.ndarray, reference: int | None = None, compared: np.ndarray | bool = True
) -> np.ndarray:
    """Selection rate of each group over that of the reference group, float [..., groups].

    Any other rate can stand for the selection rate, such as exposure.

    Args:
        selected, available: sums over the jobs, [..., groups].
        reference: place of the reference group; None takes the highest rate of the compared groups.
        compared: which groups have a ratio, bool [groups].

    Returns:
        NaN for a group that is not compared or has no member, and for all where nobody of the reference is selected.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = selected / available
        highest = np.where(compared & np.isfinite(rates), rates, -np.inf).max(-1)
        base = (highest if reference is None else rates[..., reference])[..., None]
        # Shares of places add up with rounding: to 12 digits, a ratio that is 1 in exact numbers is 1 here.
        return np.where(compared & np.isfinite(rates) & (base > 0), (rates / base).round(12), np.nan)


def impact_ratio(table: pd.DataFrame, pool: str = "whole", reference: str = MOST_SELECTED) -> pd.DataFrame:
    """Impact ratio of every group, from its selection rate pooled over the jobs.

    Args:
        table: from `per_job`.
        pool: "whole", "qualified" or "nearest".
        reference: the group whose rate is the denominator; "most_selected" takes the group of the highest rate.

    Returns:
        One row a group: group, selected, available, rate, reference, impact_ratio and note. Where a rate or a ratio is
        undefined it is NaN, and `note` says why.

    Raises:
        InputError: `reference` is no group of the table.
    """
    sums = table[table["pool"] == pool].groupby("group", as_index=False)[["selected", "available"]].sum()
    names = list(sums["group"])
    groups.check_group(reference, [MOST_SELECTED, *names])
    sums["rate"] = sums["selected"] / sums["available"].where(sums["available"] > 0)
    if reference == MOST_SELECTED:
        reference = names[most_selected(sums["rate"].to_numpy())]
    ratios = impact_ratios(sums["selected"].to_numpy(), sums["available"].to_numpy(), names.index(reference))
    note = f"nobody of the reference group {reference} is selected" if np.isnan(ratios).all() else ""
    none = np.where(sums["available"] == 0, "no candidate of this group in the pool", note)
    return sums.assign(reference=reference, impact_ratio=ratios, note=none)


def most_selected(rates: np.ndarray) -> int:
    """Place of the highest rate; NaN is none. Of rates that differ by rounding only the first is taken."""
    return int(np.nan_to_num(rates, nan=-1).round(12).argmax())


def rate_counts(
    table: pd.DataFrame, group: str, *others: str, pool: str = "whole", rate: tuple[str, str] = SELECTION
) -> np.ndarray:
    """Job by job what the impact ratio is made of: float [jobs with this pool, 2 x groups], in the order of `table`.

    Columns: selected and available of `group`, then of each other group. `bootstrap.interval` takes it where the only
    other is the reference. With `BETWEEN` or `WITHIN` as `rate` it is made of other counts; those two ratios multiply
    to the impact ratio.
    """
    one_pool = table[table["pool"] == pool]
    counts = one_pool.pivot(index="job_id", columns="group", values=list(rate))
    for name in (group, *others):
        groups.check_group(name, one_pool["group"].unique())
    columns = [(count, name) for name in (group, *others) for count in rate]
    return counts.loc[one_pool["job_id"].drop_duplicates(), columns].to_numpy(float)


def impact_ratio_by_ad(counts: np.ndarray) -> np.ndarray:
    """The authors' impact ratio of each ad: the first group's selection rate over the highest of all, float [ads].

    As in their code, a group without a member among the nearest has a rate of 0. Where nobody of any group is selected
    the ratio is 1; theirs is undefined there, which cannot happen with two groups and nobody unknown.

    Args:
        counts: from `rate_counts` of the pool "nearest": two groups for gender, all of them for regions; with ties the
            ratio is that of the mean numbers.
    """
    rates = np.divide(counts[:, ::2], counts[:, 1::2], out=np.zeros_like(counts[:, ::2]), where=counts[:, 1::2] > 0)
    highest = rates.max(axis=1)
    return np.divide(rates[:, 0], highest, out=np.ones(len(counts)), where=highest > 0)


def q_by_ad(counts: np.ndarray, everyone: np.ndarray | None = None) -> np.ndarray:
    """One part of the authors' reward q, for each ad: 0 where the groups' shares of the nearest are the wanted ones.

    -100 x the Wasserstein distance between the shares of the nearest and the wanted shares, both taken as samples of
    numbers, as in their code. Of two groups and (0.5, 0.5), as for gender, it is the distance of either share to 0.5:
    from 0 to -50. -50 where nobody of either group is among the nearest.

    Args:
        counts: as in `impact_ratio_by_ad`.
        everyone: members of each group in the whole set, whose shares are wanted, as for regions; None: equal ones.
    """
    near = counts[:, 1::2]
    total, wanted = near.sum(axis=1, keepdims=True), np.ones(near.shape[1]) if everyone is None else everyone
    shares = np.divide(near, total, out=np.zeros_like(near), where=total > 0)
    return -100 * np.abs(np.sort(shares) - np.sort(wanted / wanted.sum())).mean(axis=1)
