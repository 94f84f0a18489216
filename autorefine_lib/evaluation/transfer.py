"""Transfer: ads rewritten for one recommender, judged by recommenders and candidates that no reward ever saw.

A policy that learned what pleases one embedding model has learned a fact about that model; one that also moves the
ranking of a lexical recommender, or of other people, has learned something about the ads. Each judge ranks the saved
texts of every method anew, and a method is compared with the original ads under the same judge only: the levels of
two judges differ before anything is rewritten.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from datasets import Dataset
from tqdm.auto import tqdm

from autorefine_lib.data import corpus, read_files, schema
from autorefine_lib.errors import InputError
from autorefine_lib.evaluation.method import ORIGINAL, TABLES, Method, Methods, nearness, per_job_numbers
from autorefine_lib.evaluation.robustness import count_selected
from autorefine_lib.metrics import bootstrap, groups, ranking
from autorefine_lib.recommender.by_name import Recommender
from autorefine_lib.reward.judge import Judge
from autorefine_lib.text import near_duplicates


def fresh_candidates(like: Dataset, seed: int) -> Dataset:
    """New synthetic biographies of the occupations of `like`, as many of each as its largest occupation has.

    Args:
        like: the candidates of the run, from the embedded corpus.
        seed: another than that of the run's own corpus.

    Raises:
        InputError: `seed` makes the same people again.
    """
    most = int(pd.Series(like["occupation"]).value_counts().max())
    made = corpus.make_candidates(corpus.CorpusConfig(seed=seed, candidates_per_occupation=most))
    return _never_seen(made[made["occupation"].isin(set(like["occupation"]))], like, f"seed {seed}", [])


def candidates_of(path: Path | str, seen: Dataset, attribute: str) -> Dataset:
    """Candidates of a file of the user's, without those whose text stands in `seen`, the pool that gave the reward.

    Raises:
        InputError: as `read_files.read_table` and `schema.check_candidates`, or nobody is left.
    """
    return _never_seen(read_files.read_table(Path(path)), seen, str(path), [attribute])


def _never_seen(made: pd.DataFrame, seen: Dataset, origin: str, attributes: list[str]) -> Dataset:
    candidates = schema.check_candidates(made, origin, attributes)
    known = set(map(near_duplicates.normalize, seen["text"]))
    new = [row for row, text in enumerate(candidates["text"]) if near_duplicates.normalize(text) not in known]
    if not new:
        raise InputError(f"{origin}: every candidate's text is in the run's own pool; give candidates it has not seen")
    return candidates.select(new)


def of_some_ads(methods: Methods, rows: np.ndarray) -> dict[str, list[Method]]:
    """The methods as if they had rewritten those rows of their jobs only."""

    def select(run: Method) -> Method:
        ids = run.quality["job_id"].iloc[rows]
        tables = {name: getattr(run, name) for name in TABLES}
        of_rows = {name: table[table["job_id"].isin(ids)].reset_index(drop=True) for name, table in tables.items()}
        return replace(run, texts=[run.texts[row] for row in rows], **of_rows)

    return {name: [select(run) for run in runs] for name, runs in methods.items()}


def rejudge(method: Method, judge: Judge) -> Method:
    """The method as another judge measures it: same texts, groups, MRR and NDCG anew, all else as it was measured.

    Args:
        judge: its recommender is fitted to its candidates; its jobs are all that the method rewrote, in that order.

    Raises:
        InputError: the method rewrote other jobs, or the recommender returns wrong scores.
    """
    if list(method.quality["job_id"]) != list(judge.jobs["job_id"]):
        raise InputError(f"{method.name!r} with seed {method.seed} rewrote other jobs than those given; give its own")
    scores = judge.recommender.rank(method.texts)
    counts = ranking.per_job(scores, judge.jobs, judge.candidates, judge.attribute, judge.k)
    quality = ranking.ranking_quality(scores, judge.jobs, judge.candidates, judge.k)
    return replace(method, groups=counts, quality=method.quality.assign(**quality.drop(columns="job_id")))


def measure(
    methods: Methods,
    judge: Judge,
    recommenders: dict[str, Recommender],
    pools: dict[str, Dataset],
    group: str,
    reference: str,
    seed: int = 0,
) -> pd.DataFrame:
    """Every method under every judge, a judge being a recommender and a pool of candidates.

    Args:
        methods: as `read_methods` loads them, the original ads first.
        judge: says which jobs the methods rewrote, the attribute and k.
        recommenders: by name; each is fitted to each of the pools.
        pools: by name.
        seed: of the bootstrap.

    Returns:
        One row a method and judge: recommender, candidates, method; impact_ratio of `group` to `reference`; its
        paired `change` against the original ads under the same judge; `closer`, how much
        closer to 1 it lies than theirs, each seed for itself and then averaged; mrr, ndcg and their changes;
        `<column>_low` and `<column>_high` for each, 95 % by bootstrap over jobs; n jobs; seeds.

    Raises:
        InputError: as `rejudge`.
    """
    tables = []
    pairs = [(name, pool) for name in recommenders for pool in pools]
    for name, pool in tqdm(pairs, desc="Ranking again", unit="judge"):
        # A copy: the caller's own goes on ranking the pool that it was fitted to.
        fitted: Any = copy(recommenders[name]).fit(pools[pool])
        other = replace(judge, recommender=fitted, candidates=pools[pool])
        judged = {method: [rejudge(run, other) for run in runs] for method, runs in methods.items()}
        tables.append(compare_methods(judged, group, reference, seed).assign(recommender=name, candidates=pool))
    return pd.concat(tables, ignore_index=True).reindex(columns=["recommender", "candidates", *tables[0].columns[:-2]])


def compare_methods(judged: Methods, group: str, reference: str, seed: int = 0) -> pd.DataFrame:
    """The rows of `measure` for the judge that measured these methods, without its recommender and candidates."""
    numbers = {name: per_job_numbers(runs, group, reference) for name, runs in judged.items()}
    near = nearness(judged, group, reference, seed)
    resampled: dict[str, dict[str, np.ndarray]] = {}
    for metric in ("impact_ratio", "mrr", "ndcg"):
        if metric in numbers[ORIGINAL]:
            values = bootstrap.resample(*(of_method[metric] for of_method in numbers.values()), seed=seed)
            resampled[metric] = dict(zip(judged, values, strict=True))
    rows = []
    for name, runs in judged.items():
        found = {metric: values[name] for metric, values in resampled.items()}
        if name != ORIGINAL:
            found |= {f"{metric}_change": values[name] - values[ORIGINAL] for metric, values in resampled.items()}
            found |= {"change": found.pop("impact_ratio_change"), "closer": near[name] - near[ORIGINAL]}
        row: dict[str, Any] = {"method": name}
        for column in ("impact_ratio", "change", "closer", "mrr", "mrr_change", "ndcg", "ndcg_change"):
            row |= bootstrap.percentile(found.get(column, np.array([np.nan]))).columns(column)
        rows.append(row | {"n": len(runs[0].quality), "seeds": " ".join(str(run.seed) for run in runs)})
    return pd.DataFrame(rows)


def search_on_halves(
    judge: Judge, search: Callable[[Judge], list[str]], group: str, reference: str, draws: int = 2, seed: int = 0
) -> dict[str, dict[str, np.ndarray]]:
    """Choose rewrites with one half of the candidates, and measure them on that half and on the other one.

    A choice among samples fits the people it was made with. What it gains with people who had no part in it is what it
    would gain tomorrow (cross-fitting; Chernozhukov et al., 2018, "Double/debiased machine learning").

    Args:
        search: the chosen texts of the ads, of a judge with half of the candidates and of the places.
        draws: times that the candidates of each group are halved at random. Each half is chosen with once.
        seed: of the halves.

    Returns:
        "same people" and "other people", and in each the original ads and "chosen": `ranking.rate_counts`, summed over
        the two halves and averaged over the draws, float [jobs, 4], for `robustness.compare_parts`.
    """
    codes, counted = groups.of(judge.candidates, judge.attribute).codes, []
    for draw in range(draws):
        order = np.random.default_rng([seed, draw]).permutation(len(judge.candidates))
        order = order[np.argsort(codes[order], kind="stable")]
        halves = [judge.among(half, max(1, judge.k // 2)) for half in (order[0::2], order[1::2])]
        for half, rest in (halves, halves[::-1]):
            chosen = search(half)
            ranked = (half, judge.jobs["text"][:]), (half, chosen), (rest, chosen)
            counted.append([count_selected(people, texts, group, reference) for people, texts in ranked])
    before, same, other = np.sum(counted, axis=0) / draws
    return {name: {ORIGINAL: before, "chosen": of} for name, of in (("same people", same), ("other people", other))}
