"""Retrieve and rerank with a tiny cross-encoder of random weights, made on the spot."""

import numpy as np
import pytest
import torch
from datasets import Dataset
from tiny_models import VOCAB, tiny_tokenizer
from transformers import BertConfig, BertForSequenceClassification, BertModel

from autorefine_lib.errors import InputError
from autorefine_lib.recommender import by_name
from autorefine_lib.recommender.reranker import RerankRecommender

BIOS = Dataset.from_dict({"text": ["w1 w2", "w3", "w4 w5", "w6", "w7 w8 w9"]})
FIRST = np.array([[0.1, 0.9, 0.5, 0.7, 0.3], [0.5, 0.4, 0.3, 0.2, 0.1]], np.float32)


class Fixed:
    def fit(self, candidates):
        return self

    def rank(self, ads):
        return FIRST[: len(ads)]


def save(folder, labels: int) -> str:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCAB, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=64, num_labels=labels, initializer_range=0.5,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory) -> str:
    return save(tmp_path_factory.mktemp("cross"), 1)


def logits(folder: str, ad: str) -> list[float]:
    model, tokenizer = BertForSequenceClassification.from_pretrained(folder).eval(), tiny_tokenizer()
    with torch.no_grad():
        return [model(**tokenizer(ad, bio, return_tensors="pt")).logits.item() for bio in BIOS["text"]]


def test_the_best_are_read_again_and_the_rest_stay_below(cross_encoder):
    recommender = RerankRecommender(cross_encoder, first=Fixed(), depth=3).fit(BIOS)
    scores = recommender.rank(["w10 w11", "w12"])
    assert scores.dtype == np.float32 and scores.shape == (2, 5)
    for row, ad, read, rest in ((0, "w10 w11", [1, 3, 2], [4, 0]), (1, "w12", [0, 1, 2], [3, 4])):
        np.testing.assert_allclose(scores[row, read], np.array(logits(cross_encoder, ad))[read], atol=1e-5)
        assert scores[row, rest].max() == pytest.approx(scores[row, read].min() - 1, abs=1e-6)
        np.testing.assert_allclose(np.diff(scores[row, rest]), np.diff(FIRST[row, rest]), atol=1e-6)


def test_depth_beyond_the_pool_reads_all(cross_encoder):
    scores = RerankRecommender(cross_encoder, first=Fixed()).fit(BIOS).rank(["w10 w11"])
    np.testing.assert_allclose(scores[0], logits(cross_encoder, "w10 w11"), atol=1e-5)
    assert RerankRecommender(cross_encoder, first=Fixed()).fit(BIOS).rank([]).shape == (0, 5)


def test_by_name(cross_encoder):
    assert isinstance(by_name.build_recommender(f"rerank:{cross_encoder}"), RerankRecommender)


def test_what_is_no_cross_encoder_is_refused(cross_encoder, tmp_path):
    config = BertConfig(vocab_size=VOCAB, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    BertModel(config).save_pretrained(tmp_path / "encoder")
    tiny_tokenizer().save_pretrained(tmp_path / "encoder")
    for make, message in (
        (lambda: RerankRecommender(str(tmp_path / "encoder")), "BertModel.*no cross-encoder with one output"),
        (lambda: RerankRecommender(save(tmp_path / "three", 3)), "3 outputs"),
        (lambda: RerankRecommender(str(tmp_path / "nothing")), "hf download .*nothing"),
        (lambda: RerankRecommender(cross_encoder, first=Fixed()).rank(["w1"]), "call fit"),
    ):
        with pytest.raises(InputError, match=message) as error:
            make()
        assert "\n" not in str(error.value)
