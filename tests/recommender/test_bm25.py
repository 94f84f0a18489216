"""BM25 against its formula by hand, and ads or candidates without a word."""

import math

import numpy as np
import pytest
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.recommender.bm25 import BM25Recommender

BIOS = ["nurse ward nurse", "pilot", "ward painter paints houses", "nurse"]


def candidates(texts: list[str] = BIOS) -> Dataset:
    return Dataset.from_dict({"text": texts})


def by_hand(ad: list[str], k1: float = 1.5, b: float = 0.75) -> list[float]:
    """Robertson and Zaragoza (2009), equation 3.15 without the factor k1 + 1; idf = ln(1 + (N - n + 0.5)/(n + 0.5))."""
    documents = [text.split() for text in BIOS]
    mean = sum(map(len, documents)) / len(documents)
    scores = []
    for document in documents:
        score = 0.0
        for word in ad:
            n, tf = sum(word in each for each in documents), document.count(word)
            idf = math.log(1 + (len(documents) - n + 0.5) / (n + 0.5))
            score += idf * tf / (tf + k1 * (1 - b + b * len(document) / mean))
        scores.append(score)
    return scores


def test_equals_the_formula():
    scores = BM25Recommender().fit(candidates()).rank(["Nurse for our ward!", "Pilot"])
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores[0], by_hand(["nurse", "ward"]), rtol=1e-5)
    np.testing.assert_allclose(scores[1], by_hand(["pilot"]), rtol=1e-5)


def test_a_repeated_word_of_the_ad_counts_again():
    scores = BM25Recommender().fit(candidates()).rank(["nurse", "nurse nurse"])
    np.testing.assert_allclose(scores[1], 2 * scores[0], rtol=1e-6)


@pytest.mark.parametrize("ad", ["", "!!", "the and of", "astronaut", "a", "\u200b"])
def test_an_ad_without_a_known_word_ties_everybody_at_0(ad):
    assert BM25Recommender().fit(candidates()).rank([ad, "pilot"])[0].tolist() == [0, 0, 0, 0]


def test_a_candidate_without_a_word_scores_0():
    assert BM25Recommender().fit(candidates(["", "pilot"])).rank(["pilot"])[0].tolist()[0] == 0


def test_no_ads_give_no_rows():
    assert BM25Recommender().fit(candidates()).rank([]).shape == (0, 4)


def test_mistakes_end_in_one_line():
    for make, message in (
        (lambda: BM25Recommender().rank(["x"]), "call fit"),
        (lambda: BM25Recommender().fit(candidates(["", "the"])), "none of the 2 candidates' texts has a word"),
    ):
        with pytest.raises(InputError, match=message):
            make()
