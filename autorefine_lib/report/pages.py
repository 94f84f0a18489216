"""Result tables (CSV, Markdown, LaTeX), the README's headline table and the index page of a run.

One row is one number: what was measured (method, data, split, pool, group, metric, k), what came out (value, 95 %
interval, n, seeds), what one seed of it cost (reward calls, seconds), what the training computed in (float32, bfloat16,
or empty for a method that trains nothing) and how to get it again (command, commit, versions, device).
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import jinja2
import pandas as pd
from markupsafe import Markup

from autorefine_lib.evaluation import paper
from autorefine_lib.evaluation.attribution import Attribution
from autorefine_lib.files import clock, write_csv, write_text
from autorefine_lib.metrics.bootstrap import Interval

MEASURED = ["method", "data", "split", "pool", "group", "metric", "k"]
NUMBERS = ["value", "low", "high", "n", "seeds"]
COSTS = ["reward_calls", "seconds"]
PROVENANCE = ["command", "commit", "versions", "device"]
COLUMNS = [*MEASURED, *NUMBERS, *COSTS, "training_precision", *PROVENANCE]
PAPER = "paper: "
HEADLINE = ("impact_ratio", "mrr", "ndcg")
"""Metrics of the headline table."""
CAPTION = (
    "Values with 95 % intervals from a paired bootstrap over jobs; rows that start with 'paper:' are the paper's own."
)


def make_paper_rows() -> pd.DataFrame:
    """The paper's own headline as result rows."""
    rows = [(f"{PAPER}{name}", value) for name, value in paper.FEMALE_IMPACT_RATIO.items()]
    frame = pd.DataFrame(rows, columns=["method", "value"])
    frame = frame.assign(data=paper.DATA, split="test", group="female", metric="impact_ratio")
    return frame.reindex(columns=COLUMNS)


def is_paper(rows: pd.DataFrame) -> pd.Series:
    """True for the paper's own numbers, whose method starts with `paper:`."""
    return rows["method"].str.startswith(PAPER)


def is_synthetic(rows: pd.DataFrame) -> bool:
    """Whether any of our numbers comes from synthetic data, by the name in the column data."""
    return bool(rows.loc[~is_paper(rows), "data"].str.contains("synthetic").any())


def format_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The table people read, all cells text: one line a number, value and interval in one column."""
    part = rows.copy()
    # Integers beside missing values are floats in pandas.
    for column in ("k", "n", *COSTS):
        part[column] = [f"{item:,.0f}" if pd.notna(item) else "" for item in part[column]]
    part["value"] = [str(Interval(*numbers)) for numbers in part[["value", "low", "high"]].to_numpy(float)]
    part["metric"] = part["metric"].str.replace("_", " ")
    part = part[[*MEASURED, "value", "n", "seeds", *COSTS, "training_precision"]].astype(object)
    names = {name: name.replace("_", " ") for name in part} | {"value": "value [95 % interval]"}
    return part.fillna("").astype(str).rename(columns=names)


def write_tables(rows: pd.DataFrame, folder: Path) -> list[Path]:
    """Write results.csv (everything), results.md (what is read) and results.tex (the headline) into `folder`."""
    rows, folder = rows[COLUMNS], Path(folder)
    facts = [f"{name}: {', '.join(map(str, rows[name].dropna().unique()))}" for name in PROVENANCE]
    synthetic = ["**Synthetic data.**"] if is_synthetic(rows) else []
    text = "\n\n".join([*synthetic, CAPTION, format_rows(rows).to_markdown(index=False, disable_numparse=True), *facts])
    return [
        write_csv(folder / "results.csv", rows),
        write_text(folder / "results.md", text + "\n"),
        write_text(folder / "results.tex", "".join(f"% {fact}\n" for fact in facts) + format_latex(rows)),
    ]


def format_latex(rows: pd.DataFrame) -> str:
    """`make_headline` as a table for a paper, which needs the package booktabs; every cell is escaped."""
    table = make_headline(rows).drop(columns=["seconds"])
    align, caption = "ll" + "r" * (table.shape[1] - 2), CAPTION.replace("%", r"\%")
    return table.to_latex(index=False, escape=True, column_format=align, caption=caption, label="tab:results")


def read_results(run_dir: Path) -> pd.DataFrame:
    """The result rows of a run."""
    rows = pd.read_csv(Path(run_dir) / "tables/results.csv", dtype={"seeds": "str"})
    return rows.reindex(columns=COLUMNS)  # runs of earlier versions lack reward calls and training precision


def make_headline(rows: pd.DataFrame, group: str = "") -> pd.DataFrame:
    """One row a method: impact ratio of `group` (or the first) beside MRR and NDCG, with intervals, all cells text."""
    group = group or next(iter(rows.loc[rows["metric"] == "impact_ratio", "group"]), "")
    part = rows[(rows["metric"] != "impact_ratio") | (rows["group"] == group)]
    part = part[part["metric"].isin(HEADLINE)].drop_duplicates(["method", "metric"])
    text = format_rows(part)
    first = text.drop_duplicates("method").set_index("method")
    at = next((f" at {k}" for k in first["k"] if k), "")
    names = {"impact ratio": f"{group} impact ratio{at}", "mrr": "MRR", "ndcg": f"NDCG{at}"}
    wide = text.pivot(index="method", columns="metric", values="value [95 % interval]").rename(columns=names)
    facts = first[["n", "seeds", "reward calls", "seconds"]].rename(columns={"n": "test ads"})
    return pd.concat([first["data"], wide.loc[first.index], facts], axis=1).fillna("").reset_index()


def format_headline(rows: pd.DataFrame, group: str = "female") -> str:
    """`make_headline` as the README's table."""
    return make_headline(rows, group).to_markdown(index=False, disable_numparse=True)


def load_template(name: str) -> jinja2.Template:
    """A page of the resources; what is put into it is escaped for HTML."""
    loader = jinja2.PackageLoader("autorefine_lib", "resources")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["clock"] = clock
    environment.filters["words"] = lambda text: text.replace("_", " ")
    return environment.get_template(name)


def render_edits(found: Sequence[Attribution], labels: Sequence[str], measured: str) -> str:
    """Rewritten ads as a coloured diff, for a notebook or a page: each edit with its contribution beside it.

    Every text is escaped. A contribution that rounds to 0.000 is grey.

    Args:
        labels: what stands above each ad, for instance its title.
        measured: what the value is called, for instance "female to male exposure".
    """
    ads = list(zip(labels, found, strict=True))
    return load_template("attribution.html.j2").render(ads=ads, measured=measured)


def render_notebooks(folder: Path) -> list[str]:
    """Write each executed notebook of `folder` as a plain HTML page beside it; returns the stems in order."""
    import nbformat
    from nbconvert import HTMLExporter

    exporter, stems = HTMLExporter(template_name="basic"), []
    for path in sorted(folder.glob("*.ipynb")):
        body, made = exporter.from_notebook_node(nbformat.read(path, as_version=4))
        page = load_template("notebook.html.j2").render(
            title=path.stem, body=body, highlight="\n".join(made["inlining"]["css"])
        )
        write_text(path.with_suffix(".html"), page)
        stems.append(path.stem)
    return stems


def find_makers(folder: Path) -> dict[str, str]:
    """Which notebook of `folder` writes a table ("seeds.csv") or figure ("floors"): the first whose code names it."""
    last_first = sorted(folder.glob("*.ipynb"), reverse=True)
    named = r'(?:tables|figures) / \\"([\w.]+)\\"'
    return {name: path.stem for path in last_first for name in re.findall(named, path.read_text("utf-8"))}


def write_index(run_dir: Path) -> Path:
    """Write `index.html` of a run: results, figures, edits, alarms, other tables, facts and the executed notebooks."""
    run_dir = Path(run_dir)
    run = json.loads((run_dir / "run.json").read_text("utf-8"))
    rows = read_results(run_dir) if (run_dir / "tables/results.csv").is_file() else pd.DataFrame(columns=COLUMNS)
    tables = {path.stem: path for path in sorted((run_dir / "tables").glob("*.csv")) if path.stem != "results"}
    texts = {name: pd.read_csv(path, dtype=str, keep_default_na=False) for name, path in tables.items()}
    diffs = run_dir / "tables/attribution.html"
    page = load_template("report.html.j2").render(
        run=run,
        seconds=sum(item.get("seconds") or 0 for item in run["notebooks"].values()),
        seeds=", ".join(rows["seeds"].dropna().unique()),
        synthetic=is_synthetic(rows) if len(rows) else run["profile"] in ("smoke", "embedded"),
        headline=make_headline(rows),
        results=format_rows(rows),
        caption=CAPTION,
        alarms=texts.pop("alarms", None),
        # HTML that `render_edits` escaped when it was made.
        diffs=Markup(diffs.read_text("utf-8")) if diffs.is_file() else None,
        tables=texts,
        figures=sorted(path.stem for path in (run_dir / "figures").glob("*.png")),
        notebooks=render_notebooks(run_dir / "notebooks"),
        makers=find_makers(run_dir / "notebooks"),
    )
    return write_text(run_dir / "index.html", page)
