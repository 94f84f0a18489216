"""Cut the exercises and their solutions from one source each: `python notebooks/exercises/cut.py [FOLDER]`.

A source (`source/NN_name.py`) is a notebook in jupytext's percent format. Where the reader has to do something it holds
two cells: one with the tag `exercise`, to be filled in, and after it one with the tag `solution`. The exercises leave
out the second, the solutions the first. All other cells are the same in both. The same source gives the same bytes.
"""

import argparse
from pathlib import Path

import jupytext
import nbformat

from autorefine_lib.files import write_text

HERE = Path(__file__).parent
SOURCES = sorted((HERE / "source").glob("[0-9][0-9]_*.py"))
METADATA = {
    "kernelspec": {"display_name": "AutoRefine", "language": "python", "name": "autorefine"},
    "language_info": {"name": "python"},
}


def cut(source: Path, leave_out: str) -> str:
    """The notebook made from `source` without the cells that have the tag `leave_out`, as text."""
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(METADATA)
    for place, cell in enumerate(notebook.cells):
        cell.id = f"exercise-{source.stem[:2]}-{place:02}"  # jupytext's own ids are random
    notebook.cells = [cell for cell in notebook.cells if leave_out not in cell.metadata.get("tags", [])]
    notebook.nbformat_minor = 5
    return nbformat.writes(notebook) + "\n"


def cut_all(folder: Path = HERE) -> list[Path]:
    """Write both notebooks of every source into `folder` and its subfolder `solutions`."""
    written = []
    for source in SOURCES:
        name = f"{source.stem}.ipynb"
        written.append(write_text(folder / name, cut(source, leave_out="solution")))
        written.append(write_text(folder / "solutions" / name, cut(source, leave_out="exercise")))
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=HERE)
    cut_all(parser.parse_args().folder)
