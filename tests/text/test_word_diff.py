"""Word-level diff: hand-made pairs, both texts put together again, no text that makes it hang."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.text.word_diff import word_diff

BOLD = "You are a bold engineer, paid $5."
KIND = "You are a kind and calm engineer, paid $5."


def test_by_hand():
    expected = [
        ("equal", "You are a "),
        ("delete", "bold"),
        ("insert", "kind and calm"),
        ("equal", " engineer, paid $5."),
    ]
    assert word_diff(BOLD, KIND) == expected


@pytest.mark.parametrize(
    ("original", "rewrite", "expected"),
    [
        ("", "", []),
        ("", "a", [("insert", "a")]),
        ("a", "", [("delete", "a")]),
        (" a", "a", [("delete", " "), ("equal", "a")]),
        ("a  b", "a b", [("equal", "a"), ("delete", "  "), ("insert", " "), ("equal", "b")]),
        (
            "naïve 日本語 😀",
            "naïve 日本 😀",
            [("equal", "naïve "), ("delete", "日本語"), ("insert", "日本"), ("equal", " 😀")],
        ),
    ],
)
def test_edges(original, rewrite, expected):
    assert word_diff(original, rewrite) == expected


WORDS = ["bold", "kind", "a", "the", ",", ".", "<i>", "&", "\n", "  ", '"', "😀", "日本"]
texts = st.text(st.characters(codec="utf-8"), max_size=60) | st.lists(st.sampled_from(WORDS), max_size=25).map("".join)
spaced = st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(texts | spaced, texts | spaced)
def test_both_texts_come_back_exactly(original, rewrite):
    pieces = word_diff(original, rewrite)
    assert "".join(text for kind, text in pieces if kind != "insert") == original
    assert "".join(text for kind, text in pieces if kind != "delete") == rewrite
    assert all(text for _, text in pieces)
    assert all(a[0] != b[0] for a, b in zip(pieces, pieces[1:], strict=False))


@settings(max_examples=60, deadline=None)
@given(texts)
def test_identical_texts_have_no_changes(text):
    assert word_diff(text, text) == ([("equal", text)] if text else [])


@pytest.mark.parametrize(
    ("original", "rewrite"),
    [
        ("!?" * 50_000, "?!" * 50_000),
        ("x" * 1_000_000, "y" * 1_000_000),
        ("a b c d " * 2_000, "d c b a " * 2_000),
        ("One two. " * 20_000, "Two one. " * 20_000),
    ],
)
def test_huge_and_hostile_texts_take_seconds_and_come_back(original, rewrite):
    begin = time.perf_counter()
    pieces = word_diff(original, rewrite)
    assert time.perf_counter() - begin < 20
    assert "".join(text for kind, text in pieces if kind != "insert") == original
    assert "".join(text for kind, text in pieces if kind != "delete") == rewrite


def test_a_long_text_is_compared_by_its_rarer_words():
    sentences = [f"The team of the unit {i} is in the house of the city." for i in range(600)]
    pieces = word_diff(" ".join(sentences), " ".join([*sentences[:299], "The new part is here.", *sentences[300:-1]]))
    changed = [text for kind, text in pieces if kind != "equal"]
    assert 0 < len("".join(changed)) < 250
