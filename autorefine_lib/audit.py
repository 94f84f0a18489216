"""Measure a ranking of candidates for ads: selection rates, impact ratios and ranking quality, with intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from datasets import Dataset

from autorefine_lib import metrics, schema
from autorefine_lib.bootstrap import interval
from autorefine_lib.errors import InputError
from autorefine_lib.recommender import Rank
from autorefine_lib.tables import read_table


def read(
    jobs_path: Path, candidates_path: Path, groups: Sequence[str], columns: Mapping[str, Mapping[str, str]]
) -> tuple[Dataset, Dataset]:
    """Jobs and candidates from files, checked; ads need neither split nor title to be audited.

    Args:
        groups: attribute columns of the candidates.
        columns: {"jobs": {our column: the file's}, "candidates": {…}}.

    Raises:
        InputError: as `tables.read_table` and `schema`.
    """
    jobs = read_table(jobs_path, columns["jobs"])
    schema.require_columns(jobs, ["job_id", "text", "occupation"], str(jobs_path))
    jobs = jobs.assign(split="test", title=jobs["title"] if "title" in jobs else jobs["occupation"])
    checked_jobs = schema.check_jobs(jobs, str(jobs_path))
    people = read_table(candidates_path, columns["candidates"])
    candidates = schema.check_candidates(people, str(candidates_path), groups)
    for attribute in groups:
        schema.check_match(checked_jobs, candidates, attribute)
    return checked_jobs, candidates


def audit(rank: Rank, jobs: Dataset, candidates: Dataset, groups: Sequence[str], k: int) -> dict[str, list[dict]]:
    """Rank every candidate for every ad and measure what comes out.

    Returns:
        `groups`: one row per attribute, pool (qualified, all) and group with candidates (number), selected, available
        (sums over the ads), rate, reference (the most selected group), impact_ratio, low, high (95 %, bootstrap over
        ads) and note. `quality`: MRR and NDCG@k with low, high and n (ads).

    Raises:
        InputError: as `metrics.per_job`.
    """
    # Before the embedding, which takes minutes: is there a pool of k for every ad?
    metrics.per_job(np.zeros((len(jobs), len(candidates)), np.float32), jobs, candidates, groups[0], k)
    scores = rank(list(jobs["text"]))
    rows = []
    for attribute in groups:
        table = metrics.per_job(scores, jobs, candidates, attribute, k)
        names, belongs = metrics.group_members(candidates, attribute)
        members = dict(zip(names, belongs.sum(1), strict=True))
        for pool in metrics.POOLS:
            for row in metrics.impact_ratio(table, pool).to_dict("records"):
                low = high = np.nan
                if np.isfinite(row["impact_ratio"]) and row["group"] != row["reference"]:
                    _, low, high = interval(metrics.rate_counts(table, row["group"], row["reference"], pool))
                size = {"attribute": attribute, "pool": pool, "candidates": int(members[row["group"]])}
                rows.append(size | row | {"low": low, "high": high})
    quality = metrics.ranking_quality(scores, jobs, candidates, k)
    measured = []
    for metric in ("mrr", "ndcg"):
        value, low, high = interval(quality[metric].to_numpy())
        measured.append({"metric": metric, "value": value, "low": low, "high": high, "n": len(quality)})
    return {"groups": rows, "quality": measured}


def parse_columns(words: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read `jobs.text=description` and `candidates.gender=sex` as column mappings for the two files.

    Raises:
        InputError: a word of another form.
    """
    columns: dict[str, dict[str, str]] = {"jobs": {}, "candidates": {}}
    for word in words:
        target, equals, theirs = word.partition("=")
        table, dot, ours = target.partition(".")
        if not (equals and dot and ours and theirs and table in columns):
            raise InputError(
                f"--map {word}: write jobs.COLUMN=NAME or candidates.COLUMN=NAME, as in jobs.text=description"
            )
        columns[table][ours] = theirs
    return columns
