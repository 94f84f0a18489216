"""The exercises are those of their sources, every solution runs and is right, and no check passes without an answer."""

import importlib.util
import warnings
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

from autorefine_lib.reproduce import NOTEBOOKS, ensure_kernel

FOLDER = NOTEBOOKS / "exercises"
PATHS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(scope="module")
def cutter():
    spec = importlib.util.spec_from_file_location("cut", FOLDER / "cut.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tagged(notebook: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def printed(cell: nbformat.NotebookNode) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def test_a_stale_notebook_is_refused(cutter, tmp_path: Path):
    fresh = {path.relative_to(tmp_path): path.read_bytes() for path in cutter.cut_all(tmp_path)}
    stored = {path.relative_to(FOLDER): path.read_bytes() for path in FOLDER.rglob("*.ipynb")}
    assert stored.keys() == fresh.keys()
    assert [str(name) for name in fresh if fresh[name] != stored[name]] == [], "run `make exercises`"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_house_rules(path: Path, cutter):
    source = jupytext.read(FOLDER / f"source/{path.stem}.py", fmt="py:percent")
    code = [cell for cell in source.cells if cell.cell_type == "code"]
    assert not [cell.source.splitlines()[0] for cell in code if len(cell.source.splitlines()) > 15]
    kinds = [next(iter(cell.metadata.get("tags", [])), "") for cell in code]
    assert set(kinds) <= {"", "exercise", "solution", "check"}
    assert kinds.count("exercise") >= 2 and len(tagged(source, "check")) >= kinds.count("exercise")
    after = [(kind, following) for kind, following in zip(kinds, kinds[1:], strict=False)]
    assert all((kind == "exercise") == (following == "solution") for kind, following in after)
    assert (NOTEBOOKS / path.name).exists(), "named after the notebook that it belongs to"
    assert nbformat.read(path, as_version=4).cells[0].source.startswith(f"# Exercises {path.stem[:2]} ")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_solutions_are_right(path: Path):
    """Each runs in a kernel of its own, as a reader runs it."""
    ensure_kernel()
    notebook = nbformat.read(FOLDER / "solutions" / path.name, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(FOLDER / "solutions")}}).execute()
    wrong = [cell.source + printed(cell) for cell in tagged(notebook, "check") if "Right" not in printed(cell)]
    assert not wrong, wrong[0]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_no_check_passes_without_an_answer(path: Path, capsys):
    """A reader who runs all cells at once sees no traceback, and is not told that an empty answer is right."""
    notebook, names = nbformat.read(path, as_version=4), {"__name__": "exercises"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a figure that no screen shows
                exec(compile(cell.source, cell.id, "exec"), names)
            said = capsys.readouterr().out
            assert cell not in tagged(notebook, "check") or ("No answer yet" in said and "Right" not in said), said
