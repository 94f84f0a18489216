"""The packaged static embeddings: what their own package gives, as unit vectors, whatever the company."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from safetensors.numpy import load_file

from autorefine_lib.errors import InputError
from autorefine_lib.models import static_embedding
from autorefine_lib.recommender.dense import DenseRecommender

TEXTS = ["We are looking for a nurse.", "Pilot wanted, full time.", "", "nurse"]


def test_equals_wordllama(monkeypatch):
    monkeypatch.setattr("logging.basicConfig", lambda **_: None)  # which wordllama calls when it is imported
    from tokenizers import Tokenizer
    from wordllama.inference import WordLlamaInference

    # Its own loader looks for the tokenizer in a folder that the package does not have.
    folder = Path(find_spec("wordllama").submodule_search_locations[0])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizers/l2_supercat_tokenizer_config.json"))
    weights = load_file(folder / "weights/l2_supercat_256.safetensors")["embedding.weight"]
    expected = WordLlamaInference(weights, tokenizer).embed(TEXTS[:2], norm=True)
    np.testing.assert_allclose(static_embedding.embed(TEXTS[:2]), expected, atol=1e-6)


def test_unit_vectors_that_do_not_depend_on_company():
    vectors = static_embedding.embed(TEXTS)
    assert vectors.shape == (4, static_embedding.DIMENSION) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 0, 1], atol=1e-6)
    for text, vector in zip(TEXTS, vectors, strict=True):
        np.testing.assert_array_equal(static_embedding.embed([text])[0], vector)
    assert vectors[3] @ vectors[0] > vectors[3] @ vectors[1]
    assert static_embedding.embed([]).shape == (0, 256)


def test_dense_recommender_takes_it():
    recommender = DenseRecommender("wordllama").fit(Dataset.from_dict({"text": TEXTS[:2]}))
    assert recommender.dimension == 256
    np.testing.assert_array_equal(recommender.embed(TEXTS), static_embedding.embed(TEXTS))
    assert recommender.rank(["A pilot", "nurses"]).argmax(1).tolist() == [1, 0]


def test_other_weights_are_refused(monkeypatch):
    monkeypatch.setattr(static_embedding, "SHA256", "0" * 64)
    with pytest.raises(InputError, match="reinstall"):
        static_embedding.load_model()
