"""Rewrites to look through: every page holds what its name says, by effect, escaped, and without widgets too."""

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from autorefine_lib.generator.generator import Edit, Rewrite
from autorefine_lib.report import browse


def tried(*rows: tuple[str, str, list[str], float]) -> pd.DataFrame:
    """Rows of `RankingReward.score`: source, completion, reasons and parity."""
    table = pd.DataFrame(rows, columns=["source", "completion", "reasons", "parity"])
    table["text"] = table["completion"].where(table["reasons"].str.len() == 0, table["source"]).str.strip()
    return table.assign(job_id="job-1", position=range(len(table)), changed=table["text"] != table["source"])


ROWS = tried(
    ("You lead the team.", "You guide the team.", [], 0.01),
    ("You lead the team.", "You lead the <b>crew</b>.", [], 0.02),
    ("Apply by mail.", "Apply by mail.", [], 0.0),
    ("You need a licence.", "You need no licence.", ["polarity", "content"], 0.0),
    ("Call us.", "Ring.", ["content"], 0.0),
)


def test_a_page_for_the_accepted_and_one_for_each_guard():
    pages = browse.render_rewrites(ROWS, True)
    assert list(pages) == ["accepted (2)", "refused: content (2)", "refused: polarity (1)"]
    accepted = pages["accepted (2)"]
    assert accepted.index("+0.0200") < accepted.index("+0.0100"), "the largest effect stands first"
    assert "<b>" not in accepted and "&lt;b&gt;" in accepted
    assert "5 sampled rewrites of synthetic ads, 1 of them leave" in accepted
    refused = pages["refused: content (2)"]
    assert "polarity, content" in refused
    assert "<ins>no</ins>" in refused and "0.0000" not in refused, "a refused rewrite has no effect"
    assert "synthetic" not in browse.render_rewrites(ROWS, False)["accepted (2)"]


def test_a_rewrite_that_was_sampled_twice_stands_once():
    twice = pd.concat([ROWS, ROWS])
    assert list(browse.render_rewrites(twice, True)) == list(browse.render_rewrites(ROWS, True))


def test_rewrites_that_change_nothing_leave_an_empty_page():
    pages = browse.render_rewrites(ROWS[ROWS["source"] == ROWS["completion"]], True)
    assert list(pages) == ["accepted (0)"] and "1 of them leave" in pages["accepted (0)"]


def test_a_long_page_keeps_both_ends():
    rows = tried(*((f"Word {n}.", f"Term {n}.", [], n / 1000) for n in range(100)))
    [page] = browse.render_rewrites(rows, False).values()
    assert page.count("<del>") == browse.MOST and "40 between these are not shown" in page
    assert ("+0.0990" in page) and ("+0.0000" in page) and ("+0.0500" not in page)


def test_a_stage_shows_what_changed_and_what_was_refused():
    edit = Edit(2, "Call us.", "Ring <us>.", {"content": ["'call' is lost"]})
    page = browse.render_stage("You lead. Call us.", Rewrite("You guide. Call us.", [Edit(0, "", "")], [edit]), True)
    assert "1 sentence of this synthetic ad changed; 1 rewrite refused:" in page
    assert "<del>lead</del>" in page and "<ins>guide</ins>" in page and "Ring &lt;us&gt;." in page and "content" in page


@pytest.mark.parametrize(("slider", "shown"), [(False, "first"), (True, "second")])
def test_without_widgets_one_page_stays(slider, shown):
    code = f"from autorefine_lib.report import browse\nbrowse.show(dict(a='first', b='second'), 'Show', {slider})"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, kernel_name="python3").execute()
    [output] = notebook.cells[0].outputs
    assert output.data["text/html"] == shown and "application/vnd.jupyter.widget-view+json" in output.data
