"""`autorefine verify`: the committed reports agree with their per-ad files, and a changed number is named."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from autorefine_lib import cli, provenance
from autorefine_lib.errors import InputError
from autorefine_lib.report import pages, verify
from autorefine_lib.reproduce import NOTEBOOKS, read_steps

REPORTS = provenance.ROOT / "reports"
RUNS = ("embedded", "real", "real-search", "sealed", "settings", "two-settings")
DEFAULTS = next(step.defaults for step in read_steps(NOTEBOOKS) if step.name == "09_result_tables")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A report to be spoilt."""
    for name in ("tables", "per_ad"):
        shutil.copytree(REPORTS / "embedded" / name, tmp_path / name)
    shutil.copy(REPORTS / "embedded/run.json", tmp_path)
    return tmp_path


def change(path: Path, row: int, column: str, by: float) -> str:
    """Add `by` to one number of a CSV file; returns what stood there."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    stood = table.at[row, column]
    table.loc[row, column] = str(float(stood) + by)
    table.to_csv(path, index=False)
    return stood


@pytest.mark.parametrize("name", RUNS)
def test_committed_reports_agree_with_their_per_ad_files(name: str):
    tables, differences, not_made = verify.verify(REPORTS / name, DEFAULTS)
    assert differences.empty, verify.format_text(tables, differences, not_made)
    cells = tables.set_index("table")["cells"]
    assert list(cells.index) == [
        "results.csv", "baseline.csv", "seeds.csv", "goals.csv", "certainty.csv", "occupations.csv", "by_k.csv",
        "per_ad/selected.parquet",
    ]  # fmt: skip
    rows = pd.read_csv(REPORTS / name / "tables/results.csv")
    compared = len(rows) * len({*pages.COLUMNS} - {"method", "metric", "data", *pages.PROVENANCE})
    assert cells["results.csv"] == compared and (cells > 0).all()
    assert "texts.csv" in not_made and not {*cells.index} & {*not_made}


@pytest.mark.parametrize("name", RUNS)
def test_what_is_read_is_that_of_the_committed_rows(name: str, tmp_path: Path):
    """Markdown and LaTeX are made of results.csv and say the same."""
    for path in pages.write_tables(pages.read_results(REPORTS / name), tmp_path)[1:]:
        assert path.read_text() == (REPORTS / name / "tables" / path.name).read_text(), path.name


def test_a_changed_number_is_named(copy: Path):
    stood = change(copy / "tables/results.csv", 0, "value", 0.01)
    by_k = change(copy / "tables/by_k.csv", 2, "10", -0.01)
    result = CliRunner().invoke(cli.app, ["verify", str(copy), "--json"])
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)["differences"]
    assert (first["table"], first["row"], first["column"]) == ("results.csv", "original ads / impact_ratio", "value")
    assert float(first["recomputed"]) == pytest.approx(float(stood), abs=1e-6)
    assert first["difference"] == pytest.approx(0.01, abs=1e-6)
    assert (second["table"], second["row"], second["column"]) == ("by_k.csv", "random paraphrase", "10")
    assert second["difference"] == pytest.approx(0.01, abs=verify.TOLERANCE) and by_k.startswith("1.3")


def test_an_ad_that_is_missing_changes_every_count(copy: Path):
    for name in ("groups", "quality", "selected"):
        table = pd.read_parquet(copy / f"per_ad/{name}.parquet")
        table[table["job_id"] != "job-00393"].to_parquet(copy / f"per_ad/{name}.parquet", index=False)
    tables, differences, _ = verify.verify(copy, DEFAULTS)
    n = differences[(differences["table"] == "results.csv") & (differences["column"] == "n")]
    rows = pd.read_csv(copy / "tables/results.csv")["n"].notna().sum()
    assert len(n) == rows and n["difference"].eq(1).all()
    assert tables.set_index("table").loc["per_ad/selected.parquet", "differ"] == 0, "the ad is gone from all files"
    text = verify.format_text(tables, differences, [])
    assert "results.csv: " in text and len(text.splitlines()) == 1 + len(tables) + 20 + 1


def test_an_ad_that_one_file_lacks_is_named(copy: Path):
    whole = pd.read_parquet(copy / "per_ad/selected.parquet")
    whole[whole["job_id"] != "job-00393"].to_parquet(copy / "per_ad/selected.parquet", index=False)
    differences = verify.verify(copy, DEFAULTS)[1]
    rows = differences.loc[differences["table"] == "per_ad/selected.parquet", "row"]
    assert len(rows) and rows.str.contains("job-00393").all()
    quality = pd.read_parquet(copy / "per_ad/quality.parquet")
    gone = (quality["job_id"] == "job-00393") & (quality["method"] == "PPO")
    quality[~gone].to_parquet(copy / "per_ad/quality.parquet", index=False)
    with pytest.raises(InputError, match="'PPO' was measured on other ads than 'original ads'"):
        verify.verify(copy, DEFAULTS)


@pytest.mark.parametrize("name", ["run.json", "tables/seeds.csv", "per_ad/quality.parquet"])
def test_a_damaged_file_is_named(copy: Path, name: str):
    (copy / name).write_bytes(b'"')
    with pytest.raises(InputError, match=f"^{copy} is no run with whole per_ad/ "):
        verify.verify(copy, DEFAULTS)


def test_mistakes_are_one_line(copy: Path, tmp_path_factory):
    nothing = tmp_path_factory.mktemp("nothing")
    (copy / "per_ad/groups.parquet").unlink()
    for folder in (nothing, nothing / "absent", copy, Path(__file__)):
        result = CliRunner().invoke(cli.app, ["verify", str(folder)])
        assert result.exit_code == 2 and result.stderr.startswith(f"error: {folder} is no run with whole per_ad/")
        assert len(result.stderr.splitlines()) == 1


def test_cells_by_hand():
    stored = pd.DataFrame({"method": ["a", "b"], "cell": ["0.630 [0.560, 0.706]", "x"], "extra": [1, 2]})
    made = pd.DataFrame({"method": ["a", "c"], "cell": ["0.630 [0.560, 0.726]", "x"]}).set_index("method")
    cells, left_out = verify.compare(stored, made)
    found = cells.set_index("row")
    assert left_out == ["extra"] and list(found.index) == ["a", "b", "c"]
    assert found.loc["a", "difference"] == pytest.approx(0.02)
    assert found.loc["b", ["stored", "recomputed"]].tolist() == ["x", "no row"] and pd.isna(
        found.loc["b", "difference"]
    )
    same = verify.compare(
        pd.DataFrame({"m": ["a"], "k": ["1,000.0"]}), pd.DataFrame({"m": ["a"], "k": [1000]}).set_index("m")
    )
    assert same[0]["difference"].tolist() == [0]
