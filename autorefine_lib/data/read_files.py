"""Read the user's tables: CSV, JSONL or Parquet files, whose columns and values may have other names than ours."""

import codecs
import io
import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
from charset_normalizer import from_bytes

from autorefine_lib.data import corpus, schema
from autorefine_lib.data.docx_files import read_docx
from autorefine_lib.errors import InputError

FORMATS = (".csv", ".jsonl", ".parquet")
BIAS_IN_BIOS = ("hard_text", "profession", "gender")
"""The columns by which that data set is known."""
ROW_NUMBER = "#"
"""Stands for the number of the row, from 1, where a file has no ids of its own."""
_FORMULA = r"=[\w@+-]|#(?:NAME\?|REF!|VALUE!|N/A|DIV/0!)$"
_AROUND = 50_000  # bytes on each side of the first that is not UTF-8, from which the encoding is told


def read_table(path: Path, columns: Sequence[str] = (), values: Sequence[str] = ()) -> pd.DataFrame:
    """Read one file; see `read_tables`."""
    return read_tables([path], columns, values)[0]


def read_tables(paths: Sequence[Path], columns: Sequence[str] = (), values: Sequence[str] = ()) -> list[pd.DataFrame]:
    """Read CSV, JSONL or Parquet files, by their suffix.

    The columns of a CSV file may be parted by commas, semicolons, tabs or bars, and a text may be UTF-8, UTF-16 or
    cp1252. A column whose name differs from ours by capitals and spaces only gets our name. A file with the columns and
    labels of Bias in Bios gets our columns and names; a line on standard error says so.

    Args:
        paths: the files.
        columns: "ours=theirs", for instance "text=description"; each applies to every file with that column.
            "job_id=#" numbers the rows of a file without that column.
        values: "column:theirs=ours", for instance "gender:0=male", with our name of the column.

    Raises:
        InputError: no such file, an unknown suffix, an empty or broken file, an encoding that is not known, two columns
            of one name, a cell with a formula, or a mapped column or value that no file has.
    """
    tables = [_read_file(Path(path)) for path in paths]
    origin = " and ".join(map(str, paths))
    pairs = _parse("--map", columns, "OURS=YOURS", "text=description")
    found = list(dict.fromkeys(str(name) for table in tables for name in table.columns))
    for ours, theirs in pairs:
        if theirs not in (*found, ROW_NUMBER):
            near = get_close_matches(theirs, found, n=1)
            hint = f"; give --map {ours}={shlex.quote(near[0])} instead" if near else "; give --map one of them"
            raise InputError(f"{origin}: no column {theirs!r} among {', '.join(found)}{hint}")
    tables = [_rename(table, pairs, path) for table, path in zip(tables, paths, strict=True)]
    renamed: dict[str, dict[str, str]] = {}
    for column, theirs, ours in _parse("--values", values, "COLUMN:YOURS=OURS", "gender:0=male"):
        renamed.setdefault(column, {})[theirs] = ours
    for column, names in renamed.items():
        _rename_values([table for table in tables if column in table], column, names, origin)
    return tables


def _parse(option: str, texts: Sequence[str], form: str, example: str) -> list[tuple[str, ...]]:
    """The parts of each text of `option`; `form` has the marks between them, as in "OURS=YOURS"."""
    pattern = re.compile(re.sub("[A-Z]+", "(.+?)", form), re.DOTALL)
    parts = []
    for text in texts:
        if not (match := pattern.fullmatch(text)):
            raise InputError(f"{option} {text}: write it as {form}, for example {option} {example}")
        parts.append(match.groups())
    return parts


def _rename_values(tables: list[pd.DataFrame], column: str, names: Mapping[str, str], origin: str) -> None:
    if not tables:
        raise InputError(f"{origin}: no column {column!r} for --values {column}:...; name a column, after --map")
    found = dict.fromkeys(str(value) for table in tables for value in table[column].dropna().unique())
    for theirs in names:
        if theirs not in found:
            some = ", ".join(list(found)[: schema.MOST_GROUPS])
            allowed = f"only {some}; give one of these"
            raise InputError(f"{origin}: '{column}' has no value {theirs!r} for --values, {allowed}")
    for table in tables:
        table[column] = table[column].map(lambda value: names.get(str(value), value), na_action="ignore")


def is_table(name: str | Path) -> bool:
    """Whether a file is read as a table (one of `FORMATS`), by its suffix."""
    return Path(name).suffix.lower() in FORMATS


def check_path(path: Path, formats: Sequence[str] = FORMATS) -> None:
    """Raise InputError for a path without one of the suffixes `formats`, for a missing file and for an empty one."""
    if path.suffix.lower() not in formats:
        raise InputError(f"{path}: the suffix {path.suffix!r} is not one of {', '.join(formats)}; convert the file")
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path (relative paths start at {Path.cwd()})")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; it needs a header and at least one row")


def read_text(path: str | Path) -> str:
    """The text of a file, a .docx too, or of standard input for "-"; its encoding is found by `decode`.

    Raises:
        InputError: as `decode` and `docx_files.read_docx`, or the file cannot be read.
    """
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else Path(path).read_bytes()
    except OSError as error:
        allowed = "texts, .docx, CSV, JSONL or Parquet files"
        raise InputError(f"{path}: cannot be read ({error.strerror}); give {allowed}") from None
    return read_docx(data, str(path)) if Path(path).suffix.lower() == ".docx" else decode(data, str(path))


def _read_file(path: Path) -> pd.DataFrame:
    check_path(path)
    return {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet}[path.suffix.lower()](path)


def decode(data: bytes, origin: str) -> str:
    """The text of UTF-8 or UTF-16 with or without a byte-order mark (UTF-16: with), or of cp1252 where it reads well.

    Raises:
        InputError: none of these; the message names the first bad byte.
    """
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        around = data[max(0, error.start - _AROUND) : error.start + _AROUND]
        # UTF-8 with a damaged byte reads as cp1252 too, but its other letters would come out as two wrong ones.
        damaged = encoding == "utf-16" or not around.decode("utf-8", "ignore").isascii()
        try:
            if damaged or from_bytes(around, cp_isolation=["cp1252"]).best() is None:
                raise error
            text = data.decode("cp1252")
        except UnicodeDecodeError:
            line = data[: error.start].count(b"\n") + 1
            raise InputError(
                f"{origin}: byte {error.start} (0x{data[error.start]:02x}, line {line}) is not UTF-8, and the file is "
                "not UTF-16 or cp1252; save it as UTF-8 (in Excel: CSV UTF-8)"
            ) from error
    if "\0" in text:
        raise InputError(f"{origin}: has zero bytes, so it is no text; save it as UTF-8 (in Excel: CSV UTF-8)")
    return text


def read_pairs(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read texts and their rewrites: the columns source and rewrite, an empty cell as "".

    Raises:
        InputError: as `read_table`, or a column is missing.
    """
    table = read_table(path, columns).rename(columns=lambda name: str(name).strip().lower())
    schema.require_columns(table, ["source", "rewrite"], str(path))
    if table.empty:
        raise InputError(f"{path}: no pairs below the header; add rows of a source and its rewrite")
    return table[["source", "rewrite"]].fillna("").astype(str)


def name_bias_in_bios(bios: pd.DataFrame, origin: str) -> pd.DataFrame:
    """Bias in Bios (De-Arteaga et al., 2019): hard_text, profession (0 to 27, alphabetical), gender (1: female).

    Raises:
        InputError: a missing column, or another label.
    """
    schema.require_columns(bios, BIAS_IN_BIOS, origin)
    professions = {str(number): name for number, name in enumerate(sorted(corpus.occupations()))}
    labels = bios[["profession", "gender"]].astype(str)
    unknown = set(labels["profession"]) - set(professions) | set(labels["gender"]) - {"0", "1"}
    if unknown:
        raise InputError(f"{origin}: label {min(unknown)!r} is not among professions 0 to 27 and genders 0 and 1")
    return pd.DataFrame(
        {
            "candidate_id": [f"bio-{i}" for i in range(len(bios))],
            "text": bios["hard_text"],
            "occupation": labels["profession"].map(professions),
            "gender": labels["gender"].map({"0": "male", "1": "female"}),
        }
    )


def _rename(table: pd.DataFrame, pairs: list[tuple[str, ...]], path: Path) -> pd.DataFrame:
    if not pairs and "text" not in table and set(BIAS_IN_BIOS) <= set(table.columns):
        print(f"{path}: read as Bias in Bios (profession is the occupation; gender 1 is female)", file=sys.stderr)
        return name_bias_in_bios(table, str(path))
    ours = {*schema.JOB_COLUMNS, *schema.CANDIDATE_COLUMNS} - {*table.columns, *(ours for ours, _ in pairs)}
    mapped = {theirs for _, theirs in pairs}
    alike = {name: str(name).strip().lower() for name in table.columns if name not in mapped}
    table = table.rename(columns={name: plain for name, plain in alike.items() if plain in ours})
    for name, theirs in pairs:
        if theirs == ROW_NUMBER and name not in table:
            table[name] = [str(number) for number in range(1, len(table) + 1)]
        elif theirs in table and theirs != name:
            # A column that already has our name goes, or the mapping would make a second one.
            table = table.drop(columns=name, errors="ignore").rename(columns={theirs: name})
    _refuse_doubled(list(table.columns), path)
    return table


def _refuse_doubled(names: list, path: Path) -> None:
    doubled = [name for name in names if names.count(name) > 1 and not pd.isna(name)]
    if doubled:
        raise InputError(f"{path}: two columns have the name {doubled[0]!r}; rename one of them")


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: not a readable Parquet file ({reason}); write it anew") from error


def _read_csv(path: Path) -> pd.DataFrame:
    text = read_text(path)
    if text[:4].lower() == "sep=":  # a line that Excel reads and writes
        text = text.partition("\n")[2]
    header = text.partition("\n")[0]
    mark = max(",;\t|", key=header.count)  # spreadsheets of many countries write semicolons
    options = {"sep": mark, "dtype": str, "keep_default_na": False, "na_values": [""]}
    try:
        # pandas would number columns of one name.
        _refuse_doubled(pd.read_csv(io.StringIO(text), header=None, nrows=1, **options).iloc[0].tolist(), path)
        # Each cell is text, and only an empty cell is missing: a group may be called "NA" or "None".
        table = pd.read_csv(io.StringIO(text), **options)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: not readable as CSV ({str(error).strip()}); check commas and quotes") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{path}: the rows have more cells than the header; put texts with {mark!r} in quotes")
    for column in table:
        formula = table[column].str.match(_FORMULA, na=False)
        if formula.any():
            row = int(formula.argmax())
            cell = table[column][row][:30]
            raise InputError(f"{path}: row {row + 1} of '{column}' is a formula ({cell!r}); save values, not formulas")
    table.attrs["decimal"] = "." if mark == "," else ","
    return table


def _read_jsonl(path: Path) -> pd.DataFrame:
    def to_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _refuse_doubled([name for name, _ in pairs], path)
        return dict(pairs)

    rows = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line, object_pairs_hook=to_dict))
        except json.JSONDecodeError as error:
            raise InputError(f"{path}: line {number} is not JSON ({error.msg}); one object a line is needed") from error
        if not isinstance(rows[-1], dict):
            raise InputError(f"{path}: line {number} is {type(rows[-1]).__name__}, not an object; one object a line")
    try:
        return pd.DataFrame(rows)
    except UnicodeEncodeError as error:
        raise InputError(f"{path}: has half a character, {error.object[error.start]!a}; write it anew") from None
