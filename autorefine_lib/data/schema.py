"""The schema of jobs and candidates. A table that breaks it is refused in one line that says what to do.

Jobs: job_id, title, text, occupation, split (train, validation or test), and any further columns.
Candidates: candidate_id, text, occupation, and any number of attribute columns such as gender, race, age_band.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

import pandas as pd
from datasets import Dataset

from autorefine_lib.errors import InputError

JOB_COLUMNS = ("job_id", "title", "text", "occupation", "split")
CANDIDATE_COLUMNS = ("candidate_id", "text", "occupation")
SPLITS = ("train", "validation", "test")
MOST_GROUPS = 10
"""A column of texts with more different values than this is no attribute."""
_LONGEST_LABEL = 60  # characters; a column of longer ones holds texts
LONGEST_TEXT = 1_000_000
"""Bytes of UTF-8. A longer text is probably a file in the wrong column."""


def require_columns(df: pd.DataFrame, columns: Sequence[str], origin: str) -> None:
    """Raise InputError if one of `columns` is missing; the message says what to add to the command for all that are."""
    missing = [column for column in columns if column not in df.columns]
    if not missing:
        return
    present = [str(name) for name in df.columns]
    near = {column: get_close_matches(column, present, n=3, cutoff=0.5) for column in missing}
    if not near.get("text", True):
        lengths = {name: df[name].head(100).map(lambda value: len(str(value))).mean() for name in df.columns}
        near["text"] = [str(name) for name, length in lengths.items() if length > _LONGEST_LABEL][:1]
    yours = {column: shlex.quote(near[column][0]) if near[column] else "#" if column.endswith("_id") else ""
             for column in missing}  # fmt: skip
    options = " ".join(f"--map {column}={name or 'NAME'}" for column, name in yours.items())
    hints = [f"rename {' or '.join(map(repr, near[missing[0]]))}"] if near[missing[0]] else []
    hints.append(f"add {options} to the command" if all(yours.values()) else f"say which one is meant, as in {options}")
    raise InputError(
        f"{origin}: no column '{missing[0]}' among {', '.join(present) or 'no columns'}; {', or '.join(hints)}"
    )


def name_rows(mask: pd.Series) -> str:
    """Where a mask is true, for a message: rows count from 1, without the header, as a reader of the file counts."""
    numbers = [str(i + 1) for i, bad in enumerate(mask) if bad]
    return f"row {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} rows, the first is row {numbers[0]}"


def refuse_rows(faults: Mapping[str, pd.Series], origin: str) -> None:
    """Raise InputError for the first of `faults`, what is wrong by the mask of its rows, that any row has."""
    for fault, mask in faults.items():
        if mask.any():
            raise InputError(f"{origin}: {fault} in {name_rows(mask)}; correct or remove them")


def find_faults(column: pd.Series) -> Iterator[str]:
    """What is wrong with a column of text that each row must fill; in one called "..._id" no value may stand twice."""
    blank = ~column.map(lambda value: isinstance(value, str) and bool(value.strip())).astype(bool)
    if blank.any():
        yield f"'{column.name}' is empty or not text in {name_rows(blank)}; fill it in or remove them"
    copies = column.duplicated() & ~blank
    if str(column.name).endswith("_id") and copies.any():
        yield f"'{column.name}' repeats another in {name_rows(copies)}; give each row an id of its own"


def check_table(df: pd.DataFrame, columns: Sequence[str], origin: str, may_lack: Sequence[str] = ()) -> None:
    """Raise InputError unless there are rows and all columns, no fault in `columns` and no text that is too long.

    Numbers are taken for ids and for the names of groups, but not for texts, titles and occupations. A column of
    `may_lack` may have empty cells.
    """
    if len(df) == 0:
        raise InputError(f"{origin}: no rows; at least one is needed")
    require_columns(df, [*columns, *may_lack], origin)
    for name in columns:
        column = df[name] if name in ("text", "title", "occupation") else df[name].map(str, na_action="ignore")
        for fault in find_faults(column):
            raise InputError(f"{origin}: {fault}")
    if "text" not in columns:
        return
    size = df["text"].map(lambda text: len(text.encode("utf-8", errors="replace")))
    if (size > LONGEST_TEXT).any():
        raise InputError(
            f"{origin}: the text of {name_rows(size > LONGEST_TEXT)} has {size.max():,} bytes; at most "
            f"{LONGEST_TEXT:,} are allowed, check that it is one ad or biography"
        )


def select_columns(df: pd.DataFrame, columns: Sequence[str], origin: str, may_lack: Sequence[str] = ()) -> Dataset:
    """These columns as a data set of texts, after `check_table`."""
    check_table(df, columns, origin, may_lack)
    # As text, because a Parquet file may hold numbers and a data set needs one type a column.
    table = df[[*columns, *may_lack]].map(str, na_action="ignore").astype(object)
    return Dataset.from_pandas(table, preserve_index=False)


def check_jobs(df: pd.DataFrame, origin: str) -> Dataset:
    """Check ads against the schema and return them as a Hugging Face data set.

    Args:
        df: one row an ad, with `JOB_COLUMNS`; further columns are kept. An occupation may be missing: nobody is known
            to be qualified for such an ad, and it is measured among all candidates alone.
        origin: what an error message calls the data, for instance the file's name.

    Raises:
        InputError: a missing or misnamed column, no rows, empty or doubled ids, empty or NaN text or title, an
            occupation that is no text, a text over `LONGEST_TEXT` bytes, an unknown split.
    """
    check_table(df, ["job_id", "title", "text", "split"], origin, ["occupation"])
    unknown = df["occupation"].map(lambda name: pd.isna(name) or name == "").astype(bool)
    df = df.assign(occupation=df["occupation"].astype(object).where(~unknown, None))
    for fault in find_faults(df["occupation"].where(~unknown, "none")):
        raise InputError(f"{origin}: {fault}")
    unknown = sorted(set(df["split"].astype(str)) - set(SPLITS))
    if unknown:
        near = get_close_matches(unknown[0], SPLITS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "rename it"
        raise InputError(f"{origin}: split {unknown[0]!r} is not one of {', '.join(SPLITS)}; {hint}")
    return Dataset.from_pandas(df.assign(job_id=df["job_id"].map(str)), preserve_index=False)


def check_candidates(df: pd.DataFrame, origin: str, attributes: Sequence[str]) -> Dataset:
    """Check candidates against the schema and return them as a Hugging Face data set.

    Args:
        df: one row a candidate, with `CANDIDATE_COLUMNS` and one column for each attribute; others are kept.
        origin: what an error message calls the data.
        attributes: the protected attributes to be measured, for instance ["gender"].

    Raises:
        InputError: as `check_jobs`; also an empty value of an attribute, or an attribute with fewer than two groups.
    """
    check_table(df, [*CANDIDATE_COLUMNS, *attributes], origin)
    df = df.assign(**{column: df[column].map(str, na_action="ignore") for column in ("candidate_id", *attributes)})
    for attribute in attributes:
        groups = sorted(df[attribute].unique())
        if len(groups) < 2:
            raise InputError(f"{origin}: '{attribute}' has the one group {groups[0]!r}; a ratio compares two or more")
    return Dataset.from_pandas(df, preserve_index=False)


def attribute_columns(candidates: Dataset) -> list[str]:
    """The columns that divide the candidates into groups: columns of texts with 2 to 10 values, not required."""
    kinds = {name: getattr(feature, "dtype", None) for name, feature in candidates.features.items()}
    texts = [name for name, kind in kinds.items() if kind in ("string", "large_string")]
    found = {name: set(candidates.unique(name)) - {None} for name in texts if name not in CANDIDATE_COLUMNS}
    return [name for name, groups in found.items() if 2 <= len(groups) <= MOST_GROUPS]


def check_match(jobs: Dataset, candidates: Dataset, attribute: str, min_group: int = 2) -> None:
    """Check that jobs and candidates can be measured together.

    Args:
        jobs, candidates: as returned by `check_jobs` and `check_candidates`.
        attribute: the protected attribute.
        min_group: the fewest candidates a group may have in the whole pool.

    Raises:
        InputError: an occupation of a job that no candidate has but one nearly like it, or a group smaller than
            `min_group`. A quite different occupation may stand: nobody is qualified for such an ad.
    """
    require_columns(pd.DataFrame(columns=candidates.column_names), [attribute], "candidates")
    known = set(candidates["occupation"])
    for name in sorted(set(jobs["occupation"]) - known - {None}):
        if near := get_close_matches(name, known, n=1, cutoff=0.8):
            raise InputError(
                f"jobs: no candidate has the occupation {name!r}; the nearest is {near[0]!r}: where that is meant, add "
                f"--values {shlex.quote(f'occupation:{name}={near[0]}')} to the command, or else rename one of them"
            )
    sizes = pd.Series(candidates[attribute]).value_counts()
    if sizes.min() < min_group:
        raise InputError(
            f"candidates: the group {sizes.idxmin()!r} of '{attribute}' has {sizes.min()} of {sizes.sum()} candidates; "
            f"at least {min_group} are needed for a rate"
        )
