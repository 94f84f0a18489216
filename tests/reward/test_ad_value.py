"""Values of ads: soft selection and parity by hand, their limits, and what is lost against the original."""

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.errors import InputError
from autorefine_lib.models import static_embedding
from autorefine_lib.reward.ad_value import (
    LOSSES,
    AdValues,
    RewardConfig,
    parity,
    selection_weights,
)

CANDIDATES = Dataset.from_dict(
    {"occupation": ["nurse"] * 6 + ["cook"] * 3, "gender": ["f", "m", "f", "m", "f", "m", "m", "m", "m"]}
)
JOBS = Dataset.from_dict({"job_id": ["n", "c"], "text": ["plain nurse", "plain cook"], "occupation": ["nurse", "cook"]})
SCORES = {
    "plain nurse": [0.5, 0.9, 0.4, 0.8, 0.3, 0.7, 0.1, 0.1, 0.1],  # m m m f f f
    "fair nurse": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.1, 0.1, 0.1],  # f m f m f m
    "worse nurse": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.95, 0.1, 0.1],  # a cook comes first
    "female nurse": [0.9, 0.5, 0.8, 0.4, 0.7, 0.3, 0.1, 0.1, 0.1],  # f f f m m m
    "plain cook": [0.1] * 6 + [0.9, 0.8, 0.7],
    "new cook": [0.1] * 6 + [0.7, 0.8, 0.9],
}


def rank(ads: list[str]) -> np.ndarray:
    return np.array([SCORES[ad] for ad in ads])


def values(rank=rank, embed=None, **config) -> AdValues:
    return AdValues(rank, JOBS, CANDIDATES, "gender", 2, RewardConfig(**config), embed)


def test_selection_weights_by_hand():
    weights = selection_weights(np.array([[4.0, 2.0, 1.0, 3.0]]), k=2, smoothing=1)
    # tau = (3 + 2) / 2, T = sqrt(5) / 2
    expected = 1 / (1 + np.exp(-(np.array([4, 2, 1, 3]) - 2.5) / (np.sqrt(5) / 2)))
    np.testing.assert_allclose(weights, [expected])


@settings(deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=4, max_size=12, unique=True), st.integers(1, 3))
def test_weights_rise_with_the_score_and_end_in_the_hard_top_k(scores, k):
    row = np.array([scores], float)
    soft, hard = selection_weights(row, k, 0.5), selection_weights(row, k, 1e-6)
    assert (np.diff(soft[0, np.argsort(row[0])]) >= 0).all()
    np.testing.assert_allclose(hard[0], row[0] >= np.sort(row[0])[-k], atol=1e-6)


def test_equal_scores_are_no_error():
    np.testing.assert_allclose(selection_weights(np.ones((1, 5)), 2, 0.5), 0.5)


MEMBERS = np.array([[True, True, False, False], [False, False, True, True]])


def test_parity_by_hand_and_from_both_sides():
    weights = np.array([[0.2, 0.4, 0.5, 0.7], [0.5, 0.7, 0.2, 0.4], [0.3, 0.5, 0.5, 0.3]])
    np.testing.assert_allclose(parity(weights, MEMBERS), [0.5, 0.5, 1])  # E: 0.3 against 0.6


def test_parity_of_three_groups():
    members = np.eye(3, dtype=bool)
    weights = np.array([[0.1, 0.2, 0.4]])
    # against the rest: 0.1 / 0.3, 0.2 / 0.25, 0.4 / 0.15
    expected = [1 / 3, 0.8, 0.375]
    np.testing.assert_allclose(parity(weights, members), np.mean(expected))


def test_parity_of_one_group_is_undefined():
    assert np.isnan(parity(np.ones((2, 2)), np.array([[True, True], [False, False]]))).all()


def test_a_fairer_ranking_is_worth_more_and_overshooting_is_not():
    table = values()(["plain nurse", "fair nurse", "female nurse"], ["n"] * 3)
    assert table["parity"][1] > table["parity"][0] == pytest.approx(table["parity"][2])
    assert table["value"].tolist() == pytest.approx(table["parity"].tolist())  # nothing is lost


def test_lost_quality_is_taken_off_and_gained_quality_is_not_paid():
    table = values(w_quality=2.0)(["fair nurse", "worse nurse"], ["n", "n"])
    ndcg = (1 / np.log2(3)) / (1 + 1 / np.log2(3))
    assert table.loc[1, ["mrr_loss", "ndcg_loss"]].tolist() == pytest.approx([0.5, 1 - ndcg])
    assert table["value"][1] == pytest.approx(table["parity"][1] - 2 * (0.5 + 1 - ndcg))
    jobs = JOBS.remove_columns("text").add_column("text", ["worse nurse", "plain cook"])
    better = AdValues(rank, jobs, CANDIDATES, "gender", 2, RewardConfig())(["fair nurse"], ["n"])
    assert better.loc[0, ["mrr_loss", "ndcg_loss"]].tolist() == [0, 0]


def test_lost_meaning_is_one_minus_cosine():
    vectors = {"plain nurse": [1.0, 0.0], "fair nurse": [0.6, 0.8], "female nurse": [-1.0, 0.0]}
    ours = values(embed=lambda ads: np.array([vectors[ad] for ad in ads]), w_meaning=0.5)
    table = ours(["plain nurse", "fair nurse", "female nurse"], ["n"] * 3)
    assert table["meaning_loss"].tolist() == pytest.approx([0, 0.4, 1])
    assert table["value"].tolist() == pytest.approx((table["parity"] - 0.5 * table["meaning_loss"]).tolist())


def test_an_occupation_of_one_gender_has_no_parity_and_raises_nothing():
    table = values()(["plain cook", "new cook"], ["c", "c"])
    assert table["parity"].isna().all() and table["value"].tolist() == [0, 0]


def test_each_distinct_ad_is_ranked_once_and_originals_only_the_first_time():
    calls = []

    def counted(ads: list[str]) -> np.ndarray:
        calls.append(list(ads))
        return rank(ads)

    ours = values(counted)
    first = ours(["fair nurse", "fair nurse", "plain cook"], ["n", "n", "c"])
    assert calls == [["fair nurse", "plain cook", "plain nurse"]]
    pd.testing.assert_frame_equal(ours(["fair nurse"], ["n"]), first[:1])
    assert calls[1:] == [["fair nurse"]]


def test_no_ads_give_no_rows():
    assert len(values()([], [])) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: values()(["fair nurse"], ["x"]), "job_id 'x' is not one of the 2 jobs"),
        (lambda: values(lambda ads: rank(ads)[:, :3])(["fair nurse"], ["n"]), r"shape \(2, 3\), not \(2, 9\)"),
        (lambda: values(lambda ads: rank(ads) * np.nan)(["fair nurse"], ["n"]), "rank returned nan"),
        (lambda: AdValues(rank, JOBS, CANDIDATES, "race", 2, RewardConfig()), "no column 'race'"),
        (lambda: AdValues(rank, JOBS, CANDIDATES.select(range(6)), "gender", 2, RewardConfig()), "occupation 'cook'"),
        (lambda: RewardConfig(w_quality=-1), "w_quality=-1 is negative"),
        (lambda: RewardConfig(w_protected=0), "below w_violation"),
        (lambda: RewardConfig(smoothing=0), "smoothing=0"),
        (lambda: RewardConfig(guards=("facts", "fact")), "'fact' is no guard"),
        (lambda: RewardConfig(w_meaning=float("nan")), "w_meaning=nan"),
        (lambda: AdValues(rank, JOBS, CANDIDATES, (), 2, RewardConfig()), "names no column"),
        (lambda: AdValues(rank, JOBS, CANDIDATES, ("gender", "race"), 2, RewardConfig()), "no column 'race'"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_intersections_of_several_columns():
    people = CANDIDATES.add_column("race", ["x", "y", "y", "x", "x", "y", "x", "y", None])
    ours = AdValues(rank, JOBS, people, ("gender", "race"), 2, RewardConfig())
    assert ours.groups == ["f & x", "f & y", "m & x", "m & y"]
    measured = ours.measure(["plain nurse"], ["n"])
    # The qualified are f x, m y, f y, m x, f x, m y: a cook without a race is in no group.
    assert measured.members.tolist() == [[2, 1, 1, 2]]
    weights = selection_weights(np.array([SCORES["plain nurse"][:6]]), 2, 1.0)[0]
    by_group = [weights[[0, 4]].sum(), weights[2], weights[3], weights[[1, 5]].sum()]
    assert measured.exposure[0].tolist() == pytest.approx(by_group)
    members = np.array([[1, 0, 0, 0, 1, 0], [0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 1]], bool)
    mean = ours(["plain nurse"], ["n"])["parity"][0]
    assert mean == pytest.approx(parity(weights[None], members)[0])


def test_one_column_is_the_same_alone_or_in_a_list():
    alone, listed = (AdValues(rank, JOBS, CANDIDATES, name, 2, RewardConfig()) for name in ("gender", ["gender"]))
    pd.testing.assert_frame_equal(alone(["fair nurse"], ["n"]), listed(["fair nurse"], ["n"]))


AD = "You need a master's degree in nursing, 5 years of practice and a driving license. The pay is $80,000."


texts = st.lists(st.sampled_from([*AD.split(), "Python", "7", "$9", "must", "PhD", "she"]), max_size=30).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(texts, st.lists(st.floats(-1, 1, width=32), min_size=9, max_size=9))
def test_every_part_is_bounded(text, scores):
    """Whatever the text and the scores: parity and each loss between 0 and 1, so the value between bounds too."""
    jobs = JOBS.remove_columns("text").add_column("text", [AD, AD])

    def any_rank(ads: list[str]) -> np.ndarray:
        return np.array([scores if ad == text else SCORES["plain nurse"] for ad in ads])

    values = AdValues(any_rank, jobs, CANDIDATES, "gender", 2, RewardConfig(), embed=static_embedding.embed)
    table = values([text, AD], ["n", "n"])
    parts = table[["parity", *LOSSES]].to_numpy()
    assert ((parts >= 0) & (parts <= 1 + 1e-9)).all()
    assert table.loc[1, list(LOSSES)].tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    assert (table["value"] <= 1).all() and (table["value"] >= -2 - 0.2).all()
