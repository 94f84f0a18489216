"""Read the user's tables: CSV, JSONL or Parquet files, whose columns may have other names than ours."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow

from autorefine_lib.data import schema
from autorefine_lib.errors import InputError

FORMATS = (".csv", ".jsonl", ".parquet")


def read_table(path: Path, columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Read a CSV, JSONL or Parquet file, by its suffix.

    The columns of a CSV file may be parted by commas, semicolons or tabs. A column whose name differs from ours by
    capitals and spaces only gets our name.

    Args:
        path: the file.
        columns: our column name -> the file's, for instance {"text": "description"}.

    Raises:
        InputError: no such file, an unknown suffix, an empty or broken file, bytes that are not UTF-8, or a
            mapped column that is not there.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise InputError(f"{path}: the suffix {path.suffix!r} is not one of {', '.join(FORMATS)}; convert the file")
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path (relative paths start at {Path.cwd()})")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; it needs a header and at least one row")
    reader = {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet}[path.suffix]
    return _rename(reader(path), columns or {}, path)


def read_pairs(path: Path) -> pd.DataFrame:
    """Read texts and their rewrites: the columns source and rewrite, an empty cell as "".

    Raises:
        InputError: as `read_table`, or a column is missing.
    """
    table = read_table(path).rename(columns=lambda name: str(name).strip().lower())
    schema.require_columns(table, ["source", "rewrite"], str(path))
    if table.empty:
        raise InputError(f"{path}: no pairs below the header; add rows of a source and its rewrite")
    return table[["source", "rewrite"]].fillna("").astype(str)


def _rename(table: pd.DataFrame, columns: Mapping[str, str], path: Path) -> pd.DataFrame:
    ours = {*schema.JOB_COLUMNS, *schema.CANDIDATE_COLUMNS} - {*table.columns, *columns}
    alike = {name: str(name).strip().lower() for name in table.columns if name not in columns.values()}
    table = table.rename(columns={name: plain for name, plain in alike.items() if plain in ours})
    schema.require_columns(table, list(columns.values()), str(path))
    # A column that already has our name goes, or the mapping would make a second one.
    table = table.drop(columns=[ours for ours, theirs in columns.items() if ours in table.columns and ours != theirs])
    return table.rename(columns={theirs: ours for ours, theirs in columns.items()})


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError(
            f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}); write it anew"
        ) from error


def _read_utf8(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}: byte {error.start} (0x{data[error.start]:02x}, line {line}) is not UTF-8; convert the file, "
            f"for instance `iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8{path.suffix}`"
        ) from error


def _read_csv(path: Path) -> pd.DataFrame:
    text = _read_utf8(path)
    header = text.partition("\n")[0]
    mark = max(",;\t", key=header.count)  # spreadsheets of many countries write semicolons
    try:
        # Each cell is text, and only an empty cell is missing: a group may be called "NA" or "None".
        table = pd.read_csv(io.StringIO(text), sep=mark, dtype=str, keep_default_na=False, na_values=[""])
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: not readable as CSV ({str(error).strip()}); check commas and quotes") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{path}: the rows have more cells than the header; put texts with {mark!r} in quotes")
    return table


def _read_jsonl(path: Path) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(_read_utf8(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise InputError(f"{path}: line {number} is not JSON ({error.msg}); one object a line is needed") from error
        if not isinstance(rows[-1], dict):
            raise InputError(f"{path}: line {number} is {type(rows[-1]).__name__}, not an object; one object a line")
    return pd.DataFrame(rows)
