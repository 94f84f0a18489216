"""The permutation of labels among candidates: exact probabilities by hand, and no more false alarms than promised."""

import numpy as np
import pytest

from autorefine_lib.audit.label_permutation import Labels, p_values
from autorefine_lib.errors import InputError

BOTH = np.array([True, True])
ONE_POOL = [(np.array([0]), np.arange(4))]


def test_the_probability_by_hand():
    # Both of group 1 selected: 1 of the 6 pairs leaves nobody of group 0, and none gives group 1 less than the most.
    low, high = p_values(np.array([[4.0, 3, 2, 1]]), ONE_POOL, [Labels(np.array([1, 1, 0, 0]), BOTH)], 2, 20_000)[0]
    assert low == pytest.approx(1 / 6, abs=0.01) and high == 1


def test_labels_stay_in_their_pool():
    # Each pool has one group, so that every shuffle is the data again.
    divided = [(np.array([0]), np.arange(2)), (np.array([1]), np.arange(2, 4))]
    values = p_values(np.eye(2, 4), divided, [Labels(np.array([0, 0, 1, 1]), BOTH)], 1, 100)[0]
    np.testing.assert_array_equal(values, [1, 1])


def test_a_group_that_is_not_compared_has_no_value():
    values = p_values(np.eye(1, 4), ONE_POOL, [Labels(np.array([0, 1, 2, 2]), np.array([True, True, False]))], 1, 50)[0]
    assert np.isnan(values[2]) and not np.isnan(values[:2]).any()


def test_false_alarms_are_as_rare_as_promised_when_the_same_people_are_always_selected():
    rng = np.random.default_rng(0)
    alarms = []
    for _ in range(200):
        scores = np.tile(rng.random(40), (10, 1))
        codes = rng.integers(0, 2, 40)
        values = p_values(scores, [(np.arange(10), np.arange(40))], [Labels(codes, BOTH)], 8, 199)[0]
        alarms.append(values.min() <= 0.05)
    # The most selected of two is the reference, so one of the two tails counts: 10 % at most, and its sampling error.
    assert np.mean(alarms) <= 0.15


def test_where_all_are_tied_nobody_is_selected_by_chance_or_order():
    values = p_values(np.zeros((3, 4)), [(np.arange(3), np.arange(4))], [Labels(np.array([1, 1, 0, 0]), BOTH)], 2, 50)
    np.testing.assert_array_equal(values[0], [1, 1])


def test_expected_selections_are_shuffled_by_hand():
    # Weights 1, 1/2, 1/2, 0. Group 1 has the first two, 1.5 of 2: the highest of the values that two of the four may
    # have (1.5, 1.5, 1, 1, 0.5, 0.5), as low for group 0 in 2 of 6 labellings.
    labels = Labels(np.array([1, 1, 0, 0]), BOTH)
    low, high = p_values(np.array([[4.0, 3, 3, 1]]), ONE_POOL, [labels], 2, 20_000)[0]
    assert low == pytest.approx(1 / 3, abs=0.01) and high == 1


def test_the_order_of_the_candidates_changes_no_p_value():
    rng = np.random.default_rng(3)
    scores, codes = rng.integers(0, 4, (6, 40)).astype(float), rng.integers(0, 3, (2, 40))
    three, order = np.ones(3, bool), rng.permutation(40)
    divided = [(np.arange(4), np.arange(40)), (np.arange(4, 6), np.arange(40))]
    one = p_values(scores, divided, [Labels(code, three) for code in codes], 7, 200)
    other = p_values(scores[:, order], divided, [Labels(code[order], three) for code in codes], 7, 200)
    np.testing.assert_array_equal(one, other)


def test_k_above_the_pool_is_refused():
    with pytest.raises(InputError, match="k=5"):
        p_values(np.eye(1, 4), ONE_POOL, [Labels(np.array([0, 0, 1, 1]), BOTH)], 5, 10)
