"""Readability: syllables against hand-counted words, both formulas by hand."""

import math

import pytest

from autorefine_lib.text import readability


def test_hand_counted_words():
    # Counted by hand from the pronunciation; words of job ads.
    words = {
        1: [
            "a",
            "the",
            "year",
            "team",
            "skills",
            "law",
            "role",
            "build",
            "lead",
            "based",
            "worked",
            "needs",
            "course",
            "time",
        ],
        2: [
            "office",
            "client",
            "service",
            "software",
            "degree",
            "leader",
            "people",
            "table",
            "needed",
            "wages",
            "design",
            "create",
            "written",
            "process",
            "deadline",
            "diet",
            "able",
            "changes",
            "city",
        ],
        3: [
            "manager",
            "media",
            "video",
            "idea",
            "area",
            "employee",
            "energy",
            "computer",
            "flexible",
            "excellent",
            "company",
            "preferred",
            "insurance",
            "benefits",
            "analyze",
            "physician",
            "radio",
            "salary",
        ],
        4: [
            "environment",
            "education",
            "supervisor",
            "ability",
            "material",
            "relationship",
            "independent",
            "experience",
        ],
        5: ["communication", "organization", "opportunity", "coordinator", "university", "individual"],
    }
    right = [readability.syllables(word) == count for count, listed in words.items() for word in listed]
    assert sum(right) / len(right) >= 0.95
    counted = sum(readability.syllables(word) for listed in words.values() for word in listed)
    assert counted == pytest.approx(sum(count * len(listed) for count, listed in words.items()), rel=0.02)


def test_formulas_by_hand():
    text = "The nurse can read. We pay the team well."  # 2 sentences, 9 words, 9 syllables
    assert readability.counts(text) == (2, 9, 9)
    assert readability.flesch(text) == pytest.approx((206.835 - 1.015 * 4.5 - 84.6, 0.39 * 4.5 + 11.8 - 15.59))


def test_lines_are_sentences_and_numbers_are_no_words():
    assert readability.counts("- Nurse\n- 20 teams\n- 24/7\n") == (2, 2, 2)


def test_harder_text_is_harder():
    easy, hard = (
        "We help people. You work with us.",
        "Organizational responsibilities necessitate interdepartmental communication.",
    )
    (easy_ease, easy_grade), (hard_ease, hard_grade) = readability.flesch(easy), readability.flesch(hard)
    assert easy_ease > hard_ease + 50 and easy_grade < hard_grade - 5


@pytest.mark.parametrize("text", ["", " \n", "123", "😀!"])
def test_no_word_no_number(text):
    assert all(map(math.isnan, readability.flesch(text)))


def test_other_scripts_and_long_words_do_not_crash():
    assert readability.syllables("日本語") == 1 and readability.syllables("a" * 100_000) >= 1
