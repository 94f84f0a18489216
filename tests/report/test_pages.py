"""Tables, headline and index page from rows whose numbers are known."""

import json
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd

from autorefine_lib.report import pages


def rows() -> pd.DataFrame:
    shared = dict(
        data="embedded corpus (synthetic)",
        split="test",
        pool="whole",
        k=20,
        n=300,
        seeds="0, 1, 2",
        command="autorefine x",
    )
    shared |= dict(commit="abc", versions="python 3.11", device="CPU, 2 cores", seconds=1.5, reward_calls=2560.0)
    numbers = [
        ("original ads", "female", "impact_ratio", 0.6111, 0.5811, 0.6411),
        ("PPO", "female", "impact_ratio", 0.6888, 0.6588, 0.7188),
        ("PPO", "male", "impact_ratio", 1.0, np.nan, np.nan),
        ("original ads", "all", "mrr", 0.81, 0.79, 0.83),
        ("PPO", "all", "mrr", 0.8, 0.78, 0.82),
    ]
    frame = pd.DataFrame(numbers, columns=["method", "group", "metric", "value", "low", "high"]).assign(**shared)
    frame["training_precision"] = frame["method"].map({"PPO": "bfloat16"})
    return pd.concat([frame[pages.COLUMNS], pages.make_paper_rows()], ignore_index=True)


def test_tables_hold_value_interval_n_and_marks(tmp_path: Path):
    written = pages.write_tables(rows(), tmp_path)
    assert [path.name for path in written] == ["results.csv", "results.md", "results.tex"]
    markdown, latex = written[1].read_text(), written[2].read_text()
    assert markdown.startswith("**Synthetic data.**")
    line = next(line for line in markdown.splitlines() if "PPO" in line and "impact ratio" in line)
    assert "0.689 [0.659, 0.719]" in line and "| 300 |" in line and "0, 1, 2" in line and "(synthetic)" in line
    assert line.rstrip().endswith("| bfloat16             |") and "| training precision   |" in markdown
    assert "paper: AutoRefine" in markdown and "0.668" in markdown
    assert r"95 \% interval" in latex and latex.startswith("% command: autorefine x\n% commit: abc\n")
    body = latex[latex.index(r"\toprule") : latex.index(r"\bottomrule")].splitlines()
    assert len(body) == 3 + 4 and body[3].startswith(
        "original ads & embedded corpus (synthetic) & 0.611 [0.581, 0.641] & "
    )
    assert all(line.endswith(r" \\") for line in (body[1], *body[3:])), "one line a method, and no other"
    pd.testing.assert_frame_equal(pd.read_csv(written[0]), rows(), check_dtype=False)


def test_latex_is_escaped(tmp_path: Path):
    latex = pages.format_latex(rows().assign(data="R&D_50%"))
    assert r"R\&D\_50\%" in latex and "R&D_" not in latex


def test_headline_has_one_line_a_method_and_the_paper_beside_ours():
    lines = pages.format_headline(rows()).splitlines()
    assert "female impact ratio at 20" in lines[0] and "MRR" in lines[0]
    methods = [line.split("|")[1].strip() for line in lines[2:]]
    assert methods == ["original ads", "PPO", "paper: original ads", "paper: AutoRefine"]
    assert "0.689 [0.659, 0.719]" in lines[3] and "0.800 [0.780, 0.820]" in lines[3] and "300" in lines[3]
    assert [cell.strip() for cell in lines[0].split("|")[-3:-1]] == ["reward calls", "seconds"]
    assert [cell.strip() for cell in lines[3].split("|")[-3:-1]] == ["2,560", "2"], "of one seed"
    assert [cell.strip() for cell in lines[5].split("|")[-3:-1]] == ["", ""], "the paper does not say"


def test_results_of_an_earlier_version_have_no_reward_calls(tmp_path: Path):
    pages.write_tables(rows(), tmp_path / "tables")
    path = tmp_path / "tables/results.csv"
    pd.read_csv(path).drop(columns=["reward_calls", "training_precision"]).to_csv(path, index=False)
    assert pages.read_results(tmp_path)[["reward_calls", "training_precision"]].isna().all(axis=None)
    assert "2,560" not in pages.format_headline(pages.read_results(tmp_path))


def test_index_ties_everything_together_and_escapes(tmp_path: Path):
    pages.write_tables(rows(), tmp_path / "tables")
    pd.DataFrame({"name": ["<script>alert(1)</script>"]}).to_csv(tmp_path / "tables/groups.csv", index=False)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/methods.png").touch()
    (tmp_path / "notebooks").mkdir()
    cells = [nbformat.v4.new_markdown_cell("# Aim"), nbformat.v4.new_code_cell('save(figures / "methods")\nx = 1 < 2')]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks/01_first.ipynb")
    note = {"status": "done", "seconds": 61.0, "parameters": {"k": 20}}
    facts = {"profile": "embedded", "command": "autorefine reproduce", "commit": "abc", "device": "CPU, 2 cores"}
    record = {**facts, "versions": {"python": "3.11.7"}, "notebooks": {"01_first": note}}
    (tmp_path / "run.json").write_text(json.dumps(record))
    page = pages.write_index(tmp_path).read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page
    for words in (
        "Synthetic data.",
        "no legal advice",
        "figures/methods.png",
        "<th>female impact ratio at 20</th>",
        f"Every number of every method ({len(rows())} rows)",
        "0.689 [0.659, 0.719]",
        "1:01",
        "k = 20",
    ):
        assert words in page
    # The cell names the figure; none names the table.
    assert page.count('made by <a href="notebooks/01_first.html">01_first</a>') == 1
    assert 'class="paper"' in page and 'href="notebooks/01_first.html"' in page
    assert "<h1" in (tmp_path / "notebooks/01_first.html").read_text()


def test_index_lists_the_alarms_or_says_that_there_are_none(tmp_path: Path):
    (tmp_path / "notebooks").mkdir()
    facts = {"profile": "smoke", "command": "c", "commit": "abc", "device": "CPU", "versions": {}, "notebooks": {}}
    (tmp_path / "run.json").write_text(json.dumps(facts))
    assert "<h2>Alarms" not in pages.write_index(tmp_path).read_text()  # nothing was trained
    (tmp_path / "tables").mkdir()
    alarms = pd.DataFrame(columns=["seed", "step", "monitor", "message"])
    alarms.to_csv(tmp_path / "tables/alarms.csv", index=False)
    assert "None: no monitor" in pages.write_index(tmp_path).read_text()
    alarms.loc[0] = [2, 17, "group", "exposure of '<b>x</b>' is 0.810 times"]
    alarms.to_csv(tmp_path / "tables/alarms.csv", index=False)
    page = pages.write_index(tmp_path).read_text()
    assert "<td>17</td><td>group</td><td>exposure of &#39;&lt;b&gt;x&lt;/b&gt;&#39; is 0.810 times</td>" in page
    assert "Table: alarms" not in page and "None: no monitor" not in page


def test_index_of_an_unfinished_run(tmp_path: Path):
    (tmp_path / "notebooks").mkdir()
    facts = {"profile": "smoke", "command": "c", "commit": "abc", "device": "CPU", "versions": {}, "notebooks": {}}
    (tmp_path / "run.json").write_text(json.dumps(facts))
    assert "has not reached its result tables" in pages.write_index(tmp_path).read_text()
