"""Tokens: kinds by hand, nothing lost but white space, linear in hostile text."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.text.tokens import WORD, find_names, tokenize, words


def test_kinds_by_hand():
    tokens = tokenize("Pay: $60,000-80k (5+), it’s www.a.org/x; a.b@c.org!")
    assert [(token.key, token.kind) for token in tokens] == [
        ("pay", "word"),
        (":", "mark"),
        ("$60,000-80k", "fact"),
        ("(", "mark"),
        ("5+", "fact"),
        (")", "mark"),
        (",", "mark"),
        ("it's", "word"),
        ("www.a.org/x", "fact"),
        (";", "mark"),
        ("a.b@c.org", "fact"),
        ("!", "mark"),
    ]


def test_words_by_hand():
    found = words("Full-time: $60,000, it’s e.g. 5+ Years")
    assert found == ["full", "time", "$60,000", "it's", "e", "g", "5+", "years"]
    assert WORD.findall("Full-time: $60,000, it’s e.g. 5+ Years") == ["Full-time", "it’s", "e", "g", "Years"]


def test_names_by_hand():
    tokens = tokenize("We use AWS with Anna. The iPhone is here. Big")
    assert [tokens[index].text for index in sorted(find_names(tokens))] == ["AWS", "Anna", "iPhone"]
    assert find_names(tokenize("ALL IN CAPITALS")) == set()


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=80))
def test_only_white_space_is_left_out(text):
    tokens = tokenize(text)
    assert "".join(token.text for token in tokens) == "".join(text.split())
    assert all(text[token.start :].startswith(token.text) for token in tokens)


@pytest.mark.parametrize(
    "text", ["a_" * 50_000, "." * 100_000, "-+" * 50_000, "_" * 100_000, "a.a@" * 80_000, "http://" * 60_000]
)
def test_linear_in_hostile_text(text):
    begin = time.process_time()
    assert tokenize(text)
    assert time.process_time() - begin < 10
