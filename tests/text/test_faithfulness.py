"""Faithfulness of rewrites: each rule on a hand-written pair, and properties on generated text."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.text.faithfulness import PROTECTED, by_guard

SOURCE = "You are a bold and self-confident engineer with 5 years of Kubernetes (AWS), paid $120,000."


def violations(source: str, rewrite: str) -> list[str]:
    return [reason for of_guard in by_guard(source, rewrite).values() for reason in of_guard]


@pytest.mark.parametrize(
    ("rewrite", "reason"),
    [
        (SOURCE.replace("(AWS)", "(AWS"), "has unbalanced brackets or quotes"),
        (SOURCE.replace("a bold", "an kind"), "says 'an kind'"),
        (SOURCE.replace("bold", ", ".join(["kind and understanding"] * 6)), "has 33 words for 16"),
        (SOURCE[:-1] + "?", "ends in '?', not as the source does"),
        (SOURCE.replace("bold", "ki\u200bnd"), "brings in the character U+200B"),
        (SOURCE.replace("bold", "b\u043eld"), "brings in the character U+043E"),
        (SOURCE.replace("bold", "female"), f"{PROTECTED}: 'female'"),
        (SOURCE.replace("You are", "She is"), f"{PROTECTED}: 'she'"),
        ("  ", "is empty"),
    ],
)
def test_each_rule_gives_its_reason(rewrite, reason):
    assert reason in violations(SOURCE, rewrite)


PARAPHRASE = "Join Acme in Berlin: run our AWS platform (5 people), from 80,000 EUR."


@pytest.mark.parametrize(
    ("rewrite", "reasons"),
    [
        ("At Acme in Berlin you run our AWS platform with 5 people, from 80,000 EUR.", []),
        ("At Acme you run our AWS platform with 5 people, from 80,000 EUR.", ["lost place 'Berlin'"]),
        ("At Acme in Berlin you run our AWS platform with people, from 80,000 EUR.", ["lost number '5'"]),
        ("At Acme in Berlin he runs our AWS platform with 5 people, 80,000 EUR.", [f"{PROTECTED}: 'he'"]),
    ],
)
def test_paraphrase_keeps_facts_only(rewrite, reasons):
    found = violations(PARAPHRASE, rewrite)
    assert found[: len(reasons)] == reasons and bool(found) == bool(reasons)


PIECES = ["an", "a", "the", "bold", "AWS", "5", "$3.50", "and", ",", ".", "(", ")", '"', "she", "x@y.org", "C++", "-"]
texts = st.text(st.characters(codec="utf-8"), max_size=120) | st.lists(st.sampled_from(PIECES)).map(" ".join)


@settings(deadline=None)
@given(texts)
def test_every_text_is_faithful_to_itself(text):
    assert violations(text, text) == []


@settings(deadline=None)
@given(st.lists(st.sampled_from(["engineer", "with", "17", "5+", "$120k", "2-3", "24/7"]), min_size=2, max_size=9))
def test_a_dropped_number_is_always_caught(words):
    for index, word in enumerate(words):
        if re.search(r"\d", word):
            rewrite = " ".join(words[:index] + words[index + 1 :])
            # A paraphrase may say once what the source says twice.
            assert words.count(word) > 1 or violations(" ".join(words), rewrite)
