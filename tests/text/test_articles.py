"""Articles: "a" or "an" by hand, mended where a rewrite changed the next word and left alone elsewhere."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.text.articles import article_for, mend_articles

A = """
unit useful one one-time once European university user unionized utility Ukrainian historic hotel yellow Skilled PhD CPA
BSc UI UX URL US UK U.S. USDA NASA HIPAA LEED REIT SaaS B2B Q&A P&L 1 12-month 100% 7,500 $1,100 10th 2-year
"""
AN = """
ambitious hour hourly honest heir honorary unusual undisputed unimportant uninformed onerous urban us usher Uber émigré
École X-ray e-commerce iOS eBay MBA MS RN HR FBI HTML SQL SRE MVP NGO LLC FAQ HIV MIT NYC SEO SME SLA SUV LED MA AI/ML
EU R&D S3 M365 F-150 H-1B M.D. x86 mRNA 8 8-hour 11th 18-month 80% $80,000 11,000 $8.5
"""


@pytest.mark.parametrize("word", A.split())
def test_a(word):
    assert article_for(word) == "a"


@pytest.mark.parametrize("word", AN.split())
def test_an(word):
    assert article_for(word) == "an"


@pytest.mark.parametrize(
    ("source", "rewrite", "mended"),
    [
        # acronyms, numbers, letters that are silent or sound otherwise
        ("You hold a full MBA.", "You hold a MBA.", "You hold an MBA."),
        ("an excellent MBA", "an MBA", "an MBA"),
        ("It is a long 8-hour shift.", "It is a 8-hour shift.", "It is an 8-hour shift."),
        ("a budget of a mere $80,000", "a budget of a $80,000", "a budget of an $80,000"),
        ("a tough hour", "a hour", "an hour"),
        ("an exciting one-time bonus", "an one-time bonus", "a one-time bonus"),
        ("an active European office", "an European office", "a European office"),
        ("a big R&D team", "a R&D team", "an R&D team"),
        # starts of sentences, capitals, lines, bullets
        ("A driven engineer.", "A ambitious engineer.", "An ambitious engineer."),
        ("We hire. An open mind helps.", "We hire. An kind mind helps.", "We hire. A kind mind helps."),
        ("Wanted:\nA calm nurse", "Wanted:\nA able nurse", "Wanted:\nAn able nurse"),
        ("- A calm nurse", "- A able nurse", "- An able nurse"),
        ("BE AN AMBITIOUS NURSE", "BE AN CALM NURSE", "BE A CALM NURSE"),
        ("Become An Able Nurse", "Become An Calm Nurse", "Become A Calm Nurse"),
        # quotes, brackets, hyphens, line breaks
        ('a "lean" team', 'a "agile" team', 'an "agile" team'),
        ("a ‘lean’ team", "a ‘agile’ team", "an ‘agile’ team"),
        ("a (very) lean team", "a (extremely) lean team", "an (extremely) lean team"),
        ("a fast-paced place", "a energy-filled place", "an energy-filled place"),
        ("a\nstrong nurse", "a\nable nurse", "an\nable nurse"),
        ("We are a “Top 10” firm", "We are an “Top 10” firm", "We are a “Top 10” firm"),
        # several at once
        ("Be a calm, kind nurse.", "Be an calm, a able nurse.", "Be a calm, an able nurse."),
        # nothing may change: letters that are names, parts of words, names with "a"
        ("We closed our Series A.", "Series A is closed.", "Series A is closed."),
        ("Vitamin A helps.", "Vitamin A improves eyes.", "Vitamin A improves eyes."),
        ("Take plan A or B.", "You take plan A or plan B.", "You take plan A or plan B."),
        ("our “Group A” unit", "the “Group A” unit", "the “Group A” unit"),
        ("the Q&A team", "the Q&A experts", "the Q&A experts"),
        ("an A/B test", "an A/B experiment", "an A/B experiment"),
        ("rich in vitamin-A too", "rich in vitamin-A oils", "rich in vitamin-A oils"),
        ("L.A. office", "L.A. area office", "L.A. area office"),
        ("Banana bread", "Banana ice", "Banana ice"),
        ("à la carte", "à un prix", "à un prix"),
        ("They are A-players.", "They are A-experts.", "They are A-experts."),
        ("What is a?", "What is a ? ", "What is a ? "),
        # nothing may change: the author wrote it so
        ("It is an historic place.", "It was an historic place.", "It was an historic place."),
        ("Write a SQL query, quickly.", "Write a SQL query.", "Write a SQL query."),
        ("a ambitious nurse, hired", "a ambitious nurse", "a ambitious nurse"),
        ("Use a HTML page.", "Be an kind colleague, a expert, and use a HTML page.",
         "Be a kind colleague, an expert, and use a HTML page."),
    ],
)  # fmt: skip
def test_mended(source, rewrite, mended):
    assert mend_articles(source, rewrite) == mended


@pytest.mark.parametrize(
    ("source", "rewrite", "mended"),
    [
        pytest.param("an able", "plan a is", "plan a is", id="a small letter that is a name"),
        pytest.param("BE A CALM NURSE", "BE A ABLE NURSE", "BE AN ABLE NURSE", id='a capital "A" that is no name'),
        pytest.param("an old unissued share", "a unissued share", "an unissued share", id="inflect: uni as in unit"),
        pytest.param("a new SAT score", "a SAT score", "an SAT score", id="inflect: an acronym that is spelled"),
    ],
)
@pytest.mark.xfail(strict=True, reason="what is read cannot be told from the letters alone")
def test_known_to_be_wrong(source, rewrite, mended):
    assert mend_articles(source, rewrite) == mended


pieces = st.sampled_from(
    ["a", "an", "A", "An", "AN", " ", "\n", "hour", "unit", "8", "MBA", '"', "é", "_", "$", "&", "A "]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(pieces, max_size=12).map("".join) | st.text(max_size=40), st.text(max_size=40))
def test_only_articles_change_and_only_once(text, source):
    mended = mend_articles(source, text)
    assert mend_articles(text, text) == text
    assert mend_articles(source, mended) == mended
    assert mended.lower().replace("an", "a") == text.lower().replace("an", "a")
