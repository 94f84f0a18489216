"""Which sentences of an ad may be rewritten."""

import pytest

from autorefine_lib.text import sentences
from autorefine_lib.text.rewritable import LONGEST, explain_leaving, explain_sentences, sentences_to_rewrite


@pytest.mark.parametrize(
    "sentence",
    [
        "We're looking for an engineer who cares about users.",
        "You will coordinate care with doctors, nurses and families.",
        "Experience with Python or Go is a plus, but not required.",
        "Prepare, examine, or analyze accounting records and reports.",
        "The post holder will manage a caseload of 30 patients in the community.",
    ],
)
def test_sentences_are_rewritten(sentence):
    assert explain_leaving(sentence) is None


@pytest.mark.parametrize(
    "sentence, reason",
    [
        ("What you will do:", "heading"),
        ("Key Duties and Main Responsibilities", "heading"),
        ("Apply soon", "fragment"),
        ("Acme | Backend Engineer | Berlin | ONSITE | Full-time", "headline"),
        ("Find out more about the team at https://example.org/jobs today.", "link"),
        ("Please send your resume and a letter to jobs@example.org.", "contact"),
        ("Call our recruiting office on +44 20 7946 0000 before Friday.", "contact"),
        ("We are an equal opportunity employer and value diversity at our company.", "legal"),
        ("This post is subject to a Disclosure and Barring Service check.", "legal"),
        ("Python, Django, Postgres, Redis, AWS, Docker and Kubernetes.", "list"),
        ("<li>You will lead a team of five people.</li>", "markup"),
        ("Pay &amp; benefits are reviewed for all staff each year.", "markup"),
        ("Vous travaillez avec une équipe de six personnes.", "not in English"),
        ("We are *really* looking for you and your friends.", "markup"),
        ("[ ] You will talk to the people on the ward.", "markup"),
        ("You will work with the best people 🎉 of all.", "emoji"),
        ("word " * (LONGEST + 1), "longer"),
    ],
)
def test_facts_are_left_with_a_reason(sentence, reason):
    assert reason in explain_leaving(sentence)


def test_positions_are_those_of_split_and_stop_at_the_recommenders_window():
    ad = "Nurse, Elm Clinic\n\nWe care for people at home. You will work in a team of six.\n\nApply at a@b.org."
    found = list(sentences_to_rewrite(ad))
    assert [text for _, text in found] == [
        "We care for people at home.",
        "You will work in a team of six.",
    ]
    assert [sentences.split(ad)[place] for place, _ in found] == [text for _, text in found]
    long = " ".join(f"This is sentence number {i} of a long ad." for i in range(100))
    read = [text for _, text in sentences_to_rewrite(long)]
    assert 20 <= len(read) <= 26 and read[0].startswith("This is sentence number 0")


def test_sentences_over_several_lines_are_left():
    ad = "We are looking for a nurse who likes\nto work in a small team.\n\nYou will care for six people.\n- and more"
    reasons = [reason for _, _, reason in explain_sentences(ad)]
    assert reasons == ["a sentence over several lines"] * 2 + [None, "a heading or a fragment"]
