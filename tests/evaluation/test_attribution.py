"""Contributions of edits: an additive recommender gives them exactly, and every text is escaped in the diff."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import attribution
from autorefine_lib.files import write_json, write_text
from autorefine_lib.report import pages
from autorefine_lib.reward.ad_measures import AdMeasures
from autorefine_lib.reward.judge import Judge

WORTH = {"strong": -0.2, "kind": 0.3, "bold": -0.5, "open": 0.25, "lead": 0.0, "guide": 0.125}


def additive(ads: list[str], job_ids: list[str]) -> np.ndarray:
    """An ad is worth the sum of its words: edits do not act on each other."""
    return np.array([sum(WORTH.get(word, 0) for word in ad.split()) for ad in ads])


def one(original: str, rewrite: str, value=additive) -> attribution.Attribution:
    [found] = attribution.attribute([original], [rewrite], ["job"], value)
    return found


@pytest.mark.parametrize(
    ("original", "rewrite", "edits"),
    [
        ("a strong nurse", "a kind nurse", [("strong", "kind")]),
        ("a strong nurse", "a strong nurse", []),
        ("a strong leader, bold", "an open guide, kind", [("a strong leader", "an open guide"), ("bold", "kind")]),
        ("We lead.", "We lead well.", [("", " well")]),
        ("", "new", [("", "new")]),
        ("a self-starter", "a self-reliant person", [("self-starter", "self-reliant person")]),
        ("the well-paid-off job", "the well-kept-off job", [("well-paid-off", "well-kept-off")]),
        ("a strong-minded one", "a kind-minded one", [("strong-minded", "kind-minded")]),
        ("bold\n\nlead", "kind\n\nguide", [("bold\n\nlead", "kind\n\nguide")]),
    ],
)  # fmt: skip
def test_edits_by_hand(original: str, rewrite: str, edits: list[tuple[str, str]]):
    assert one(original, rewrite).edits == edits


@settings(deadline=None, max_examples=50)
@given(st.text("ab .\n-é<", max_size=30), st.text("ab .\n-é<", max_size=30))
def test_pieces_lose_no_character(original: str, rewrite: str):
    pieces = one(original, rewrite).pieces
    assert "".join(old for old, _ in pieces) == original and "".join(new for _, new in pieces) == rewrite


def test_contributions_of_independent_edits_sum_to_the_whole():
    found = one("we want strong people who lead, bold ones", "we want kind people who guide, open ones")
    assert found.edits == [("strong", "kind"), ("lead", "guide"), ("bold", "open")]
    assert found.contributions == pytest.approx([0.5, 0.0, 0.75]), "a word with its comma is worth nothing here"
    assert (found.before, found.after) == pytest.approx((-0.7, 0.55))
    assert found.interaction == pytest.approx(0)


def test_edits_that_act_on_each_other_leave_an_interaction():
    """Only both edits together change anything: each is worth the whole, and the interaction takes one away again."""
    found = one(
        "a bold b strong", "a kind b open", lambda ads, ids: np.array([float("kind b open" in ad) for ad in ads])
    )
    assert found.contributions == [1, 1] and found.interaction == -1


def test_an_unchanged_ad_has_no_contributions_and_an_edit_alone_is_the_whole_change():
    assert one("a strong nurse", "a strong nurse").contributions == []
    alone = one("a strong nurse", "a kind nurse")
    assert alone.contributions == [alone.after - alone.before] == [pytest.approx(0.5)]
    assert attribution.attribute([], [], [], additive) == []


def test_group_ratio_and_contributions_under_the_reward():
    """Women like "kind": the edit that brings it in raises their exposure, the other edit does nothing."""
    people = Dataset.from_dict({"occupation": ["nurse"] * 6, "gender": ["f", "m"] * 3, "text": [""] * 6})
    jobs = Dataset.from_dict({"job_id": ["job"], "text": ["a strong nurse to lead"], "occupation": ["nurse"]})

    def rank(ads: list[str]) -> np.ndarray:
        likes = np.array([["kind" in ad, "strong" in ad] for ad in ads], float)
        return np.tile(likes, 3) + np.repeat(np.array([0.2, 0.1, 0.0]), 2)

    judge = Judge(SimpleNamespace(rank=rank), jobs, people, "gender", 2)
    measures = AdMeasures(judge, 1.0)
    ratio = attribution.group_ratio(measures, "f", "m")
    found = one("a strong nurse to lead", "a kind nurse to guide", ratio)
    assert found.before == pytest.approx(1 / found.after) and found.after > 1
    assert found.contributions == pytest.approx([found.after - found.before, 0])
    assert np.isnan(attribution.group_ratio(AdMeasures(replace(judge, k=6), 1.0), "f", "m")(
        ["a kind nurse"], ["job"]
    )).all(), "all are selected: no ratio"  # fmt: skip
    with pytest.raises(InputError, match="group 'x' is not one of f, m"):
        attribution.group_ratio(measures, "x", "m")


def test_frequent_edits_by_hand():
    originals = ["a strong nurse", "a Strong cook", "a strong dj", "be bold"]
    rewrites = ["a kind nurse", "a Kind cook", "a strong dj", "be open"]
    value = lambda ads, ids: np.array([{"kind": 1.0, "Kind": 3.0}.get(ad.split()[1], 0) for ad in ads])  # noqa: E731
    found = attribution.attribute(originals, rewrites, ["1", "2", "3", "4"], value)
    # The first ad once more under another seed, where the edit was worth 3: the ad counts once, with 2.
    found += attribution.attribute(originals[:1], rewrites[:1], ["1"], lambda ads, ids: 3 * value(ads, ids))
    table = attribution.frequent_edits(found)
    assert table[["old", "new", "ads"]].values.tolist() == [["strong", "kind", 2], ["bold", "open", 1]]
    assert table.loc[0, ["contribution", "low", "high"]].tolist() == pytest.approx([2.5, 2, 3])
    assert table.loc[1, "contribution"] == 0 and table.loc[1, ["low", "high"]].isna().all()
    assert attribution.frequent_edits([]).empty and len(attribution.frequent_edits(found, n=1)) == 1


def test_coding_of_listed_phrases():
    coding = lambda old, new: attribution.frequent_edits([one(old, new)]).loc[0, "coding"]  # noqa: E731
    assert coding("a fiercely competitive team", "a warmly supportive team") == "masculine -> feminine"
    assert coding("a blue team", "a warmly supportive team") == ""


def test_diff_is_escaped_and_every_number_stands_beside_its_edit():
    found = one(
        "we want strong <b>people</b> & bold ones", "we want kind <b>people</b> & <script>alert(1)</script> ones"
    )
    page = pages.render_edits([found], ['<img src=x onerror="1">'], "ratio")
    assert "<script>" not in page and "<img" not in page and "<b>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "&amp;" in page
    assert '<del>strong</del> <ins class="up">kind</ins><sub>+0.500</sub>' in page
    assert page.count("<sub>") == len(found.contributions) == page.count("<del>")
    plain = re.sub(r"<[^>]+>", "", page.partition("</style>")[2])
    assert "2 edits" in plain and "interaction +0.000" in plain


def test_the_report_shows_the_diffs_as_they_were_escaped(tmp_path: Path):
    facts = {"profile": "smoke", "command": "c", "commit": "abc", "device": "CPU", "versions": {}, "notebooks": {}}
    write_json(tmp_path / "run.json", facts)
    (tmp_path / "notebooks").mkdir()
    assert "Which edit moved the ranking" not in pages.write_index(tmp_path).read_text()
    diff = pages.render_edits([one("a strong {{ 1 }}", "a <script>x</script> {{ 1 }}")], ["ad"], "ratio")
    write_text(tmp_path / "tables/attribution.html", diff)
    page = pages.write_index(tmp_path).read_text()
    assert "Which edit moved the ranking" in page and "{{ 1 }}" in page
    assert '<ins class="up">&lt;script&gt;x&lt;/script&gt;</ins><sub>+0.200</sub>' in page and "<script>" not in page


def test_signs_are_told_without_color():
    page = pages.render_edits([one("kind x open x", "strong x guide x still")], ["ad"], "ratio")
    assert '<ins class="down">strong</ins><sub>−0.500</sub>' in page
    assert '<ins class="still"> still</ins><sub>+0.000</sub>' in page, "an insertion takes nothing out"
    assert "∅" in pages.render_edits([one("a kind b", "a b")], ["ad"], "ratio")


def test_bad_input():
    assert np.isnan(one("a", "b", lambda ads, ids: np.full(len(ads), np.nan)).contributions).all()
