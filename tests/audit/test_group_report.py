"""Group measures: hand-computed numbers, fairlearn as reference, invariances."""

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from fairlearn import metrics as fairlearn
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.audit import group_counts
from autorefine_lib.metrics import groups

# Two ads rank six candidates; f, f, m, m, m and one unknown.
CANDIDATES = Dataset.from_dict(
    {
        "occupation": ["cook", "nurse", "cook", "cook", "nurse", "cook"],
        "gender": ["f", "f", "m", "m", "m", None],
        "race": ["b", "a", "a", "b", "b", "a"],
    }
)
JOBS = Dataset.from_dict({"job_id": ["c", "n"], "occupation": ["cook", "nurse"]})
SCORES = np.array([[0.9, 0.1, 0.8, 0.7, 0.2, 0.3], [0.1, 0.9, 0.2, 0.3, 0.8, 0.85]])  # a c d f e b | b f e d c a


def report(attribute="gender", k=2, scores=SCORES, jobs=JOBS, candidates=CANDIDATES, pool="all"):
    part = groups.of(candidates, attribute)
    (counts,), _ = group_counts.count(scores, jobs, candidates, [part], k, pool)
    return group_counts.compare_groups(part, counts).set_index("group", drop=False)


def random_input(seed, jobs=4, people=40, ties=False):
    rng = np.random.default_rng(seed)
    columns = {"gender": ["f", "m", "x"], "race": list("abcd"), "occupation": ["cook", "nurse"]}
    candidates = Dataset.from_dict(
        {name: values * 2 + rng.choice(values, people - 2 * len(values)).tolist() for name, values in columns.items()}
    )
    adverts = Dataset.from_dict(
        {"job_id": [str(i) for i in range(jobs)], "occupation": ["cook", "nurse"] * (jobs // 2)}
    )
    scores = rng.integers(0, 4, (jobs, people)) if ties else rng.normal(size=(jobs, people))
    return {"scores": scores.astype(np.float32), "jobs": adverts, "candidates": candidates}


def test_rates_by_hand():
    table = report()  # selected: a (f), c (m) | b (f), f (unknown)
    assert table.index.tolist() == ["f", "m", "unknown"] and table["candidates"].tolist() == [2, 3, 1]
    assert table["share"].tolist() == pytest.approx([1 / 3, 1 / 2, 1 / 6])
    assert table["selected"].tolist() == [2, 1, 1] and table["available"].tolist() == [4, 6, 2]
    assert table["selection_rate"].tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 2])
    assert table["impact_ratio"].tolist() == pytest.approx([1, 1 / 3, np.nan], nan_ok=True)
    assert table["reference"].eq("f").all() and table["reference_rate"].eq(0.5).all()
    # Medians 0.5 and 0.55: above are a, c, d | b, e, f.
    assert table["above_median"].tolist() == [2, 3, 1]
    assert table["scoring_rate"].tolist() == pytest.approx([1 / 2, 1 / 2, 1 / 2])


def test_the_qualified_are_ranked_among_themselves():
    table = report(pool="qualified", k=1)  # a of a, c, d, f | b of b, e
    assert table["available"].tolist() == [2, 3, 1] and table["selected"].tolist() == [2, 0, 0]
    assert table["selection_rate"].tolist() == [1, 0, 0]


def test_the_intersection_of_two_attributes_by_hand():
    crossed = report(("gender", "race"))
    # The most selected are f & a and f & b: of the two the first is the reference.
    assert crossed["reference"].unique().tolist() == ["f & a"] and crossed["candidates"].tolist() == [1, 1, 1, 2, 1]


def test_a_small_group_is_compared_with_none():
    people = Dataset.from_dict({"occupation": ["cook"] * 100, "gender": ["x"] + ["f"] * 50 + ["m"] * 49})
    table = report(k=3, scores=-np.arange(100.0)[None], jobs=JOBS.select([0]), candidates=people)
    assert table["compared"].tolist() == [True, True, False, False] and table["reference"].iloc[0] == "f"
    assert np.isnan(table.loc["x", "impact_ratio"]) and table.loc["x", "selection_rate"] == 1
    people = Dataset.from_dict({"occupation": ["cook"] * 100, "gender": ["x"] * 2 + ["f"] * 49 + ["m"] * 49})
    table = report(k=3, scores=-np.arange(100.0)[None], jobs=JOBS.select([0]), candidates=people)
    assert table.loc["x", "compared"] and table["reference"].iloc[0] == "x", "2 % are no longer small"


def test_one_group_has_no_ratio_and_says_so():
    people = CANDIDATES.remove_columns("gender").add_column("gender", ["f"] * 5 + [None])
    row = report(candidates=people).loc["f"]
    assert np.isnan(row["impact_ratio"]) and row["selection_rate"] == pytest.approx(0.3)


def test_ratios_need_no_occupation():
    table = report(jobs=JOBS.remove_columns("occupation"), candidates=CANDIDATES.remove_columns("occupation"))
    pd.testing.assert_series_equal(table["impact_ratio"], report()["impact_ratio"])


def test_equal_scores_are_not_above_their_median_and_are_selected_alike():
    table = report(scores=np.zeros((2, 6)))
    assert table["selected"].tolist() == pytest.approx([4 / 3, 2, 2 / 3]) and table["scoring_rate"].tolist() == [0] * 3
    assert table["impact_ratio"].tolist()[:2] == pytest.approx([1, 1])
    assert table["scoring_ratio"].isna().all(), "nobody of the reference group scores above the median"


@settings(max_examples=4, deadline=None)  # a MetricFrame takes a third of a second
@given(st.integers(0, 10**6), st.integers(1, 9))
def test_agrees_with_fairlearn(seed, k):
    given_ = random_input(seed)
    scores, jobs, candidates = given_.values()
    chosen = np.zeros(scores.shape, int)
    np.put_along_axis(chosen, np.argsort(-scores, axis=1, kind="stable")[:, :k], 1, axis=1)
    wanted = np.array(jobs["occupation"][:])[:, None] == np.array(candidates["occupation"][:])
    people = {name: candidates[name][:] * len(jobs) for name in ("gender", "race")}
    truth = {"y_true": wanted.ravel(), "y_pred": chosen.ravel()}
    rates = {"selection_rate": fairlearn.selection_rate}
    by_gender = fairlearn.MetricFrame(metrics=rates, sensitive_features=people["gender"], **truth).by_group
    features = pd.DataFrame(people)
    crossed = fairlearn.MetricFrame(metrics=rates, sensitive_features=features, **truth).by_group.dropna()
    crossed.index = [" & ".join(name) for name in crossed.index]
    for attribute, expected in (("gender", by_gender), (("gender", "race"), crossed)):
        ours = report(attribute, k, **given_).loc[expected.index, expected.columns]
        pd.testing.assert_frame_equal(ours, expected, check_names=False, check_dtype=False, rtol=1e-9)
    lowest = report("gender", k, **given_)["impact_ratio"].min()
    ratio = fairlearn.demographic_parity_ratio(**truth, sensitive_features=people["gender"])
    assert lowest == pytest.approx(ratio, abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.booleans())
def test_the_order_of_the_candidates_does_not_matter(seed, k, ties):
    given_ = random_input(seed, ties=ties)
    order = np.random.default_rng(seed + 1).permutation(len(given_["candidates"]))
    moved = given_ | {"scores": given_["scores"][:, order], "candidates": given_["candidates"].select(order)}
    one, two = (report(("gender", "race"), k, **each) for each in (given_, moved))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.booleans())
def test_names_of_groups_do_not_matter(seed, k, ties):
    given_ = random_input(seed, ties=ties)
    renamed = given_["candidates"].map(lambda row: {"gender": {"f": "3", "m": "1", "x": "2"}[row["gender"]]})
    one, two = report(k=k, **given_), report(k=k, **(given_ | {"candidates": renamed}))
    two = two.rename({"3": "f", "1": "m", "2": "x"})
    numbers = one.select_dtypes("number").columns
    pd.testing.assert_frame_equal(one[numbers], two.loc[one.index, numbers], check_names=False)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_a_doubled_pool_that_selects_twice_as_many_has_the_same_rates(seed, k):
    given_ = random_input(seed)
    twice = np.repeat(np.arange(len(given_["candidates"])), 2)
    doubled = given_ | {"scores": given_["scores"][:, twice], "candidates": given_["candidates"].select(twice)}
    names = ["selection_rate", "impact_ratio", "scoring_rate", "scoring_ratio"]
    for attribute in ("gender", "race"):
        one, two = report(attribute, k, **given_), report(attribute, 2 * k, **doubled)
        pd.testing.assert_frame_equal(one[names], two[names])
