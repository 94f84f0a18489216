"""What a chat model puts around its answer comes off; what belongs to the text stays."""

import pytest

from autorefine_lib.generator.answers import clean_answer

SOURCE = "We build tools for nurses."


@pytest.mark.parametrize(
    "answer",
    [
        "We make tools for nurses.",
        "  We make tools for nurses.\n",
        '"We make tools for nurses."',
        "“We make tools for nurses.”",
        "Here is the rewritten sentence: We make tools for nurses.",
        "Sure! Here's a new version:\n\nWe make tools for nurses.",
        'Rewritten sentence: "We make tools for nurses."',
        "```text\nWe make tools for nurses.\n```",
        "<think>They want other words.</think>We make tools for nurses.",
        "We make tools for nurses",
        "we make tools for nurses.",
        "We make tools for nurses.\n\nI hope that helps!",
    ],
)
def test_the_text_alone_is_left(answer):
    assert clean_answer(SOURCE, answer) == "We make tools for nurses."


def test_thoughts_that_do_not_end_leave_nothing():
    assert clean_answer(SOURCE, "<think>We make tools") == ""


@pytest.mark.parametrize(
    "source, answer, expected",
    [
        ('"Move fast" is our motto.', '"Be quick" is our motto.', '"Be quick" is our motto.'),
        ("manage the team", "Lead the team.", "lead the team"),
        ("Will you join us?", "Do you want to join us?", "Do you want to join us?"),
        ("Join us!", "Become one of us.", "Become one of us!"),
        ("Our stack: Python and Go.", "Our tools: Python and Go.", "Our tools: Python and Go."),
        ("Here is what you do: sell.", "Here is what you will do: sell.", "Here is what you will do: sell."),
        ("  Join us!\r", "Become one of us.", "  Become one of us!\r"),
        ("a ph.d. in english is needed.", "You need a Ph.D. in English.", "you need a ph.d. in english."),
        ("plans the work of IT;", "Organizes the work of IT.", "organizes the work of IT;"),
        ("One.\n\nTwo.", "First.\n\nSecond.", "First.\n\nSecond."),
    ],
)
def test_what_the_source_has_too_stays(source, answer, expected):
    assert clean_answer(source, answer) == expected
