"""What is published: the README's table, and beside each notebook's key numbers what healthy runs found.

`readme` fills the README's table from the runs on real ads; beside the recommender of the reward stands one that no
reward saw.

`reports/healthy_runs.csv` names the numbers: a notebook, a table, `where` (column=value; ...) and the column that is
averaged over the rows found. `add NAME RUN` reads them off a run into a column of that name. `write` puts them, and a
figure of the published run, into a cell of each notebook, which a run leaves out of its executed copy.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import nbformat
import pandas as pd

from autorefine_lib import provenance
from autorefine_lib.evaluation.method import find_place
from autorefine_lib.files import write_csv, write_text
from autorefine_lib.metrics.bootstrap import Interval
from autorefine_lib.report import pages
from autorefine_lib.reproduce import NOTEBOOKS, PUBLISHED

RUNS = provenance.ROOT / "reports/healthy_runs.csv"
README = provenance.ROOT / "README.md"
REAL = [provenance.ROOT / "reports" / name for name in ("real", "real-search")]  # the same test ads
REWARDED, UNSEEN = "minilm", "paraphrase-minilm"
EMBEDDED = provenance.ROOT / "reports/embedded"
DEFINED = ["notebook", "number", "table", "where", "column"]
FIGURES = {
    "01_data_prep": "data_candidates",
    "02_baseline": "baseline_impact_ratio",
    "03_align": "align_guards",
    "04_ppo_finetuning": "ppo_learning_curves",
    "05_ilql": "ilql_rewards",
    "06_other_optimisers": "other_optimisers",
    "07_red_team": "red_team",
    "08_transfer": "transfer_changes",
    "09_result_tables": "results_methods",
    "10_transfer_and_reranking": "rivals",
    "11_robustness": "floors",
    "12_groups": "groups",
    "13_users": "ab_errors",
}


def find_number(run: Path, table: str, where: str, column: str) -> float:
    """The mean of `column` in a table of the run, over the rows that `where` chooses."""
    rows = pd.read_csv(run / f"tables/{table}.csv")
    for condition in filter(None, where.split("; ")):
        name, value = condition.split("=", 1)
        rows = rows[rows[name] == value]
    if rows.empty:
        raise LookupError(f"{run}/tables/{table}.csv has no row with {where}")
    return float(rows[column].mean())


def add(name: str, run: Path, runs: Path = RUNS) -> Path:
    """Write the numbers of `run` into the column `name`."""
    table = pd.read_csv(runs, keep_default_na=False)
    table[name] = [f"{find_number(run, row.table, row.where, row.column):.6f}" for row in table.itertuples()]
    return write_csv(runs, table)


def describe(notebook: str) -> str:
    """The cell of a notebook: its key numbers in the published run and in all healthy runs, and one figure."""
    table = pd.read_csv(RUNS)
    runs = table.columns.drop(DEFINED)
    lines = [
        "## Is my run right?",
        "",
        f"The published `embedded` run (`make reproduce`), and the range of healthy runs ({', '.join(runs)}).",
        "A number outside its range is no error yet where a model was sampled or trained; far outside, look for one.",
        "",
        "| number | published | healthy runs |",
        "| --- | --- | --- |",
    ]
    for _, row in table[table["notebook"] == notebook].iterrows():
        found = row[runs].dropna().astype(float)
        low, high = f"{found.min():.3f}", f"{found.max():.3f}"
        spread = "one run" if len(found) == 1 else "the same" if low == high else f"{low} to {high}"
        lines.append(f"| {row['number']} | {found.iloc[-1]:.3f} | {spread} |")
    name = FIGURES[notebook]
    return "\n".join([*lines, "", f"![{name} in the published run](../reports/embedded/figures/{name}.png)"])


def write(notebooks: Path = NOTEBOOKS) -> list[Path]:
    """Put the cell before the last text of each notebook that has key numbers, in the place of an older one."""
    written = []
    for stem in FIGURES:
        path = notebooks / f"{stem}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        cells = [cell for cell in notebook.cells if PUBLISHED not in cell.metadata.get("tags", [])]
        cell = nbformat.v4.new_markdown_cell(describe(stem), id=f"published-{stem[:2]}", metadata={"tags": [PUBLISHED]})
        notebook.cells = [*cells[:-1], cell, cells[-1]]
        written.append(write_text(path, nbformat.writes(notebook) + "\n"))
    return written


def fill_readme(readme: Path = README, runs: Sequence[Path] = REAL) -> Path:
    """Put the methods of all runs between the lines headline:start and headline:end, each as the first run has it."""
    rows = pd.concat([pages.read_results(run) for run in runs], ignore_index=True)
    own, papers = rows[~pages.is_paper(rows)], rows[pages.is_paper(rows)]
    own = own.sort_values("method", key=lambda names: names.map(find_place), kind="stable")
    table = pages.make_headline(pd.concat([own, papers]), "female").drop(columns=["data", "seeds"])
    judged = [pd.read_csv(path) for run in runs if (path := run / "tables/transfer.csv").is_file()]
    if judged:
        seen = pd.concat(judged).query("candidates == 'seen'").set_index("method")
        ours, unseen = seen[seen["recommender"] == REWARDED], seen[seen["recommender"] == UNSEEN]
        numbers = unseen[["impact_ratio", "impact_ratio_low", "impact_ratio_high"]].to_numpy(float)
        ratios = dict(zip(unseen.index, [str(Interval(*of)) for of in numbers], strict=True))
        # A method that two runs sampled is another one in each: what stands side by side is of the same texts.
        own = {name: f"{ratio:.3f} " for name, ratio in ours["impact_ratio"].items()}
        shown = zip(table["method"], table.iloc[:, 1], strict=True)
        column = [ratios.get(name, "") if text.startswith(own.get(name, "no run")) else "" for name, text in shown]
        table.insert(2, f"the same under {UNSEEN}, which no reward saw", column)
    marks = re.compile(r"(<!-- headline:start -->\n).*?(<!-- headline:end -->)", re.DOTALL)
    text = table.to_markdown(index=False, disable_numparse=True)
    return write_text(readme, marks.sub(lambda found: f"{found[1]}{text}\n{found[2]}", readme.read_text("utf-8")))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    adding = commands.add_parser("add")
    adding.add_argument("name")
    adding.add_argument("run", type=Path)
    commands.add_parser("write")
    commands.add_parser("readme")
    arguments = parser.parse_args()
    if arguments.command == "add":
        add(arguments.name, arguments.run)
    elif arguments.command == "write":
        write()
    else:
        fill_readme()
