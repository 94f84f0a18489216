"""Requirements: each kind by hand, losses and inventions with their reasons, and what must raise no alarm."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib import resources
from autorefine_lib.data.corpus import make_jobs
from autorefine_lib.text import sentences, wording
from autorefine_lib.text.requirements import KINDS, Requirement, _read, invented, lost

AD = (
    "Staff Accountant, Cedar Group\n\n"
    "You have 5+ years of experience with QuickBooks and GAAP. A bachelor's degree and a CPA license are required. "
    "Knowledge of Tableau is a plus. The salary is $60,000 a year in Boston, MA, with 20 days of vacation. "
    "Our team at Cedar Group has 120 people."
)
PARAPHRASE = (
    "cedar group (120 staff) in Boston, Massachusetts wants a staff accountant!\n"
    "- required: CPA licence, BSc\n- five years with gaap and Quickbooks\n- welcome: tableau\n"
    "You get twenty days off; we pay 60k."
)


def extract(text: str) -> list[Requirement]:
    """The requirements and facts of `text`, in its order."""
    return [fact for fact in _read(text).facts if not fact.weak]


def found(text):
    return {(fact.kind, fact.value) for fact in extract(text)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Python, C++ and node.js", {("skill", "python"), ("skill", "c++"), ("skill", "node")}),
        ("We use Go and R here", {("skill", "go"), ("skill", "r")}),
        ("Go to market. We go far, R & D is ours", set()),
        ("a master's degree or PhD", {("degree", "master's degree"), ("degree", "doctorate")}),
        (
            "a B.S. or M.S. in physics",
            {("degree", "bachelor's degree"), ("degree", "master's degree"), ("skill", "physics")},
        ),
        (
            "the holder of a BA, MA or PhD",
            {("degree", "bachelor's degree"), ("degree", "master's degree"), ("degree", "doctorate")},
        ),
        ("in Boston, MA", {("place", "boston"), ("place", "massachusetts")}),
        ("Ask us about the US", {("place", "united states")}),
        ("a valid driver's licence", {("licence", "driver's license")}),
        ("licensed and certified", {("licence", "licence")}),
        ("RN, BLS and ACLS", {("licence", "nursing license"), ("licence", "bls"), ("licence", "acls")}),
        ("paid parental leave and a 401(k)", {("benefit", "parental leave"), ("benefit", "retirement plan")}),
        ("the dental clinic", set()),
        ("we like Kubernetes at Zorbl", {("skill", "kubernetes"), ("name", "zorbl")}),
        ("write to a@b.org or www.b.org/jobs", {("name", "a@b.org"), ("name", "www.b.org/jobs")}),
        ("", set()),
        ("Word", set()),
    ],
)
def test_kinds_by_hand(text, expected):
    assert found(text) == expected


def test_must_and_should_by_clause_and_sentence():
    text = "Skill in Java is a must, and SQL is welcome. Docker, Kubernetes and Linux are required. We use Perl."
    assert {fact.value: fact.strength for fact in extract(text)} == {
        "java": "must",
        "sql": "should",
        "docker": "must",
        "kubernetes": "must",
        "linux": "must",
        "perl": "",
    }


def test_offsets_point_at_the_text():
    for fact in extract(AD):
        assert fact.text in AD and fact.kind in KINDS


def test_a_free_paraphrase_loses_and_invents_nothing():
    assert lost(AD, PARAPHRASE) == []
    assert invented(AD, PARAPHRASE) == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("5+ years", "some years", "lost years '5+ years'"),
        ("5+ years", "3+ years", "lost years '5+ years'"),
        ("QuickBooks and GAAP", "QuickBooks", "lost skill 'GAAP'"),
        ("A bachelor's degree and a", "A", 'lost degree "bachelor\'s degree"'),
        ("bachelor's degree", "degree", 'lost degree "bachelor\'s degree"'),
        ("CPA license", "diploma", "lost licence 'CPA license'"),
        ("$60,000", "€60,000", "lost money '$60,000'"),
        ("$60,000", "$600,000", "lost money '$60,000'"),
        ("Boston, MA", "our city", "lost place 'Boston'"),
        ("with 20 days of vacation", "with the days that the law gives", "lost benefit 'days of vacation'"),
        ("120 people", "many people", "lost number '120'"),
        ("at Cedar Group", "here", None),  # the title still says it
        ("are required", "are welcome", "turns licence 'CPA license' from a must into a should"),
    ],
)
def test_each_loss_has_its_reason(old, new, reason):
    assert old in AD
    reasons = lost(AD, AD.replace(old, new))
    assert reason in reasons if reason else reasons == []


@pytest.mark.parametrize(
    ("addition", "reason"),
    [
        (" You know Kubernetes.", "brings in skill 'Kubernetes'"),
        (" It takes ten years.", "brings in years 'ten years'"),
        (" You hold an MBA.", "brings in degree 'MBA'"),
        (" A driver's license is needed.", 'brings in licence "driver\'s license"'),
        (" We pay a bonus.", "brings in benefit 'bonus'"),
        (" We offer parental leave.", "brings in benefit 'parental leave'"),
        (" You get $5,000 more.", "brings in money '$5,000'"),
        (" The office is in Denver.", "brings in place 'Denver'"),
        (" We serve 900 clients.", "brings in number '900'"),
        (" We are part of Zorbl.", "brings in name 'Zorbl'"),
        (" You are one of us, in every way.", None),
    ],
)
def test_each_invention_has_its_reason(addition, reason):
    assert invented(AD, AD + addition) == ([reason] if reason else [])


def test_a_nice_to_have_made_a_must_is_an_invention():
    assert invented(AD, AD.replace("is a plus", "is required")) == ["turns skill 'Tableau' from a should into a must"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5+ years", "five years"),
        ("5 yrs", "five (5) years or more"),
        ("3-5 years", "three to five years"),
        ("18 months", "1.5 years"),
        ("$60,000", "60k"),
        ("$60,000", "USD 60 000"),
        ("€60.000", "60,000 euros"),
        ("$1.5 million", "$1,500,000"),
        ("$60-80k", "$60,000 to $80,000"),
        ("100%", "100 percent"),
        ("25 people", "twenty-five people"),
        ("K8s", "Kubernetes"),
        ("problem in MS Excel", "problem in Microsoft Excel"),
        ("Ph.D.", "doctorate"),
        ("BSc", "Bachelor's"),
        ("401k", "retirement plan"),
        ("PTO", "paid time off"),
        ("New York, NY", "NYC"),
        ("front-end", "frontend"),
    ],
)
def test_two_ways_to_say_the_same(one, other):
    before, after = f"We speak of {one} here.", f"And here we speak, dear reader, of {other}."
    assert lost(before, after) == lost(after, before) == []
    assert invented(before, after) == invented(after, before) == []
    assert found(before)


ADS = make_jobs().groupby("occupation").head(2)["text"].tolist()


def test_swapped_phrases_and_shuffled_sentences_raise_no_alarm():
    rng = random.Random(0)
    for ad in ADS:
        swapped = wording.swap(ad, rng)
        assert lost(ad, swapped) == [] and invented(ad, swapped) == []
        parts = sentences.split(ad)
        parts[::2] = rng.sample(parts[::2], len(parts[::2]))
        shuffled = sentences.join(parts)
        assert lost(ad, shuffled) == [] and invented(ad, shuffled) == []
        assert lost(ad, ad.lower()) == []


def test_nothing_left_of_an_ad_loses_every_fact():
    for ad in ADS[:10]:
        said = {f"lost {fact.kind} {fact.text!r}" for fact in extract(ad)}
        assert set(lost(ad, "")) == said and said
        assert set(invented("", ad)) == {reason.replace("lost", "brings in") for reason in said}


def test_no_listed_skill_or_licence_is_wording():
    resource = resources.load("requirements")
    listed = {
        phrase for kind in ("skill", "licence", "degree") for entry in resource[kind] for phrase in entry.split("|")
    }
    phrases = {phrase for phrase_set in wording.PHRASE_SETS.values() for phrase in phrase_set.phrases()}
    assert not listed & phrases
    for kind in ("skill", "licence", "degree", "benefit", "place"):
        names = [entry.split("|")[0] for entry in resource[kind]]
        assert len(names) == len(set(names))


PIECES = [
    "Python",
    "5+ years",
    "$60k",
    "a",
    "is required",
    "Boston, MA",
    ".",
    "\n- ",
    "BSc",
    "1.",
    "😀",
    "日本語",
    "We",
    "two",
    "-",
]
texts = st.text(st.characters(codec="utf-8"), max_size=80) | st.lists(st.sampled_from(PIECES), max_size=20).map(
    " ".join
)


@settings(max_examples=100, deadline=None)
@given(texts)
def test_identical_text_loses_and_invents_nothing(text):
    assert lost(text, text) == invented(text, text) == []


@settings(max_examples=60, deadline=None)
@given(texts, texts)
def test_lost_and_invented_never_crash_and_appending_loses_nothing(text, other):
    assert all(reason.startswith("turns") for reason in lost(text, f"{text}.\n{other}"))
    assert all(isinstance(reason, str) for reason in invented(text, other))


@pytest.mark.parametrize(
    "text",
    [
        "a_" * 50_000,
        "." * 100_000,
        "a" * 1_000_000,
        "1-" * 200_000,
        "www." * 100_000,
        "five " * 60_000,
        "@a." * 30_000,
    ],
)
def test_no_text_makes_it_hang(text):
    begin = time.process_time()
    assert lost(text, text) == []
    assert time.process_time() - begin < 20
