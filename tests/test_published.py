"""The published numbers beside the notebooks are those of the committed run, and none is stale."""

import nbformat
import pandas as pd
import published
import pytest

from autorefine_lib.reproduce import NOTEBOOKS, PUBLISHED

ROWS = pd.read_csv(published.RUNS, keep_default_na=False)


@pytest.mark.parametrize("row", ROWS.itertuples(), ids=lambda row: f"{row.notebook[:2]} {row.number}")
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
