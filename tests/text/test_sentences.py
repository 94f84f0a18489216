"""Splitting loses nothing and cuts where a reader would."""

from hypothesis import given
from hypothesis import strategies as st

from autorefine_lib.text import sentences

BULLETIN = (
    "A Clerk keeps the books of the harbor and of the city and writes to those who owe money to either of them; "
    "assists in audits of companies, e.g. of a port; may work at night;\tand answers the questions of the public, "
    "of the R&amp; D office and of the council in letters, by phone or in person."
)


@given(st.text() | st.text("ab ;.", min_size=99))
def test_join_undoes_split(text):
    parts = sentences.split(text)
    assert len(parts) % 2 == 1
    assert sentences.join(parts) == text


def test_split_at_full_stops_and_line_breaks_but_not_at_abbreviations():
    text = "We build tools, e.g. Compilers for teams.\n\n- Lead a team!\n- Write C++ at Foo Inc. Berlin (a plus)."
    assert sentences.split(text)[::2] == [
        "We build tools, e.g. Compilers for teams.",
        "Lead a team!",
        "Write C++ at Foo Inc. Berlin (a plus).",
    ]


def test_bullets_quotes_and_emoji_before_a_line_stand_between_sentences():
    text = "Tasks\n● Lead a team\n> ✅ Write code\n\n🚀 Join us 🎉\n→ Apply"
    assert sentences.split(text)[::2] == ["Tasks", "Lead a team", "Write code", "Join us 🎉", "Apply"]


def test_a_sentence_that_is_too_long_is_cut_at_semicolons():
    assert len(BULLETIN.split()) > sentences.LONGEST
    parts = sentences.split(f"Clerk\n{BULLETIN}")
    assert parts[4:8] == ["assists in audits of companies, e.g. of a port;", " ", "may work at night;", "\tand "]
    assert parts[8] == BULLETIN.partition("\tand ")[2]
    shorter = BULLETIN.replace(" assists in audits of companies, e.g. of a port;", "").replace(" in letters,", "")
    shorter = shorter.replace("of the public, ", "")
    assert len(shorter.split()) <= sentences.LONGEST and sentences.split(shorter) == [shorter]


def test_without_a_capital_sentences_begin_with_small_letters():
    text = "we seek a lecturer. a ph.d. is required! 2 courses a term; (yes)"
    assert sentences.split(text)[::2] == ["we seek a lecturer.", "a ph.d. is required!", "2 courses a term; (yes)"]
    assert len(sentences.split(text.replace("yes", "Yes"))) == 3  # before a digit
