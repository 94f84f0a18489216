"""Word-level diff: hand-made pairs, both texts put together again, no text that makes it hang."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.text.word_diff import word_diff

BOLD = "You are a bold engineer, paid $5."
KIND = "You are a kind and calm engineer, paid $5."


def test_by_hand():
    same = "You are a ", " engineer, paid $5."
    assert word_diff(BOLD, KIND) == [(same[0], same[0]), ("bold", "kind and calm"), (same[1], same[1])]


@pytest.mark.parametrize(
    ("original", "rewrite", "expected"),
    [
        ("", "", []),
        ("", "a", [("", "a")]),
        ("a", "", [("a", "")]),
        (" a", "a", [(" ", ""), ("a", "a")]),
        ("a  b", "a b", [("a", "a"), ("  ", " "), ("b", "b")]),
        ("naïve 日本語 😀", "naïve 日本 😀", [("naïve ", "naïve "), ("日本語", "日本"), (" 😀", " 😀")]),
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
    assert "".join(old for old, _ in pieces) == original
    assert "".join(new for _, new in pieces) == rewrite
    assert all(old or new for old, new in pieces)
    kept = [old == new for old, new in pieces]
    assert all(a != b for a, b in zip(kept, kept[1:], strict=False))


@settings(max_examples=60, deadline=None)
@given(texts)
def test_identical_texts_have_no_changes(text):
    assert word_diff(text, text) == ([(text, text)] if text else [])


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
    assert "".join(old for old, _ in pieces) == original
    assert "".join(new for _, new in pieces) == rewrite


def test_a_long_text_is_compared_by_its_rarer_words():
    sentences = [f"The team of the unit {i} is in the house of the city." for i in range(600)]
    pieces = word_diff(" ".join(sentences), " ".join([*sentences[:299], "The new part is here.", *sentences[300:-1]]))
    changed = [old + new for old, new in pieces if old != new]
    assert 0 < len("".join(changed)) < 250
