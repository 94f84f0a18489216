"""What an audit reads: a user's ads, candidates and, where a recommender has already ranked, its scores.

An audit asks less of a file than training does. Ads need neither a title nor a split. Nobody needs a text when scores
are given, or an occupation when the files do not say who is qualified. A candidate may lack a group: an audit counts
the unknown (`metrics.groups`).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib.data import read_files, schema
from autorefine_lib.errors import InputError
from autorefine_lib.recommender.scores import check_scores


def read_tables(
    jobs_path: Path,
    candidates_path: Path,
    attributes: Sequence[str],
    text: bool = True,
    columns: Sequence[str] = (),
    values: Sequence[str] = (),
) -> tuple[Dataset, Dataset]:
    """Read ads and candidates and check them.

    Args:
        jobs_path: ads with job_id and, where needed, text and occupation.
        candidates_path: candidates with candidate_id, the same two and the attributes.
        attributes: columns of the candidates that name their groups.
        text: whether a recommender has to read the texts.
        columns, values: other names of columns and values, as `read_files.read_tables` takes them.

    Returns:
        Jobs and candidates with the columns that an audit needs. `occupation` is among them when a file has it.

    Raises:
        InputError: as `read_files.read_tables`; a missing column, an empty or doubled id, an empty text,
            an occupation in one file only.
    """
    jobs, people = read_files.read_tables([jobs_path, candidates_path], columns, values)
    of_jobs, of_people = (["job_id", "text"], ["candidate_id", "text"]) if text else (["job_id"], ["candidate_id"])
    # One file alone with occupations is a slip, not an audit without them.
    more = ["occupation"] if "occupation" in jobs or "occupation" in people else []
    return (
        schema.select_columns(jobs, of_jobs, str(jobs_path), more),
        schema.select_columns(people, of_people, str(candidates_path), [*more, *attributes]),
    )


def read_scores(path: Path, jobs: Sequence[str], candidates: Sequence[str]) -> np.ndarray:
    """Read the scores that a recommender gave, float [jobs, candidates], higher is better.

    A .npy file holds the matrix itself: a row for each ad and a column for each candidate, in the order of the two
    files. It is memory-mapped, not loaded. A .csv, .jsonl or .parquet file has one row a pair: job_id, candidate_id,
    score.

    Args:
        path: the file.
        jobs: ids of the ads, in order.
        candidates: ids of the candidates, in order.

    Raises:
        InputError: no such file, another format, another shape, an id that the other files do not have, a doubled or
            missing pair, a score that is not a finite number.
    """
    read_files.check_path(path, (".npy", *read_files.FORMATS))
    scores = _read_matrix(path) if path.suffix == ".npy" else _read_pairs(path, jobs, candidates)
    return check_scores(scores, len(jobs), len(candidates), str(path), (jobs, candidates))


def _read_matrix(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: not a matrix in NumPy's format ({error}); write it with numpy.save") from None


def _read_pairs(path: Path, jobs: Sequence[str], candidates: Sequence[str]) -> np.ndarray:
    table = read_files.read_table(path)
    schema.require_columns(table, ["job_id", "candidate_id", "score"], str(path))
    for column, ids in (("job_id", jobs), ("candidate_id", candidates)):
        table[column] = table[column].map(str)
        strange = ~table[column].isin(ids)
        if strange.any():
            row, value = int(np.argmax(strange)), table.loc[strange, column].iloc[0]
            raise InputError(f"{path}: {column} {value!r} in row {row + 1} is not in the other file; add it there")
    doubled = table.duplicated(["job_id", "candidate_id"])
    if doubled.any():
        job, candidate = table.loc[doubled, ["job_id", "candidate_id"]].iloc[0]
        raise InputError(f"{path}: the pair {job!r}, {candidate!r} occurs twice ({doubled.sum():,} rows too many)")
    if table.attrs.get("decimal") == ",":
        table["score"] = table["score"].str.replace(",", ".")
    table["score"] = pd.to_numeric(table["score"], errors="coerce")
    wide = table.pivot(index="job_id", columns="candidate_id", values="score")
    return wide.reindex(index=jobs, columns=candidates).to_numpy(float)
