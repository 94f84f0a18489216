"""paraphrase-MiniLM-L3-v2 in ONNX: its own pooled output, sensible cosines, whatever the company of a text."""

import numpy as np
import pytest
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.models import paraphrase_minilm
from autorefine_lib.recommender.dense import DenseRecommender

TEXTS = [
    "We are looking for a nurse for our ward.",
    "Our hospital wants to hire somebody who cares for patients.",
    "Pilot wanted, full time.",
    "An airline needs people who fly its planes, at first on short distances and later on across the ocean.",
    "You develop the software of our shop in Python.",
    "",
]


@pytest.fixture(scope="module")
def model():
    return paraphrase_minilm.load_model()


def test_vectors_are_the_graphs_own_pooled_output(model):
    encoder = model[0]
    pooled = next(output.name for output in encoder._session.get_outputs() if output.shape[1:] == [384])
    inputs = encoder.preprocess(TEXTS)
    expected = encoder._session.run([pooled], {name: item.numpy() for name, item in inputs.items()})[0]
    np.testing.assert_allclose(model.encode(TEXTS), expected, atol=1e-5)


def test_paraphrases_are_nearest(model):
    vectors = model.encode(TEXTS[:5], normalize_embeddings=True)
    cosines = vectors @ vectors.T - 2 * np.eye(5)
    assert cosines[:4].argmax(1).tolist() == [1, 0, 3, 2]


def test_recommender_gives_unit_vectors_that_do_not_depend_on_order_or_company():
    recommender = DenseRecommender("paraphrase-minilm").fit(Dataset.from_dict({"text": TEXTS}))
    assert recommender.dimension == 384
    vectors = recommender.embed(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    for text, vector in zip(TEXTS, vectors, strict=True):
        np.testing.assert_allclose(fresh(recommender).embed([text])[0], vector, atol=1e-6)
    np.testing.assert_allclose(fresh(recommender).embed(TEXTS[::-1])[::-1], vectors, atol=1e-6)


def fresh(recommender: DenseRecommender) -> DenseRecommender:
    """The same recommender without the vectors that it remembers."""
    recommender._queries.clear()
    return recommender


def test_long_texts_are_cut(model):
    text = "nurse " * 400
    assert model[0].preprocess([text])["input_ids"].shape == (1, paraphrase_minilm.MAX_TOKENS)
    np.testing.assert_array_equal(model.encode(text), model.encode(text + "pilot " * 50))


def test_another_file_is_refused(monkeypatch):
    monkeypatch.setattr(paraphrase_minilm, "SHA256", "0" * 64)
    with pytest.raises(InputError, match="reinstall"):
        paraphrase_minilm.load_model()
