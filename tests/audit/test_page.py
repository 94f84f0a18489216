"""The audit as page, JSON, CSV and Markdown: the summary's fields, the arithmetic, and nothing that goes unescaped."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from autorefine_lib.audit import measure, page
from autorefine_lib.audit.measure import Criteria
from autorefine_lib.errors import InputError

EVIL = "<script>alert('x')</script>"
FORMULA = "=HYPERLINK(1)"
PIPE = "a | b $\\frac$ 女"
STATED = {"tool": EVIL, "tool_version": None, "distribution_date": "2026-01-31", "data_source": "Synthetic, random."}


class Page(HTMLParser):
    """Tags with their attributes, the cells of every table row, and the text of the page."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.rows: list[list[str]] = []
        self.text, self.in_cell = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.in_cell:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> tuple[measure.Audit, dict, Path]:
    rng = np.random.default_rng(0)
    groups = [EVIL] * 40 + [FORMULA] * 30 + [PIPE] * 28 + [None] * 2
    people = Dataset.from_dict(
        {"candidate_id": [f"c{i}" for i in range(100)], "occupation": ["nurse"] * 100, "origin": groups}
    )
    jobs = Dataset.from_dict({"job_id": ["1", "2", "3"], "occupation": ["nurse", "nurse", "<i>dj</i>"]})
    scores = rng.random((3, 100)) + 0.05 * (np.arange(100) < 40)
    result = measure.measure(scores, jobs, people, ["origin"], Criteria(k=10))
    folder = tmp_path_factory.mktemp("audit")
    (folder / "ads.csv").write_text("x")
    facts = page.facts(result, {"ads": folder / "ads.csv"}, STATED)
    assert page.write(result, facts, folder / "out", "autorefine audit --tool '<b>'") == folder / "out/audit.html"
    return result, facts, folder / "out"


def test_what_is_written(measured):
    _, _, folder = measured
    names = ["audit.csv", "audit.html", "audit.json", "audit.md", "impact_ratios.pdf", "impact_ratios.png"]
    assert sorted(path.name for path in folder.iterdir()) == names


def test_the_page_lets_nothing_through_and_needs_nothing_from_outside(measured):
    _, _, folder = measured
    source = (folder / "audit.html").read_text("utf-8")
    html = Page(source)
    tags = {tag for tag, _ in html.tags}
    assert not tags & {"script", "i", "link", "iframe", "object"} and EVIL in html.text and PIPE in html.text
    links = [value for _, attributes in html.tags for name, value in attributes.items() if name in ("src", "href")]
    local = {"#results", "impact_ratios.png", "impact_ratios.pdf", "audit.json", "audit.csv", "audit.md"}
    assert {link for link in links if not link.startswith("data:image/png;base64,")} == local
    assert "http" not in source.replace("=HYPERLINK", "") and "url(" not in source


def test_the_page_is_accessible(measured):
    _, _, folder = measured
    html = Page((folder / "audit.html").read_text("utf-8"))
    of = {tag: [attributes for name, attributes in html.tags if name == tag] for tag in ("html", "img", "th", "h1")}
    assert of["html"] == [{"lang": "en"}] and len(of["h1"]) == 1
    assert all(attributes.get("scope") in ("col", "row") for attributes in of["th"])
    (image,) = of["img"]
    assert "95 % intervals" in image["alt"] and FORMULA in image["alt"]
    levels = [int(tag[1]) for tag, _ in html.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False)), "no level is skipped"


def test_the_summary_has_the_fields_and_says_what_it_is_not(measured):
    result, facts, folder = measured
    assert {"Tool", "Tool version", "Audit date", "Distribution date", "Source and explanation", "Selection criterion",
            "Unknown", "Measured with", "Data"} <= set(facts)  # fmt: skip
    assert facts["Unknown"] == "origin: 2 of 100" and facts["Tool version"] == "not stated"
    assert "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" in facts["Data"], "SHA-256 of 'x'"
    texts = [Page((folder / "audit.html").read_text("utf-8")).text, (folder / "audit.md").read_text("utf-8"),
             (folder / "audit.json").read_text("utf-8")]  # fmt: skip
    for text in texts:
        for words in ("No independent audit", "No legal advice", "No pass mark", "2026-01-31", "Synthetic, random."):
            assert words in text
    assert "no qualified candidate" in texts[0] and "not stated" in texts[1]
    assert len(result.remarks) == 1


def test_every_ratio_can_be_checked_by_hand(measured):
    result, _, folder = measured
    rows = [row for row in Page((folder / "audit.html").read_text("utf-8")).rows if row[0] == FORMULA]
    assert len(rows) == 2, "one a pool"
    first = result.groups[result.groups["group"] == FORMULA].iloc[0]
    selected, available = (int(re.sub(r"\D", "", part)) for part in rows[0][2].split("of"))
    assert (selected, available) == (first["selected"], first["available"])
    rate = float(rows[0][3])
    assert rate == pytest.approx(selected / available, rel=1e-3)
    ratio, over, under = map(float, re.fullmatch(r"([\d.]+)= ([\d.]+) / ([\d.]+)", rows[0][4]).groups())
    assert over == rate and ratio == pytest.approx(over / under, abs=1e-3)
    low, high = map(float, rows[0][5].split(" to "))
    assert low <= ratio <= high


def test_json_and_csv_hold_the_tables(measured):
    result, facts, folder = measured
    data = json.loads((folder / "audit.json").read_text("utf-8"), parse_constant=lambda name: pytest.fail(name))
    assert data["facts"] == facts and data["findings"] == result.findings and data["k"] == 10
    assert [row["group"] for row in data["groups"]] == result.groups["group"].tolist()
    assert data["groups"][-1]["impact_ratio"] is None, "the unknown are in no ratio"
    table = pd.read_csv(folder / "audit.csv")
    np.testing.assert_allclose(table["impact_ratio"], result.groups["impact_ratio"])
    assert set(table["k"]) == {10}, "no ratio without its cut-off"
    cells = [row[3] for row in csv.reader(io.StringIO((folder / "audit.csv").read_text("utf-8")))]
    assert "'" + FORMULA in cells and FORMULA not in cells, "a spreadsheet would compute it"


def test_markdown_keeps_its_tables_whole(measured):
    _, _, folder = measured
    text = (folder / "audit.md").read_text("utf-8")
    assert "<script" not in text and "&lt;script&gt;" in text
    rows = [line for line in text.splitlines() if line.startswith("| a \\| b")]
    assert len(rows) == 2 and all(len(re.findall(r"(?<!\\)\|", line)) == 10 for line in rows)


def test_a_terminal_gets_no_control_characters():
    people = Dataset.from_dict({"candidate_id": ["a", "b"], "occupation": ["x", "x"], "g": ["\x1b[31mred", "blue"]})
    jobs = Dataset.from_dict({"job_id": ["1"], "occupation": ["x"]})
    result = measure.measure(np.array([[1.0, 2.0]]), jobs, people, ["g"], Criteria(k=1))
    text = page.text(result, {"Tool": "t"})
    assert "\x1b" not in text and "[31mred" in text and "No finding" in text


def test_without_a_ratio_there_is_no_figure(tmp_path: Path):
    people = Dataset.from_dict({"candidate_id": ["a", "b"], "g": ["x", "x"]})
    jobs = Dataset.from_dict({"job_id": ["1"]})
    result = measure.measure(np.array([[1.0, 2.0]]), jobs, people, ["g"], Criteria(k=1))
    written = page.write(result, page.facts(result, {}, STATED | {"tool": "t"}), tmp_path, "x")
    text = written.read_text("utf-8")
    assert "<img" not in text and "Not measured" in text and "the only category" in text
    assert not (tmp_path / "impact_ratios.png").exists()


def test_dates():
    assert page.check_date("2026-02-28") == "2026-02-28" and page.check_date(None) is None
    with pytest.raises(InputError, match="2026-02-30"):
        page.check_date("2026-02-30")
