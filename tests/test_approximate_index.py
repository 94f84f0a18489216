"""FAISS with exact products after it: the recall that was asked for, measured and not claimed."""

import numpy as np
import pytest

from autorefine_lib.approximate_index import ApproximateIndex, share_found
from autorefine_lib.errors import InputError


@pytest.fixture(scope="module")
def clustered() -> np.ndarray:
    """Vectors around 40 centres, as embeddings of 40 occupations are."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, 32), dtype=np.float32)
    vectors = centres[rng.integers(40, size=6000)] + 0.5 * rng.standard_normal((6000, 32), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_reaches_the_recall_with_few_lists(clustered):
    index = ApproximateIndex(clustered)
    rng = np.random.default_rng(1)
    queries = clustered[rng.integers(6000, size=50)] + 0.05 * rng.standard_normal((50, 32), dtype=np.float32)
    scores, rows = index.search(queries, 20)
    products = queries @ clustered.T
    expected = np.argsort(-products, axis=1)[:, :20]
    assert index.recall >= 0.98 and share_found(rows, expected) >= 0.95
    assert index.probes < index._index.nlist / 2
    np.testing.assert_allclose(scores, np.take_along_axis(products, rows, 1), atol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all()
    assert index.bytes < 0.4 * clustered.nbytes


def test_same_seed_same_rows(clustered):
    found = [ApproximateIndex(clustered[:1000], recall=0.9).search(clustered[:5], 10)[1] for _ in range(2)]
    np.testing.assert_array_equal(*found)


def test_recall_is_measured_on_the_queries_given(clustered):
    far = np.random.default_rng(2).standard_normal((30, 32), dtype=np.float32)
    near, hard = ApproximateIndex(clustered), ApproximateIndex(clustered, queries=far)
    assert hard.probes > near.probes and hard.recall >= 0.98
    expected = np.argsort(-(far @ clustered.T), axis=1)[:, :20]
    assert hard.recall == pytest.approx(share_found(hard.search(far, 20)[1], expected))


def test_more_than_the_lists_read_hold(clustered):
    index = ApproximateIndex(clustered[:1000], recall=0.01)
    assert index.probes == 1
    assert (np.sort(index.search(clustered[:2], 1000)[1], axis=1) == np.arange(1000)).all()


def test_few_vectors_are_one_list(clustered):
    index = ApproximateIndex(clustered[:10])
    assert index.recall == 1.0 and index.search(clustered[:1], 1)[1].tolist() == [[0]]
    assert index.search(clustered[:0], 3)[1].shape == (0, 3)


def test_share_found_by_hand():
    assert share_found(np.array([[1, 2], [3, 4]]), np.array([[2, 1], [4, 9]])) == 0.75


def test_mistakes_end_in_one_line(clustered):
    index, nan = ApproximateIndex(clustered[:10]), np.full((1, 32), np.nan, np.float32)
    for make, message in (
        (lambda: ApproximateIndex(clustered[0]), "shape"),
        (lambda: ApproximateIndex(clustered, recall=0), "recall=0"),
        (lambda: ApproximateIndex(np.vstack([clustered[:100], nan])), "row 100 is not finite"),
        (lambda: ApproximateIndex(clustered, queries=clustered[:2, :5]), "queries of shape"),
        (lambda: index.search(nan, 1), "queries: not finite"),
        (lambda: index.search(clustered[:1, :3], 1), "shape"),
        (lambda: index.search(clustered[:1], 0), "k=0"),
        (lambda: index.search(clustered[:1], 11), "k=11"),
    ):
        with pytest.raises(InputError, match=message):
            make()
