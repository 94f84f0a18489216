"""Words that name a protected attribute: what counts, what does not, and disguises."""

import string

import pytest
from confusable_homoglyphs.confusables import confusables_data
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.text import guards, wording
from autorefine_lib.text.protected import CATEGORIES, protected_words


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


def confusables():
    """Letter and what confusable-homoglyphs knows to look like it, in small letters and capitals."""
    for letter in string.ascii_letters:
        for alike in confusables_data.get(letter, []):
            yield letter, alike["c"]


def test_every_confusable_of_a_protected_word_is_seen_through():
    words = [word for words in CATEGORIES.values() for word in words]
    missed, tried = [], 0
    for letter, alike in confusables():
        for word in (word for word in words if letter.lower() in word):
            cased = word.upper() if letter.isupper() else word
            tried += 1
            if word not in protected_words(f"As a leader {cased.replace(letter, alike, 1)} plans the work"):
                missed.append((word, alike))
    assert tried > 10_000 and missed == []


@settings(deadline=None)
@given(st.sampled_from(sorted(word for words in CATEGORIES.values() for word in words)), st.randoms())
def test_words_all_of_lookalikes_are_seen_through(word, rng):
    table = {}
    for letter, alike in confusables():
        if letter.islower() and len(alike) == 1:
            table.setdefault(letter, []).append(alike)
    disguised = "".join(rng.choice([letter, *table.get(letter, [])]) for letter in word)
    assert word in protected_words(disguised)


@pytest.mark.parametrize(
    "text",
    [
        "Send your résumé to Zoë Łukasz.",
        "Re\u0301sume\u0301",
        "A naïve Bayes model",
        "Bjørn Sørensen and Đorđe Heß",
        "Père-Lachaise, São Paulo, Łódź, Kraków, Brașov, İzmir, Ærø, Malmö",
        "Übermut und Straße",
        "Ο άνθρωπος και η θάλασσα",
        "Мы ищем инженера",
    ],
)
def test_honest_accents_and_other_scripts_are_no_attack(text):
    assert protected_words(text) == set()
    assert list(guards.characters("", text)) == []


def test_no_listed_ad_phrase_names_a_protected_attribute():
    for phrase_set in wording.PHRASE_SETS.values():
        for phrase in phrase_set.phrases():
            assert protected_words(phrase) == set(), phrase


@settings(deadline=None)
@given(st.sampled_from(sorted(word for words in CATEGORIES.values() for word in words)), st.text("xyz .", max_size=8))
def test_every_listed_word_is_found_between_other_words(word, filler):
    assert word in protected_words(f"{filler} {word.upper()} {filler}")


def test_lists_hold_no_word_twice():
    words = [word for words in CATEGORIES.values() for word in words]
    assert len(words) == len(set(words))
