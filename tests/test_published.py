"""The published numbers beside the notebooks are those of the committed run, and none is stale."""

from pathlib import Path

import nbformat
import pandas as pd
import published
import pytest

from autorefine_lib.report import pages
from autorefine_lib.reproduce import NOTEBOOKS, PUBLISHED

ROWS = pd.read_csv(published.RUNS, keep_default_na=False)


@pytest.mark.skipif((published.EMBEDDED / "artefacts").is_dir(), reason="reports/embedded is a run of this machine")
@pytest.mark.parametrize("row", list(ROWS.itertuples()), ids=lambda row: f"{row.notebook[:2]} {row.number}")
def test_the_last_run_is_the_committed_one(row):
    found = published.find_number(published.EMBEDDED, row.table, row.where, row.column)
    assert found == pytest.approx(float(ROWS.iloc[row.Index, -1]), abs=1e-6)


@pytest.mark.parametrize("stem", published.FIGURES)
def test_a_notebook_has_its_cell(stem: str):
    cells = nbformat.read(NOTEBOOKS / f"{stem}.ipynb", as_version=4).cells
    shown = [cell.source for cell in cells if PUBLISHED in cell.metadata.get("tags", [])]
    assert shown == [published.describe(stem)], "stale: python tests/published.py write"
    assert (published.EMBEDDED / f"figures/{published.FIGURES[stem]}.png").is_file()


def test_every_number_has_a_notebook_with_a_figure():
    assert set(ROWS["notebook"]) == set(published.FIGURES)


def test_a_number_is_the_mean_of_the_rows_asked_for(tmp_path):
    (tmp_path / "tables").mkdir()
    table = pd.DataFrame({"method": ["a", "a", "b"], "pool": ["x", "y", "x"], "value": [1.0, 2.0, 5.0]})
    table.to_csv(tmp_path / "tables/results.csv", index=False)
    assert published.find_number(tmp_path, "results", "method=a", "value") == 1.5
    assert published.find_number(tmp_path, "results", "method=a; pool=y", "value") == 2.0
    with pytest.raises(LookupError, match="no row with method=c"):
        published.find_number(tmp_path, "results", "method=c", "value")
    runs = tmp_path / "runs.csv"
    defined = dict(zip(published.DEFINED, [["01_x"], ["n"], ["results"], ["method=b"], ["value"]], strict=True))
    pd.DataFrame(defined).to_csv(runs, index=False)
    assert pd.read_csv(published.add("new", tmp_path, runs))["new"].tolist() == [5.0]


def write_run(folder: Path, values: dict[str, float], judged: float | None = None) -> Path:
    """A run with impact ratios by method, and under the unseen judge one for the original ads."""
    rows = pd.DataFrame({"method": values.keys(), "value": values.values(), "metric": "impact_ratio", "k": 20})
    rows = rows.assign(data="real", group="female", low=0.1, high=0.9, n=100, seeds="0")
    pages.write_tables(pd.concat([rows.reindex(columns=pages.COLUMNS), pages.make_paper_rows()]), folder / "tables")
    if judged is not None:
        row = {"recommender": published.UNSEEN, "candidates": "seen", "method": "original ads"}
        row |= {"impact_ratio": judged, "impact_ratio_low": 0.2, "impact_ratio_high": 0.4}
        own = [
            {**row, "recommender": published.REWARDED, "method": name, "impact_ratio": values[name]} for name in values
        ]
        pd.DataFrame([row, row | {"method": "aligned, no RL"}, *own]).to_csv(
            folder / "tables/transfer.csv", index=False
        )
    return folder


def test_the_readme_shows_the_methods_of_all_runs_each_once_and_in_order(tmp_path):
    (readme := tmp_path / "README.md").write_text("a\n<!-- headline:start -->\nold\n<!-- headline:end -->\nb\n")
    runs = [write_run(tmp_path / "first", {"original ads": 0.6, "aligned, no RL": 0.4, "PPO": 0.7})]
    runs += [write_run(tmp_path / "second", {"original ads": 0.6, "aligned, no RL": 0.5, "greedy search": 0.8}, 0.3)]
    text = published.fill_readme(readme, runs).read_text()
    lines = [[cell.strip() for cell in line.split("|")[1:4]] for line in text.splitlines() if line.startswith("|")][2:]
    assert [line[0] for line in lines] == [
        "original ads", "aligned, no RL", "greedy search", "PPO", "paper: original ads", "paper: AutoRefine",
    ]  # fmt: skip
    assert [line[1][:5] for line in lines] == ["0.600", "0.400", "0.800", "0.700", "0.618", "0.668"], "of the first run"
    # The aligned model wrote other texts in the second run, and nobody judged the search.
    assert [line[2] for line in lines] == ["0.300 [0.200, 0.400]", "", "", "", "", ""]
    assert text.startswith("a\n<!--") and text.endswith("-->\nb\n") and "old" not in text


def test_the_committed_readme_is_filled(tmp_path):
    (copy := tmp_path / "README.md").write_text(published.README.read_text("utf-8"), "utf-8")
    assert published.fill_readme(copy).read_text("utf-8") == published.README.read_text("utf-8")
