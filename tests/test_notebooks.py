"""The committed notebooks keep the house rules."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from smoke_notebooks import checked

from autorefine_lib.reproduce import NOTEBOOKS, RUNNER_PARAMETERS, read_steps

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
    "10_transfer_and_reranking",
    "11_robustness",
    "12_groups",
    "13_users",
]
BESIDE = ["my_data", "playground"]
"""Notebooks without a number: no steps of a run."""


def test_the_notebooks_are_there():
    assert [path.stem for path in PATHS] == [*STEMS, *BESIDE]
    assert [step.name for step in read_steps(NOTEBOOKS)] == STEMS


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_house_rules(path: Path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert notebook.metadata.kernelspec.name == "autorefine", "the one that `make env` registers"
    assert "papermill" not in notebook.metadata and not any("papermill" in cell.metadata for cell in code)
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")
    assert "parameters" in code[0].metadata.get("tags", []), "the parameters cell is the first code cell"
    assert not any("parameters" in cell.metadata.get("tags", []) for cell in code[1:])
    long = [cell.source.splitlines()[0] for cell in code if len(cell.source.splitlines()) > 15]
    assert not long, "cells have at most 15 lines"
    kinds = {kind for cell in code for output in cell.outputs for kind in output.get("data", {})}
    assert not any(kind.startswith("image/") for kind in kinds), "no images in stored outputs"
    assert all(not cell.outputs and cell.execution_count is None for cell in code if cell not in checked(notebook))


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.rglob("*.ipynb")), ids=lambda path: path.stem)
def test_formulas_are_plain_text(path: Path):
    """The pages of a run and the site load no MathJax, so a formula in dollar signs would stay as it was typed."""
    cells = nbformat.read(path, as_version=4).cells
    assert not [
        cell.source for cell in cells if cell.cell_type == "markdown" and re.search(r"\$\$|\$[^$]+\$", cell.source)
    ]


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


def find_assigned(node: ast.AST) -> set[str]:
    """The names that a cell assigns, loops included; those inside functions and comprehensions are their own."""
    own = (ast.FunctionDef, ast.Lambda, ast.ClassDef, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    if isinstance(node, own):
        return set()
    found = {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else set()
    return found.union(*map(find_assigned, ast.iter_child_nodes(node)))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_parameters_keep_their_values(path: Path):
    """A loop variable of the same name would hide what the reader or a profile has set."""
    first, *cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    parameters = find_assigned(ast.parse(first.source))
    for cell in cells:
        assert not parameters & find_assigned(ast.parse(cell.source)), cell.source.splitlines()[0]


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
