"""Groups: counted ad by ad as a full sort does; measures by hand, against fairlearn, and invariances.

Ties are in tests/metrics/test_ties.py.
"""

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from fairlearn import metrics as fairlearn
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.audit import group_counts
from autorefine_lib.errors import InputError
from autorefine_lib.metrics import groups

THREE_ADS = Dataset.from_dict({"job_id": list("123"), "occupation": ["cook", "nurse", "cook"]})
THIRTEEN = Dataset.from_dict(
    {
        "occupation": ["cook"] * 6 + ["nurse"] * 4 + ["pilot"] * 3,
        "gender": ["f", "m", None, "f", "m", "m", "f", "f", "m", None, "m", "f", "f"],
    }
)


def count_slowly(scores, part, k, pool):
    """The same counts one ad and one candidate at a time, from a full sort and a median of exact halves."""
    counts = np.zeros((len(THREE_ADS), len(part.names), 3))
    offered = list(THIRTEEN["occupation"])
    for job, occupation in enumerate(THREE_ADS["occupation"]):
        fit = [name == occupation for name in offered]
        everyone = [place for place in range(len(offered)) if pool == "all" or fit[place]]
        order = sorted(everyone, key=lambda place: -scores[job, place])
        median = np.median([float(scores[job, place]) for place in everyone])
        for place in everyone:
            rank = order.index(place) + 1
            chosen = rank <= k
            above = scores[job, place] > median
            counts[job, part.codes[place]] += [chosen, 1, above]
    return counts


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from(["all", "qualified"]))
def test_the_fast_path_is_the_slow_one(seed, k, pool):
    scores = np.random.default_rng(seed).normal(size=(3, 13)).astype(np.float32)
    part = groups.of(THIRTEEN, "gender")
    counts, tied = group_counts.count(scores, THREE_ADS, THIRTEEN, [part, part], k, pool)
    assert tied == 0
    for of_part in counts:
        np.testing.assert_allclose(of_part, count_slowly(scores, part, k, pool), rtol=0, atol=1e-12)


def test_ads_with_a_tie_across_rank_k_are_counted():
    scores = np.zeros((3, 13))
    scores[0, :3] = 1  # a tie that ends at rank 3
    scores[1, :2] = 1
    scores[2, :2] = [2, 1]
    part = groups.of(THIRTEEN, "gender")
    assert [group_counts.count(scores, THREE_ADS, THIRTEEN, [part], k, "all")[1] for k in (1, 2, 3)] == [2, 1, 2]


def test_a_median_between_two_neighbouring_floats_does_not_round():
    # The mean of the middle scores rounds to the higher of them, which is above the exact median.
    low = np.float32(1) + np.finfo(np.float32).eps
    high = np.nextafter(low, np.float32(2))
    scores = np.array([[low, high]], np.float32)
    assert np.float32(np.median(scores)) == high
    people = Dataset.from_dict({"gender": ["f", "m"]})
    (counts,), _ = group_counts.count(
        scores, Dataset.from_dict({"job_id": ["1"]}), people, [groups.of(people, "gender")], 1, "all"
    )
    assert counts[0, :2, group_counts.COUNTS.index("above_median")].tolist() == [0, 1]


def test_pools_of_occupations_and_of_all():
    jobs = Dataset.from_dict({"occupation": ["a", "b", "a"]})
    people = Dataset.from_dict({"occupation": ["b", "a", "a"]})
    found = [(rows.tolist(), indices.tolist()) for rows, indices in group_counts.pools(jobs, people, "qualified")]
    assert found == [([0, 2], [1, 2]), ([1], [0])]
    assert [len(part) for part in next(group_counts.pools(jobs, people, "all"))] == [3, 3]


@pytest.mark.parametrize(("k", "pool", "size"), [(0, "all", 13), (14, "all", 13), (5, "qualified", 4)])
def test_a_k_that_no_pool_has_is_named(k: int, pool: str, size: int):
    with pytest.raises(InputError, match=f"k={k} is not between 1 and {size}"):
        group_counts.count(np.zeros((3, 13)), THREE_ADS, THIRTEEN, [groups.of(THIRTEEN, "gender")], k, pool)


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
