"""`autorefine verify`: the tables of a run made again from its per-ad files, and compared cell by cell.

A checksum says that a file is the one that was written. This says that the published numbers follow from the numbers
of every ad: `per_ad/` is read, the functions that notebooks 02 and 09 call make the tables anew, and every cell of the
committed CSV files is held against them.
"""

import io
import json
import re
from pathlib import Path

import pandas as pd

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import uncertainty
from autorefine_lib.evaluation.method import UNTRAINED, Method, read_per_ad
from autorefine_lib.report import pages, result_tables

TOLERANCE = 1e-4
"""A number may differ by so much: some tables are rounded to four digits, and `per_ad/` keeps six or seven."""
SELECTED = "per_ad/selected.parquet"
PERSON = ["method", "seed", "job_id", "group"]
NOT_MADE = "not recomputed, for per_ad/ holds no texts, no scores of other rankings and no log of a training:"
_NUMBER = re.compile(r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?")


def verify(run_dir: Path, defaults: dict) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Make all tables again that follow from `per_ad/`, and compare them with those of `run_dir`.

    Args:
        defaults: parameters of notebook 09; those of the run are in its run.json.

    Returns:
        One row a table: table, cells, differ, largest (difference of two numbers) and not_compared (columns that
        `per_ad/` cannot give). One row a cell that differs: table, row, column, stored, recomputed, difference. The
        names of the tables that cannot be made again.

    Raises:
        InputError: no run, or one whose per-ad files are not whole.
    """
    found, tables = [], []
    try:
        chosen = json.loads((run_dir / "run.json").read_text("utf-8"))["notebooks"]["09_result_tables"]["parameters"]
        made = _make(read_per_ad(run_dir), defaults | chosen)
        groups, selected = (pd.read_parquet(run_dir / f"per_ad/{name}.parquet") for name in ("groups", "selected"))
        files = sorted((run_dir / "tables").glob("*.csv"))
        stored = {path.name: pd.read_csv(path, dtype=str, keep_default_na=False) for path in files}
    except InputError:
        raise
    except (OSError, KeyError, ValueError) as error:  # missing or damaged: JSON, CSV and Parquet say it differently
        raise InputError(f"{run_dir} is no run with whole per_ad/ ({error}); give one as reports/embedded") from None
    # The people who are named as selected are as many of each group as are counted.
    stored[SELECTED] = groups.loc[groups["pool"] == "whole", [*PERSON, "selected"]]
    named = selected.groupby(PERSON)[["selected"]].sum()
    made[SELECTED] = named.reindex(stored[SELECTED].set_index(PERSON).index, fill_value=0)
    for name, table in made.items():
        cells, left_out = compare(stored.get(name, table.iloc[:0].reset_index()), table)
        differ = cells[~(cells["difference"] <= TOLERANCE)]
        found.append(differ.assign(table=name))
        tables.append((name, len(cells), len(differ), cells["difference"].max(), ", ".join(left_out)))
    summary = pd.DataFrame(tables, columns=["table", "cells", "differ", "largest", "not_compared"])
    return summary, pd.concat(found, ignore_index=True), [name for name in stored if name not in made]


def _make(methods: dict[str, list[Method]], given: dict) -> dict[str, pd.DataFrame]:
    """The tables as notebooks 02 and 09 make them, without what `per_ad/` cannot give; the index names a row."""
    group, reference, k, policy, seed = (given[name] for name in ("group", "reference", "k", "policy", "seed"))
    rows = result_tables.rows(methods, "", group, reference, k, "", seed)
    results = pd.concat([rows, pages.make_paper_rows()]).drop(columns=["data", *pages.PROVENANCE])
    goals = result_tables.goals(rows, methods[policy], policy).replace({"met": {True: "met", False: "not met"}})
    certainty = uncertainty.table(methods, None, reference, None, seed=seed).set_index(["method", "group"])
    return {
        "results.csv": results.set_index(["method", "metric"]),
        "baseline.csv": result_tables.wide(rows[rows["method"].isin(UNTRAINED)], result_tables.BASELINE),
        "seeds.csv": result_tables.over_seeds(methods, group, reference).set_index(["method", "seed"]),
        "goals.csv": goals.set_index("goal"),
        "certainty.csv": certainty.drop(columns=["low_both", "high_both", "noise"]),
        "occupations.csv": result_tables.top_occupations(methods).set_index("occupation"),
        "by_k.csv": result_tables.by_places(methods, group, reference, k).set_index("method"),
    }


def compare(stored: pd.DataFrame, made: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The cells of both tables (column, stored, recomputed, row, difference), and the columns that only `stored` has.

    A cell is a text with numbers in it: `difference` is the largest of its numbers, NaN where the words are not the
    same or one table has no such row. The index of `made` names its rows.
    """
    keys, columns = list(made.index.names), [*made.index.names, *(name for name in made if name in stored)]
    files = (io.StringIO(table.to_csv(index=False)) for table in (stored, made.reset_index()))
    texts = (pd.read_csv(file, dtype=str, keep_default_na=False).reindex(columns=columns) for file in files)
    # No column of a table has an empty name.
    old, new = (table.melt(keys, var_name="column", value_name="") for table in texts)
    cells = old.merge(new, "outer", [*keys, "column"]).fillna("no row").astype(str)
    cells = cells.set_axis([*keys, "column", "stored", "recomputed"], axis=1)
    gaps = [_gap(*pair) for pair in zip(cells["stored"], cells["recomputed"], strict=True)]
    found = cells.drop(columns=keys).assign(row=cells[keys].agg(" / ".join, axis=1), difference=gaps)
    return found, [name for name in stored if name not in columns]


def _gap(stored: str, made: str) -> float:
    """The largest difference of the numbers in two texts; NaN where the words differ."""
    if _NUMBER.sub("#", stored) != _NUMBER.sub("#", made):
        return float("nan")
    old, new = ([float(item.replace(",", "")) for item in _NUMBER.findall(text)] for text in (stored, made))
    return max((abs(one - other) for one, other in zip(old, new, strict=True)), default=0.0)


def format_text(tables: pd.DataFrame, differences: pd.DataFrame, not_made: list[str], most: int = 20) -> str:
    """What `verify` found for people: the tables, the first `most` differences, and what could not be made again."""
    lines = [tables.to_string(index=False, formatters={"largest": "{:.6f}".format})]
    words = "{table}: {row}, {column}: {stored}, recomputed {recomputed} ({difference:.4f})"
    lines += [words.format(**cell) for cell in differences.head(most).to_dict("records")]
    return "\n".join([*lines, f"{NOT_MADE} {', '.join(not_made)}"])


def format_json(tables: pd.DataFrame, differences: pd.DataFrame, not_made: list[str]) -> str:
    """What `verify` found, as JSON."""
    rows, cells = (json.loads(table.to_json(orient="records")) for table in (tables, differences))
    found = {"tolerance": TOLERANCE, "tables": rows, "differences": cells, "not_recomputed": not_made}
    return json.dumps(found, indent=1, ensure_ascii=False)
