"""Placebos change words and nothing else: hand-made ads, and every ad of the synthetic corpus."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.data import corpus
from autorefine_lib.generator import placebos
from autorefine_lib.text import wording
from autorefine_lib.text.protected import protected_words

_MADE = corpus.make_jobs(corpus.CorpusConfig(companies_per_occupation=(1, 1, 1), ads_per_company=1))
ADS = list(_MADE["text"][_MADE["form"] != "letter"])  # a letter has no headline


def test_paraphrase_changes_phrases_and_no_fact():
    made = placebos.paraphrase(ADS, seed=1)
    for ad, rewrite in zip(ADS, made, strict=True):
        assert (rewrite != ad) == bool(wording.find(ad))
        assert re.findall(r"[\d,]+\d", rewrite) == re.findall(r"[\d,]+\d", ad), "numbers stay"
        assert rewrite.splitlines()[0] == ad.splitlines()[0] and protected_words(rewrite) <= protected_words(ad)
    assert placebos.paraphrase(ADS, seed=1) == made != placebos.paraphrase(ADS, seed=2)


def test_paraphrase_goes_in_every_direction():
    """Of the phrases that were masculine, some become feminine, and the other way round."""
    pairs = [
        (found.coding, new.coding)
        for ad, rewrite in zip(ADS, placebos.paraphrase(ADS), strict=True)
        for found, new in zip(wording.find(ad), wording.find(rewrite), strict=False)
    ]
    assert {("masculine", "feminine"), ("feminine", "masculine"), ("neutral", "masculine")} <= set(pairs)


def test_word_swap_leaves_no_coded_phrase_but_those_without_a_neutral_one():
    made = placebos.word_swap(ADS)
    coded = [wording.coded_count(ad) for ad in made]
    assert sum(count["masculine"] + count["feminine"] for count in coded) == 0
    assert placebos.word_swap(made) == made


def test_stuffing_by_hand():
    made = placebos.stuff(["We hire.", ""], ["Head Nurse", "Cook"], ["nurse", "line_cook"])
    first = "Head Nurse, nurse, Head Nurse, nurse, Head Nurse, nurse"
    assert made == [f"{first}\n\nWe hire.", "Cook, line cook, Cook, line cook, Cook, line cook\n\n"]
    assert placebos.stuff(["We hire."], ["Cook"], [None]) == ["Cook, Cook, Cook\n\nWe hire."]


def test_bad_input():
    with pytest.raises(ValueError, match="argument 2 is longer than argument 1"):
        placebos.stuff(["a"], ["b", "c"], ["d"])


@settings(deadline=None, max_examples=20)
@given(st.lists(st.text(max_size=60), max_size=3))
def test_no_text_breaks_a_placebo(ads: list[str]):
    assert len(placebos.paraphrase(ads)) == len(placebos.word_swap(ads)) == len(ads)
    assert all(made.endswith(ad) for ad, made in zip(ads, placebos.stuff(ads, ads, ads), strict=True))
