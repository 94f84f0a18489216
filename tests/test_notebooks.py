"""The committed notebooks keep the house rules, and the smoke profile runs them end to end through the command line."""

import ast
import hashlib
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from smoke_notebooks import checked

from autorefine_lib.report import pages
from autorefine_lib.reproduce import KERNEL, NOTEBOOKS, RUNNER_PARAMETERS

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
STEMS = [
    "00_tour",
    "01_data_prep",
    "02_baseline",
    "03_align",
    "04_ppo_finetuning",
    "05_ilql",
    "06_other_optimisers",
    "07_red_team",
    "08_transfer",
    "09_result_tables",
]


def test_the_notebooks_are_there():
    assert [path.stem for path in PATHS] == STEMS


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_house_rules(path: Path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert notebook.metadata.kernelspec.name == KERNEL
    assert "papermill" not in notebook.metadata and not any("papermill" in cell.metadata for cell in code)
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")
    assert "parameters" in code[0].metadata.get("tags", []), "the parameters cell is the first code cell"
    assert not any("parameters" in cell.metadata.get("tags", []) for cell in code[1:])
    long = [cell.source.splitlines()[0] for cell in code if len(cell.source.splitlines()) > 15]
    assert not long, "cells have at most 15 lines"
    kinds = {kind for cell in code for output in cell.outputs for kind in output.get("data", {})}
    assert not any(kind.startswith("image/") for kind in kinds), "no images in stored outputs"
    assert all(not cell.outputs and cell.execution_count is None for cell in code if cell not in checked(notebook))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_parameters_are_literals_with_a_type_and_a_comment(path: Path):
    cell = next(cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
    names = []
    for statement in ast.parse(cell.source).body:
        assert isinstance(statement, ast.AnnAssign), f"not `name: type = literal`: {ast.unparse(statement)}"
        ast.literal_eval(statement.value)
        names.append(statement.target.id)
        line = cell.source.splitlines()[statement.lineno - 1]
        assert "#" in line, f"no comment says what {statement.target.id} is"
    assert "run_dir" in names and set(RUNNER_PARAMETERS) & set(names)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_checked_cells_really_compare(path: Path):
    """nbval passes a cell without execution count or output without a look; a marked cell must have both."""
    marked = checked(nbformat.read(path, as_version=4))
    assert marked, "at least one cell is compared"
    for cell in marked:
        assert cell.execution_count and cell.outputs, cell.source.splitlines()[0]
        text = "".join(
            output.get("text", "") + str(output.get("data", {}).get("text/plain", "")) for output in cell.outputs
        )
        assert text.strip(), cell.source.splitlines()[0]


@pytest.mark.end_to_end
def test_smoke_profile_end_to_end(tmp_path: Path):
    def digest() -> dict[str, str]:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in PATHS}

    before, out = digest(), tmp_path / "run"
    words = [sys.executable, "-m", "autorefine_lib.cli", "reproduce", "--profile", "smoke", "--out", str(out)]
    run = subprocess.run(words, capture_output=True, text=True, timeout=1800)
    assert run.returncode == 0, run.stderr
    assert digest() == before, "a run never writes notebooks/"

    rows = pages.read_results(out)
    assert list(rows.columns) == pages.COLUMNS
    ours = rows[~pages.is_paper(rows)]
    assert {"impact_ratio", "mrr", "ndcg"} <= set(ours["metric"])
    assert len(set(ours["method"])) >= 5 and ours["data"].str.contains("synthetic").all()
    ratio = ours[ours["metric"] == "impact_ratio"]
    assert ratio["value"].between(0.2, 2).all() and (ratio["n"] > 0).all()
    quality = ours[ours["metric"].isin(["mrr", "ndcg"])]
    assert quality["value"].between(0.2, 1).all(), "far above a random ranking"
    inside = ours.dropna(subset=["low"])
    assert len(inside) and ((inside["low"] <= inside["value"]) & (inside["value"] <= inside["high"])).all()
    assert set(np.round(rows.loc[pages.is_paper(rows), "value"].dropna(), 3)) >= {0.618, 0.668}
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert {"index.html", "run.json", "tables/results.md", "tables/results.tex"} <= names
    assert {f"notebooks/{stem}.ipynb" for stem in STEMS} <= names
    assert any(name.startswith("figures/") and name.endswith(".pdf") for name in names)

    again = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0 and again.stderr.count("unchanged, kept") == len(STEMS), again.stderr
