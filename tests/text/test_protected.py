"""Words that name a protected attribute: what counts, what does not, and disguises."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.text import wording
from autorefine_lib.text.protected import categories, protected_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("She leads the team.", {"she"}),
        ("We welcome women, and men over 40.", {"women", "men", "over 40"}),
        ("An African-American veteran", {"african american", "veteran"}),
        ("Ask Ms. Rivera or Mr. Stone", {"ms", "mr"}),
        ("for a young, able-bodied Christian mother", {"young", "able bodied", "christian", "mother"}),
        ("(s)he", {"he"}),
        ("s/he", {"he"}),
        ("women's network", {"women"}),
    ],
)
def test_names_are_found(text, expected):
    assert protected_words(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "A senior engineer who writes white papers and fixes race conditions.",
        "MS Office and an MS degree, black-box tests, he@example.org",
        "The other sheet, chef, human, there, sheer, menu and agent.",
        "A supportive and collaborative community",
    ],
)
def test_other_meanings_are_not(text):
    assert protected_words(text) == set()


@pytest.mark.parametrize(
    "disguised",
    ["ѕhе", "s\u200bhe", "ｓｈｅ", "shé", "SHE", "5he", "s.h.e", "s-h-e", "s h e", "she/her", "\u202eshe", "s\u00adhe"],
)
def test_disguises_are_seen_through(disguised):
    assert "she" in protected_words(f"As a leader {disguised} plans the work")


def test_no_listed_ad_phrase_names_a_protected_attribute():
    for phrase_set in wording.phrase_sets().values():
        for phrase in phrase_set.phrases():
            assert protected_words(phrase) == set(), phrase


@settings(deadline=None)
@given(st.sampled_from(sorted(word for words in categories().values() for word in words)), st.text("xyz .", max_size=8))
def test_every_listed_word_is_found_between_other_words(word, filler):
    assert word in protected_words(f"{filler} {word.upper()} {filler}")


def test_lists_hold_no_word_twice():
    words = [word for words in categories().values() for word in words]
    assert len(words) == len(set(words))
