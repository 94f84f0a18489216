"""Who the k best are and what a rewrite keeps of them: by hand, over all orders of a tie, and against scikit-learn."""

from itertools import permutations, product

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from autorefine_lib.errors import InputError
from autorefine_lib.metrics import top_k

JOBS = Dataset.from_dict({"job_id": ["x", "y"]})
PEOPLE = Dataset.from_dict(
    {"candidate_id": list("abcd"), "occupation": ["nurse", "nurse", "cook", None], "gender": ["f", "m", None, "f"]}
)
# x: a, then b and c share one place; y: c and d.
SCORES = np.array([[3.0, 2, 2, 1], [0, 1, 3, 2]])


def test_who_is_selected_by_hand():
    table = top_k.find_selected(SCORES, JOBS, PEOPLE, "gender", 2)
    assert list(table.columns) == ["job_id", "candidate_id", "occupation", "group", "selected"]
    assert table[["job_id", "candidate_id", "group"]].to_numpy().tolist() == [
        ["x", "a", "f"], ["x", "b", "m"], ["x", "c", "unknown"], ["y", "c", "unknown"], ["y", "d", "f"],
    ]  # fmt: skip
    assert table["selected"].tolist() == [1, 0.5, 0.5, 1, 1] and table["occupation"].isna().sum() == 1
    assert top_k.count_people(table) == 3.5, "a, c and d, and b in one order of two"
    shares = top_k.share_occupations(table)
    assert shares.sum() == 1 and shares["nurse"] == shares["cook"] == 1.5 / 4 and shares.iloc[-1] == 1 / 4
    with pytest.raises(InputError, match="k=5 is not between 1 and 4"):
        top_k.find_selected(SCORES, JOBS, PEOPLE, "gender", 5)


def test_people_are_counted_over_all_orders_of_the_ties():
    """Two ads, three people in a tie for two places: all orders of both, each as likely as the other."""
    table = top_k.find_selected(np.zeros((2, 3)), JOBS, PEOPLE.select(range(3)), "gender", 2)
    orders = list(permutations(range(3)))
    counted = [len({*one[:2], *other[:2]}) for one, other in product(orders, orders)]
    assert top_k.count_people(table) == pytest.approx(np.mean(counted))


def test_overlap_by_hand():
    others = np.array([[3.0, 2, 1, 0], [0, 1, 3, 2]])
    assert top_k.overlap(SCORES, others, 2).tolist() == [0.75, 1]
    assert top_k.overlap(SCORES, SCORES, 2).tolist() == [1, 1]
    assert top_k.overlap(SCORES, -SCORES, 2).tolist() == [0.5, 0], "b or c, whoever stands first in both"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=5), st.integers(0, 4))
def test_overlap_is_that_of_the_sets_and_with_ties_at_least_that_of_one_order_for_both(pairs, cut):
    scores, others = np.array(pairs, float).T
    k = 1 + cut % len(scores)

    def best(row: np.ndarray, order: tuple[int, ...]) -> set[int]:
        return set(sorted(range(len(row)), key=lambda person: (-row[person], order[person]))[:k])

    shared = [len(best(scores, order) & best(others, order)) / k for order in permutations(range(len(scores)))]
    (found,) = top_k.overlap(scores[None], others[None], k)
    assert np.mean(shared) - 1e-12 <= found <= 1
    if len(set(scores)) == len(set(others)) == len(scores):
        assert found == pytest.approx(shared[0])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_ndcg_to_the_original_is_that_of_scikit_learn(seed, k):
    rng = np.random.default_rng(seed)
    scores, originals = rng.integers(-3, 4, (2, 3, 12)).astype(float)  # ties and negative scores
    originals[:, 0] = 1
    expected = [
        ndcg_score(np.maximum(old, 0)[None], new[None], k=k) for old, new in zip(originals, scores, strict=True)
    ]
    np.testing.assert_allclose(top_k.ndcg_to_original(scores, originals, k), expected, atol=1e-12)
    np.testing.assert_allclose(top_k.ndcg_to_original(originals, originals, k), 1)


def test_ndcg_to_the_original_by_hand():
    # The two best of the original, 0.5 and 0.25, change places: (0.25 + 0.5 / log2(3)) / (0.5 + 0.25 / log2(3)).
    originals, scores = np.array([[0.5, 0.25, -0.9]]), np.array([[0.1, 0.3, -0.2]])
    assert top_k.ndcg_to_original(scores, originals, 2) == pytest.approx([(0.25 + 0.31546) / (0.5 + 0.15773)], abs=1e-5)
    assert np.isnan(top_k.ndcg_to_original(scores, -np.ones((1, 3)), 2)).all()
