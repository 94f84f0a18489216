"""Gender-coded words: the published list is whole, counting by hand as the published tool counts."""

from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.text import gender_coded


def test_the_list_has_the_entries_of_the_appendix():
    stems = gender_coded.STEMS
    assert (len(stems["masculine"]), len(stems["feminine"])) == (42, 40)
    assert not set(stems["masculine"]) & set(stems["feminine"])


def test_counts_by_hand():
    text = "We want a COMPETITIVE, assertive leader who analyses data and a supportive, understanding, kind team."
    assert gender_coded.coded_words(text) == {
        "masculine": ["competitive", "assertive", "leader", "analyses"],
        "feminine": ["supportive", "understanding", "kind"],
    }
    assert gender_coded.count(text) == {"masculine": 4, "feminine": 3}


def test_hyphenated_words_are_split_unless_listed():
    found = gender_coded.coded_words("a self-confident, well-connected, co-dependent self-starter")
    assert found == {"masculine": ["self-confident"], "feminine": ["connected", "dependent"]}


def test_only_beginnings_count():
    assert gender_coded.count("mislead, unkind, unsupported, remarkably") == {"masculine": 0, "feminine": 0}


def test_empty_and_other_scripts():
    assert gender_coded.count("") == gender_coded.count("日本語 😀 Führung") == {"masculine": 0, "feminine": 0}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["lead", "kind", "nurse", "warm", "decide"]), max_size=20))
def test_counts_add_up_whatever_the_order(words):
    expected = {
        "masculine": sum(w in ("lead", "decide") for w in words),
        "feminine": sum(w in ("kind", "warm") for w in words),
    }
    assert gender_coded.count(", ".join(words)) == gender_coded.count(" ".join(words[::-1])) == expected
