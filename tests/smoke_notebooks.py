"""The notebooks in the smoke profile, for nbval: `prepare DIR` makes copies to check, `record` stores what they print.

The outputs stored in `notebooks/` are those of cells marked `# NBVAL_CHECK_OUTPUT`, run with the smoke parameters;
nbval runs the copies and compares. `record` is a developer's step after numbers changed on purpose: the diff shows
which. Neither is part of a run. A notebook without a number is no step of a run and small as it is: it keeps its own
parameters.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import nbformat
import pandas as pd
from nbformat import NotebookNode
from papermill import execute_notebook
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from autorefine_lib.files import write_csv, write_text
from autorefine_lib.report import pages
from autorefine_lib.reproduce import KERNEL, NOTEBOOKS, Run, read_steps, reproduce, resolve_parameters

MARK = "# NBVAL_CHECK_OUTPUT"
EXPECTED = Path(__file__).with_name("smoke_expected.csv")


def checked(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that nbval compares."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and MARK in cell.source]


def prepare(folder: Path, notebooks: Path = NOTEBOOKS) -> list[Path]:
    """Write copies with the smoke parameters into `folder`; their run folder, emptied first, is `folder`/run."""
    run_dir = folder.resolve() / "run"
    shutil.rmtree(run_dir, ignore_errors=True)
    (run_dir / "artefacts").mkdir(parents=True)
    smoke = {step.path: step.parameters for step in resolve_parameters(read_steps(notebooks), "smoke", [])}
    paths = []
    for path in sorted(notebooks.glob("*.ipynb")):
        parameters = smoke.get(path, {}) | {"run_dir": str(run_dir)}
        notebook = parameterize_notebook(load_notebook_node(str(path)), parameters)
        paths.append(write_text(folder / path.name, nbformat.writes(notebook) + "\n"))
    return paths


def record(notebooks: Path = NOTEBOOKS) -> None:
    """Run the smoke profile and store the outputs of the marked cells in `notebooks`; every other cell is bare."""
    with tempfile.TemporaryDirectory() as folder:
        run = reproduce(Run("smoke", out=Path(folder) / "run", notebooks=notebooks))
        executed = run / "notebooks"
        for path in sorted(notebooks.glob("*.ipynb")):
            if not (executed / path.name).exists():
                options = {"kernel_name": KERNEL, "progress_bar": False, "cwd": str(Path.cwd())}
                execute_notebook(str(path), str(executed / path.name), {"run_dir": str(run)}, **options)
            notebook = nbformat.read(path, as_version=4)
            outputs = {cell.id: cell.outputs for cell in checked(nbformat.read(executed / path.name, as_version=4))}
            store(notebook, outputs)
            write_text(path, nbformat.writes(notebook) + "\n")
        if (run / "tables/results.csv").is_file() and notebooks == NOTEBOOKS:
            write_csv(EXPECTED, read_key_numbers(run))


def read_key_numbers(run: Path) -> pd.DataFrame:
    """Impact ratio, MRR and NDCG of every method of a run: method, metric, value."""
    rows = pages.read_results(run)
    ours = rows[~pages.is_paper(rows) & rows["metric"].isin(pages.HEADLINE)]
    return ours[["method", "metric", "value"]].round(4)


def store(notebook: NotebookNode, outputs: dict[str, list[NotebookNode]]) -> None:
    """Give the marked cells their text outputs and an execution count, and clear all other code cells."""
    for count, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
        marked = cell.id in outputs
        cell.execution_count = count if marked else None
        cell.outputs = outputs.get(cell.id, [])
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
            output.get("metadata", {}).clear()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare").add_argument("folder", type=Path)
    commands.add_parser("record")
    arguments = parser.parse_args()
    if arguments.command == "prepare":
        prepare(arguments.folder)
    else:
        record()
