"""Splitting loses nothing and cuts where a reader would."""

from hypothesis import given
from hypothesis import strategies as st

from autorefine_lib.text import sentences


@given(st.text())
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
