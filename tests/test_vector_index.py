"""Exact search: against a plain float64 product, with ties, and where bfloat16 alone would be wrong."""

import numpy as np
import pytest

from autorefine_lib import vector_index
from autorefine_lib.approximate_index import ApproximateIndex
from autorefine_lib.errors import InputError
from autorefine_lib.vector_index import ExactIndex


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = rng.standard_normal(shape, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def reference(vectors: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-(queries.astype(float) @ vectors.T.astype(float)), axis=1, kind="stable")[:, :k]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(vector_index, "_BLOCK", 512)
    monkeypatch.setattr(vector_index, "_SHORTLIST", 24)


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
@pytest.mark.parametrize(("n", "k"), [(3000, 20), (3001, 1), (17, 17), (1, 1), (600, 300)])
def test_finds_what_a_float64_product_finds(precision, n, k):
    rng = np.random.default_rng(n)
    vectors, queries = unit(rng, n, 32), unit(rng, 5, 32)
    scores, rows = ExactIndex(vectors, precision).search(queries, k)
    assert scores.shape == rows.shape == (5, k) and scores.dtype == np.float32
    np.testing.assert_array_equal(rows, reference(vectors, queries, k))
    np.testing.assert_allclose(scores, np.take_along_axis(queries @ vectors.T, rows, 1), atol=1e-6)


def test_vectors_too_close_for_bfloat16_are_searched_again(monkeypatch):
    rng = np.random.default_rng(0)
    query = unit(rng, 1, 32)
    # All within 1e-4 of one score: bfloat16 cannot tell them apart, float32 can.
    vectors = query + 1e-4 * rng.standard_normal((4000, 32), dtype=np.float32)
    index, again = ExactIndex(vectors, "bfloat16"), []
    plain = ExactIndex._float32_shortlists
    monkeypatch.setattr(ExactIndex, "_float32_shortlists", lambda *given: again.append(1) or plain(*given))
    rounded = np.argsort(-(index._rounded.float().numpy() @ query[0]), kind="stable")[:20]
    expected = reference(vectors, query, 20)
    assert set(rounded) != set(expected[0])
    np.testing.assert_array_equal(index.search(query, 20)[1], expected)
    assert again == [1]


def test_well_spread_vectors_need_no_second_search(monkeypatch):
    rng = np.random.default_rng(1)
    index = ExactIndex(unit(rng, 4000, 64), "bfloat16")
    monkeypatch.setattr(ExactIndex, "_float32_shortlists", lambda *_: pytest.fail("searched again"))
    assert index.search(unit(rng, 8, 64), 5)[1].shape == (8, 5)


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_ties_keep_the_order_of_the_rows(precision):
    rng = np.random.default_rng(2)
    vectors = unit(rng, 2000, 32)
    vectors[[7, 900, 1990]] = vectors[1200]
    scores, rows = ExactIndex(vectors, precision).search(vectors[1200:1201], 5)
    assert rows[0, :4].tolist() == [7, 900, 1200, 1990]
    assert len(set(scores[0, :4].tolist())) == 1


def test_memory_map_and_bytes(tmp_path):
    rng = np.random.default_rng(3)
    np.save(tmp_path / "v.npy", unit(rng, 1000, 32))
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    index = ExactIndex(mapped, "bfloat16")
    assert index.bytes == 1008 * 32 * 2 and ExactIndex(mapped).bytes == 0, "1000 rows in groups of 16"
    np.testing.assert_array_equal(index.search(mapped[:3], 4)[1], reference(mapped, mapped[:3], 4))


def test_no_queries_give_no_rows():
    scores, rows = ExactIndex(np.eye(4, dtype=np.float32), "bfloat16").search(np.zeros((0, 4), np.float32), 2)
    assert scores.shape == rows.shape == (0, 2)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros((0, 4), np.float32), "shape \\(0, 4\\)"),
        (np.zeros(4, np.float32), "shape \\(4,\\)"),
        (np.zeros((2, 4)), "float64"),
        (np.array([[1.0, 0.0], [np.nan, 1.0]], np.float32), "row 1 is not finite"),
    ],
)
def test_wrong_vectors_are_refused(vectors, message):
    with pytest.raises(InputError, match=message):
        ExactIndex(vectors)


def test_wrong_queries_and_k_are_refused():
    index = ExactIndex(np.eye(4, dtype=np.float32))
    query = np.ones((1, 4), np.float32)
    for bad, k, message in (
        (query[:, :3], 1, "shape"),
        (query * np.nan, 1, "not finite"),
        (query, 0, "k=0 is not between 1 and 4"),
        (query, 5, "k=5"),
    ):
        with pytest.raises(InputError, match=message):
            index.search(bad, k)
    with pytest.raises(InputError, match="auto, bfloat16, float32"):
        ExactIndex(np.eye(4, dtype=np.float32), "int8")


def test_memory_at_hand_is_a_number_of_bytes():
    assert 2**20 < vector_index.memory_at_hand() < 2**50


def test_what_does_not_fit_into_memory_goes_to_faiss():
    vectors = unit(np.random.default_rng(4), 2000, 32)
    assert isinstance(vector_index.open_index(vectors), ExactIndex)
    assert isinstance(vector_index.open_index(vectors, memory=1000), ApproximateIndex)
