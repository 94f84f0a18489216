"""What an audit reads: a user's ads, candidates and, where a recommender has already ranked, its scores.

An audit asks less of a file than training does: ads need neither title nor split; nobody needs a text when scores are
given, nor an occupation when nothing is said about who is qualified; and a candidate may lack a group, for an audit
counts the unknown.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib.data import schema
from autorefine_lib.data.read_files import read_table
from autorefine_lib.errors import InputError
from autorefine_lib.metrics.groups import UNKNOWN

SCORE_FORMATS = (".npy", ".csv", ".jsonl", ".parquet")
_BLOCK = 64  # rows of a score matrix looked at together: 25 MB at 100,000 candidates in float32


def parse_columns(words: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read `jobs.text=description` and `candidates.gender=sex` as column mappings for the files.

    Raises:
        InputError: a word of another form.
    """
    columns: dict[str, dict[str, str]] = {"jobs": {}, "candidates": {}, "scores": {}}
    for word in words:
        target, equals, theirs = word.partition("=")
        table, dot, ours = target.partition(".")
        if not (equals and dot and ours and theirs and table in columns):
            raise InputError(
                f"--map {word}: write jobs.COLUMN=NAME, candidates.COLUMN=NAME or scores.COLUMN=NAME, as in "
                "jobs.text=description"
            )
        columns[table][ours] = theirs
    return columns


def read(
    jobs_path: Path,
    candidates_path: Path,
    attributes: Sequence[str],
    columns: Mapping[str, Mapping[str, str]] | None = None,
    unknown: Sequence[str] = (),
    text: bool = True,
) -> tuple[Dataset, Dataset]:
    """Ads and candidates, checked; without texts when `text` is False.

    Args:
        attributes: columns of the candidates that name their groups.
        columns: {"jobs": {our column: the file's}, "candidates": {…}}.
        unknown: values that say a group is not known, beside an empty cell; case does not matter.
        text: whether a recommender has to read the texts.

    Returns:
        Jobs (job_id, occupation and text where given) and candidates (candidate_id, the same and the attributes; None
        where unknown). An occupation column is kept when both files have one.

    Raises:
        InputError: as `read_files.read_table`; a missing column, an empty or doubled id, an empty text or occupation,
            an occupation in one file only, an attribute without any value.
    """
    columns = columns or {}
    jobs = read_table(jobs_path, columns.get("jobs"))
    people = read_table(candidates_path, columns.get("candidates"))
    needed = ["text"] if text else []
    # One file alone with occupations is a slip, not an audit without them.
    if "occupation" in jobs or "occupation" in people:
        needed.append("occupation")
    for table, key, origin in ((jobs, "job_id", str(jobs_path)), (people, "candidate_id", str(candidates_path))):
        schema.check_table(table, [key, *needed], origin)
    schema.require_columns(people, attributes, str(candidates_path))
    groups = {name: _groups(people[name], unknown, f"{candidates_path}: '{name}'") for name in attributes}
    people = people[["candidate_id", *needed]].assign(candidate_id=people["candidate_id"].map(str), **groups)
    jobs = jobs[["job_id", *needed]].assign(job_id=jobs["job_id"].map(str))
    return Dataset.from_pandas(jobs, preserve_index=False), Dataset.from_pandas(people, preserve_index=False)


def _groups(values: pd.Series, unknown: Sequence[str], origin: str) -> pd.Series:
    missing = {word.casefold() for word in (UNKNOWN, *unknown)} | {""}
    names = values.map(lambda value: str(value).strip(), na_action="ignore").astype(object)
    names = names.where(~names.map(lambda name: pd.isna(name) or name.casefold() in missing), None)
    if names.isna().all():
        raise InputError(f"{origin} has no known value in any row; fill it in or leave it out of --groups")
    return names


def read_scores(
    path: Path, jobs: Sequence[str], candidates: Sequence[str], columns: Mapping[str, str] | None = None
) -> np.ndarray:
    """Scores that a recommender gave, float [jobs, candidates], higher is better.

    A .npy file holds the matrix itself, rows in the order of the ads' file and columns in that of the candidates'; it
    is memory-mapped, not loaded. A .csv, .jsonl or .parquet file has one row a pair: job_id, candidate_id, score.

    Args:
        jobs, candidates: their ids in order.
        columns: our column -> the file's, for a table of pairs.

    Raises:
        InputError: no such file, another format, another shape, an id that is in no other file, a doubled or missing
            pair, a score that is no finite number.
    """
    path = Path(path)
    if path.suffix not in SCORE_FORMATS:
        raise InputError(f"{path}: the suffix {path.suffix!r} is not one of {', '.join(SCORE_FORMATS)}; convert it")
    if path.suffix != ".npy":
        return _pairs(read_table(path, columns), jobs, candidates, str(path))
    scores = _matrix(path, len(jobs), len(candidates))
    for start in range(0, len(scores), _BLOCK):
        bad = ~np.isfinite(scores[start : start + _BLOCK])
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise InputError(
                f"{path}: the score of ad {jobs[start + row]!r}, candidate {candidates[column]!r} is "
                f"{scores[start + row, column]}; give a finite number for every pair"
            )
    return scores


def _matrix(path: Path, jobs: int, candidates: int) -> np.ndarray:
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path (relative paths start at {Path.cwd()})")
    try:
        scores = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: not a matrix in NumPy's format ({error}); write it with numpy.save") from None
    if scores.dtype.kind not in "fiu":
        raise InputError(f"{path}: holds {scores.dtype}, not numbers; give float32 or float64")
    if scores.shape != (jobs, candidates):
        hint = "it is the transpose" if scores.shape == (candidates, jobs) != (jobs, candidates) else "it has another"
        raise InputError(
            f"{path}: shape {scores.shape}, but the files have {jobs:,} ads and {candidates:,} candidates; give "
            f"[ads, candidates] = {(jobs, candidates)}, {hint}"
        )
    return scores


def _pairs(table: pd.DataFrame, jobs: Sequence[str], candidates: Sequence[str], origin: str) -> np.ndarray:
    schema.require_columns(table, ["job_id", "candidate_id", "score"], origin)
    places = []
    for column, ids in (("job_id", jobs), ("candidate_id", candidates)):
        names = table[column].map(str)
        places.append(pd.Index(ids).get_indexer(names))
        if (places[-1] < 0).any():
            row = int(np.argmax(places[-1] < 0))
            what = "ads" if column == "job_id" else "candidates"
            raise InputError(
                f"{origin}: {column} {names.iloc[row]!r} in row {row + 1} is not among the {what}; remove its rows or "
                f"add it there"
            )
    values = pd.to_numeric(table["score"], errors="coerce").to_numpy(float)
    if not np.isfinite(values).all():
        row = int(np.argmax(~np.isfinite(values)))
        raise InputError(f"{origin}: score {table['score'].iloc[row]!r} in row {row + 1} is not a finite number")
    pairs = places[0] * len(candidates) + places[1]
    seen = np.bincount(pairs, minlength=len(jobs) * len(candidates))
    for wrong, count, hint in (("occurs twice", seen > 1, "keep one"), ("has no score", seen == 0, "give every pair")):
        if count.any():
            job, candidate = divmod(int(np.argmax(count)), len(candidates))
            raise InputError(
                f"{origin}: the pair {jobs[job]!r}, {candidates[candidate]!r} {wrong} ({int(count.sum()):,} such pairs "
                f"of {len(count):,}); {hint}"
            )
    scores = np.empty(len(jobs) * len(candidates))
    scores[pairs] = values
    return scores.reshape(len(jobs), len(candidates))
