"""The audit as page, JSON and text: the fields of a summary, the arithmetic, and nothing that goes unescaped."""

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

EVIL = "<script>alert('x')</script>"
FORMULA = "=HYPERLINK(1)"
PIPE = "a | b $\\frac$ 女"


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
    facts = page.collect_facts(result, {"ads": folder / "ads.csv"}, tool=EVIL)
    assert page.write_page(result, facts, folder / "out", "autorefine audit '<b>'") == folder / "out/audit.html"
    return result, facts, folder / "out"


def test_what_is_written(measured):
    _, _, folder = measured
    assert sorted(path.name for path in folder.iterdir()) == ["audit.html", "audit.json"]


def test_the_page_lets_nothing_through_and_needs_nothing_from_outside(measured):
    _, _, folder = measured
    source = (folder / "audit.html").read_text("utf-8")
    html = Page(source)
    tags = {tag for tag, _ in html.tags}
    assert not tags & {"script", "i", "link", "iframe", "object"} and EVIL in html.text and PIPE in html.text
    links = [value for _, attributes in html.tags for name, value in attributes.items() if name in ("src", "href")]
    assert {link for link in links if not link.startswith("data:image/png;base64,")} == {"#results", "audit.json"}
    assert "http" not in source.replace("=HYPERLINK", "") and "url(" not in source


def test_the_page_is_accessible(measured):
    _, _, folder = measured
    html = Page((folder / "audit.html").read_text("utf-8"))
    of = {tag: [attributes for name, attributes in html.tags if name == tag] for tag in ("html", "img", "th", "h1")}
    assert of["html"] == [{"lang": "en"}] and len(of["h1"]) == 1
    assert all(attributes.get("scope") in ("col", "row") for attributes in of["th"])
    (image,) = of["img"]
    assert "95 % intervals" in image["alt"] and "the tables below have the same numbers" in image["alt"]
    levels = [int(tag[1]) for tag, _ in html.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False)), "no level is skipped"


def test_the_summary_has_the_fields_and_says_what_it_is_not(measured):
    result, facts, folder = measured
    assert {"Tool", "Audit date", "Data", "Selection criterion", "Unknown", "Measured with"} <= set(facts)
    assert facts["Unknown"] == "origin: 2 of 100" and "distribution date" in facts["Not known here"]
    assert "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" in facts["Data"], "SHA-256 of 'x'"
    html, data = Page((folder / "audit.html").read_text("utf-8")).text, (folder / "audit.json").read_text("utf-8")
    for text in (html, data):
        for words in ("No independent audit", "No legal advice", "No pass mark", "no qualified candidate"):
            assert words in text
    assert len(result.remarks) == 1


def test_every_ratio_can_be_checked_by_hand(measured):
    result, _, folder = measured
    rows = [row for row in Page((folder / "audit.html").read_text("utf-8")).rows if row[0] in (EVIL, FORMULA, PIPE)]
    assert len(rows) == 6, "three groups in two pools"
    by_note = {row[-1]: row for row in rows[:3]}
    first = result.groups[result.groups["group"] == FORMULA].iloc[0]
    row = next(row for row in rows if row[0] == FORMULA)
    assert [row[2], row[3]] == [f"{first['selected']:g}", str(first["available"])]
    rate, ratio = float(row[4]), float(row[5])
    assert rate == pytest.approx(int(row[2]) / int(row[3]), rel=1e-3)
    assert ratio == pytest.approx(rate / float(by_note["reference"][4]), rel=1e-3)
    assert float(row[6]) <= ratio <= float(row[7])


def test_json_holds_the_tables(measured):
    result, facts, folder = measured
    data = json.loads((folder / "audit.json").read_text("utf-8"), parse_constant=lambda name: pytest.fail(name))
    assert data["facts"] == facts and data["findings"] == result.findings and data["k"] == 10
    assert [row["group"] for row in data["groups"]] == result.groups["group"].tolist()
    known = result.groups["impact_ratio"].notna()
    assert [row["impact_ratio"] for row in data["groups"] if row["impact_ratio"] is not None] == pytest.approx(
        result.groups.loc[known, "impact_ratio"].tolist()
    )
    assert data["groups"][-1]["impact_ratio"] is None, "the unknown are in no ratio"
    assert {row["metric"] for row in data["quality"]} == set(measure.QUALITY)


def test_numbers_are_written_in_full():
    table = pd.DataFrame({"n": [1234, 12.5, 3.0], "value": [np.nan, 0.0002, 1.0], "metric": ["mrr", "ndcg", "x"]})
    shown = page.format_table(table, {"metric": "Metric", "n": "Ads", "value": "Value"})
    assert shown["Ads"].tolist() == ["1,234", "12.5", "3"], "a tie may share out half a selection"
    assert shown["Value"].tolist() == ["", "0.0002000", "1.000"] and shown["Metric"].tolist() == ["MRR", "NDCG", "x"]


def test_a_terminal_gets_no_control_characters():
    people = Dataset.from_dict({"candidate_id": ["a", "b"], "occupation": ["x", "x"], "g": ["\x1b[31mred", "blue"]})
    jobs = Dataset.from_dict({"job_id": ["1"], "occupation": ["x"]})
    result = measure.measure(np.array([[1.0, 2.0]]), jobs, people, ["g"], Criteria(k=1))
    text = page.to_text(result, {"Tool": "t"})
    assert "\x1b" not in text and "[31mred" in text and "No finding" in text


def test_ties_across_rank_k_are_told_everywhere(tmp_path: Path):
    people = Dataset.from_dict(
        {"candidate_id": list("abcd"), "occupation": ["x"] * 4, "g": ["red", "red", "red", "blue"]}
    )
    jobs = Dataset.from_dict({"job_id": ["1", "2"], "occupation": ["x", "x"]})
    result = measure.measure(np.array([[1.0, 1, 1, 0], [1, 2, 3, 4]]), jobs, people, ["g"], Criteria(k=1))
    facts = page.collect_facts(result, {}, tool="t")
    counted = "qualified candidates: 1 ads; all candidates: 1 ads"
    assert facts["Ties across rank k"] == counted and f"ties across rank 1: {counted}" in page.to_text(result, facts)
    assert page.to_dict(result, facts)["ads_with_a_tie_across_k"] == {"qualified": 1, "all": 1}
    assert counted in page.write_page(result, facts, tmp_path, "x").read_text("utf-8")


def test_without_a_ratio_there_is_no_figure(tmp_path: Path):
    people = Dataset.from_dict({"candidate_id": ["a", "b"], "g": ["x", "x"]})
    jobs = Dataset.from_dict({"job_id": ["1"]})
    result = measure.measure(np.array([[1.0, 2.0]]), jobs, people, ["g"], Criteria(k=1))
    written = page.write_page(result, page.collect_facts(result, {}, tool="t"), tmp_path, "x")
    text = written.read_text("utf-8")
    assert "<img" not in text and "Not measured" in text and "the only category" in text
