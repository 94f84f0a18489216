"""Long texts: parts that together are the text, ties from what is not read, and the mean that reads all."""

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from autorefine_lib.errors import InputError
from autorefine_lib.recommender import bm25, by_name, long_texts
from autorefine_lib.recommender.dense import DenseRecommender
from autorefine_lib.recommender.long_texts import Window

HEAD = "She leads the ward and plans the shifts of the nurses. " * 40
TAILS = ["She bakes bread.", "He flies airliners across the ocean.", "They paint houses in spring."]
SHORT = "She is a nurse on a ward for children."


@pytest.fixture(scope="module")
def cut() -> DenseRecommender:
    return DenseRecommender()


@pytest.fixture(scope="module")
def mean() -> DenseRecommender:
    return DenseRecommender(long_texts="mean")


def words(room: int, handling: str = "mean") -> Window:
    """A window on a tokenizer of which each word is a token."""
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate("?abcdefg")}, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    return Window(tokenizer, room + 2, room, handling)


def test_parts_by_hand():
    assert words(3).split("a b c d e f g") == ["a b c ", "d e f ", "g"]
    assert words(3).split("a b c") == ["a b c"] and words(3).split("") == [""]
    assert words(3, "cut").split("a b c d") == ["a b c d"]


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="aé,. \nXunbelievably", max_size=400), st.integers(1, 9))
def test_parts_are_the_text_and_no_longer_than_the_model_reads(mean, text, room):
    window = Window(mean.window.tokenizer, room + 2, room, "mean")
    parts = window.split(text)
    assert "".join(parts) == text
    ids = [window.tokenizer.encode(part, add_special_tokens=False).ids for part in parts]
    assert len(parts) == 1 or all(ids)
    if max((len(word) for word in text.replace(",", " ").replace(".", " ").split()), default=0) <= room:
        assert all(len(of_part) <= room for of_part in ids)


def test_the_window_is_what_the_model_reads(cut):
    assert (cut.window.limit, cut.window.room) == (256, 254)
    read = "a " * 254
    same, other = cut.embed([f"{read} nurse", f"{read} pilot, of course"]), cut.embed([read[:-2] + " nurse"])
    np.testing.assert_array_equal(same[0], same[1])
    assert np.abs(same[0] - other[0]).max() > 1e-4


def test_texts_that_differ_only_where_nobody_reads_tie_with_cut_and_not_with_mean(cut, mean):
    people = Dataset.from_dict({"text": [HEAD + tail for tail in TAILS]})
    ads = ["We are looking for a pilot.", SHORT]
    tied, told = (recommender.fit(people).rank(ads) for recommender in (cut, mean))
    assert (tied == tied[:, :1]).all()
    assert all(len(set(row)) == 3 for row in told.tolist())
    assert told[0].argmax() == 1, "the pilot is read"


def test_a_short_text_has_the_same_vector_under_both(cut, mean):
    np.testing.assert_array_equal(mean.embed([SHORT, *TAILS]), cut.embed([SHORT, *TAILS]))


def test_the_mean_is_that_of_the_parts(cut, mean):
    text = HEAD + TAILS[1]
    parts = mean.window.split(text)
    expected = cut.embed(parts).mean(0)
    assert len(parts) == 2
    np.testing.assert_allclose(mean.embed([text])[0], expected / np.linalg.norm(expected), atol=1e-6)


def test_the_two_share_no_file(tmp_path):
    people = Dataset.from_dict({"text": [HEAD + TAILS[0]]})
    vectors = [DenseRecommender(cache_dir=tmp_path, long_texts=name).fit(people)._candidates
               for name in (*long_texts.HANDLING, "cut")]  # fmt: skip
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3


def test_what_is_left_out_is_said_by_hand():
    texts = ["a b c", "a b c d", "a b c e f", "a b", "a b c d"]
    assert words(3, "cut").describe(texts, "candidates") == (
        "candidates: 3 of 5 longer than the 5 tokens that are read, 31% of the tokens of these left out; "
        "4 differ from another only there and have its scores"
    ), "4 of 13 tokens; all but 'a b' begin alike"
    assert (
        words(3, "cut")
        .describe(["a b c d", "b b c d"] * 2, "ads")
        .endswith("; 0 differ from another only there and have its scores")
    )
    assert words(3, "cut").describe(["a", "b"], "ads") == "ads: 0 of 2 longer than the 5 tokens that are read"
    assert words(3).describe(texts, "ads") == (
        "ads: 3 of 5 longer than the 5 tokens that are read at once; they are read in parts"
    )


def test_who_reads_all_says_nothing_and_a_hybrid_what_its_part_does(cut):
    reads_all = DenseRecommender("wordllama")
    assert reads_all.window is None and DenseRecommender("paraphrase-minilm").window.room == 254
    assert long_texts.describe(reads_all, [HEAD], [HEAD]) == long_texts.describe(bm25.BM25Recommender(), [], []) == []
    lines = long_texts.describe(by_name.build_recommender("hybrid", "mean"), [HEAD], [SHORT])
    assert [line.split(" longer")[0] for line in lines] == ["candidates: 1 of 1", "ads: 0 of 1"]
    assert all(line.endswith("in parts") for line in lines)


def test_another_word_is_refused():
    with pytest.raises(InputError, match="long texts 'sum': one of cut, mean"):
        DenseRecommender(long_texts="sum")
