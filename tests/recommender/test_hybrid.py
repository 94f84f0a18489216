"""Reciprocal rank fusion: by hand, against ranx, and whatever the candidates' order."""

from copy import copy

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.errors import InputError
from autorefine_lib.recommender.hybrid import HybridRecommender, fuse_reciprocal_ranks


def test_by_hand():
    dense, lexical = np.array([[0.9, 0.1, 0.5]]), np.array([[0.0, 3.0, 0.0]])
    # Ranks 1 3 2 and, two tied at 0 behind one, 2 1 2.
    expected = [[1 / 61 + 1 / 62, 1 / 63 + 1 / 61, 1 / 62 + 1 / 62]]
    np.testing.assert_allclose(fuse_reciprocal_ranks([dense, lexical]), expected, rtol=1e-12)
    np.testing.assert_allclose(fuse_reciprocal_ranks([dense]), [[1 / 61, 1 / 63, 1 / 62]], rtol=1e-12)


def test_agrees_with_ranx():
    from ranx import Run, fuse

    rng = np.random.default_rng(0)
    rankings = [rng.standard_normal((3, 12)) for _ in range(3)]
    runs = [
        Run({f"q{row}": {f"d{i:02d}": float(s) for i, s in enumerate(scores[row])} for row in range(3)})
        for scores in rankings
    ]
    fused = fuse(runs=runs, method="rrf", params={"k": 60}).to_dict()
    expected = [[fused[f"q{row}"][f"d{i:02d}"] for i in range(12)] for row in range(3)]
    np.testing.assert_allclose(fuse_reciprocal_ranks(rankings), expected, rtol=0, atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.integers(0, 4), min_size=6, max_size=6), min_size=1, max_size=4), st.permutations(range(6)))
def test_order_of_candidates_does_not_matter_even_with_ties(rankings, order):
    rankings = [np.array([scores], float) for scores in rankings]
    fused = fuse_reciprocal_ranks(rankings)
    np.testing.assert_array_equal(fuse_reciprocal_ranks([each[:, order] for each in rankings]), fused[:, order])
    np.testing.assert_array_equal(fused, fuse_reciprocal_ranks([np.exp(each) for each in rankings]))


class Fixed:
    def __init__(self, scores):
        self.scores = np.array(scores, np.float32)

    def fit(self, candidates):
        self.fitted = len(candidates)
        return self

    def rank(self, ads):
        return self.scores[: len(ads)]


def test_a_copy_is_fitted_by_itself():
    hybrid = HybridRecommender([Fixed([[3, 2, 1]])]).fit(Dataset.from_dict({"text": ["a", "b", "c"]}))
    copy(hybrid).fit(Dataset.from_dict({"text": ["a"]}))
    assert hybrid.recommenders[0].fitted == 3


def test_hybrid_fits_and_fuses_each():
    parts = [Fixed([[3, 2, 1]]), Fixed([[0, 5, 0]])]
    hybrid = HybridRecommender(parts).fit(Dataset.from_dict({"text": ["a", "b", "c"]}))
    assert [each.fitted for each in parts] == [3, 3]
    scores = hybrid.rank(["ad"])
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [[1 / 61 + 1 / 62, 1 / 62 + 1 / 61, 1 / 63 + 1 / 62]], rtol=1e-6)


def test_mistakes_end_in_one_line():
    two = np.ones((1, 2))
    for make, message in (
        (lambda: fuse_reciprocal_ranks([two, np.ones((1, 3))]), "shape \\(1, 3\\), not \\(1, 2\\)"),
        (lambda: fuse_reciprocal_ranks([two * np.nan]), "score of ad 0, candidate 0"),
    ):
        with pytest.raises(InputError, match=message):
            make()
    assert fuse_reciprocal_ranks([np.ones((0, 4))]).shape == (0, 4)
