"""Group metrics: hand-computed numbers, fairlearn and FairRankTune as references, invariances, bad input."""

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from fairlearn import metrics as fairlearn
from FairRankTune.Metrics import EXP, NDKL
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.audit import group_report
from autorefine_lib.errors import InputError
from autorefine_lib.metrics import bootstrap, ranking

# Two jobs rank six candidates; f, f, m, m, m and one unknown.
CANDIDATES = Dataset.from_dict(
    {
        "occupation": ["cook", "nurse", "cook", "cook", "nurse", "cook"],
        "gender": ["f", "f", "m", "m", "m", None],
        "race": ["b", "a", "a", "b", "b", "a"],
    }
)
JOBS = Dataset.from_dict({"job_id": ["c", "n"], "occupation": ["cook", "nurse"]})
SCORES = np.array([[0.9, 0.1, 0.8, 0.7, 0.2, 0.3], [0.1, 0.9, 0.2, 0.3, 0.8, 0.85]])  # a c d f e b | b f e d c a


def report(attributes=("gender",), k=2, scores=SCORES, jobs=JOBS, candidates=CANDIDATES, **options):
    return group_report.measure(scores, jobs, candidates, list(attributes), k, **options)


def rows(measured, attribute="gender"):
    return measured.by_group[measured.by_group["attribute"] == attribute].set_index("group")


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
    return scores.astype(np.float32), adverts, candidates


def test_rates_by_hand():
    measured = report()  # selected: a (f), c (m) | b (f), f (unknown)
    table = rows(measured)
    assert table.index.tolist() == ["f", "m", "unknown"] and table["candidates"].tolist() == [2, 3, 1]
    assert table["selected"].tolist() == [2, 1, 1] and table["available"].tolist() == [4, 6, 2]
    assert table["selection_rate"].tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 2])
    assert table["impact_ratio"].tolist() == pytest.approx([1, 1 / 3, np.nan], nan_ok=True)
    assert table["four_fifths"].tolist() == [False, True, pd.NA]
    # Medians 0.5 and 0.55: above are a, c, d | b, e, f.
    assert table["above_median"].tolist() == [2, 3, 1]
    assert table["scoring_rate"].tolist() == pytest.approx([1 / 2, 1 / 2, 1 / 2])
    # Qualified: a, c, d, f | b, e. Of them selected: a, c | b.
    assert table["qualified"].tolist() == [2, 3, 1] and table["qualified_selected"].tolist() == [2, 1, 0]
    assert table["true_positive_rate"].tolist() == pytest.approx([1, 1 / 3, 0])
    second = 1 / np.log2(3)
    assert table["exposure"].tolist() == pytest.approx([2 / 4, second / 6, second / 2])
    assert table["skew"].tolist() == pytest.approx([np.log(0.5 / (1 / 3)), np.log(0.5), np.log(1.5)])
    summary = measured.summary.iloc[0]
    assert summary["worst_group"] == "m" and summary["impact_ratio_worst"] == pytest.approx(1 / 3)
    assert summary["demographic_parity_difference"] == pytest.approx(1 / 3)
    assert summary["equal_opportunity_difference"] == pytest.approx(2 / 3)
    assert summary["exposure_ratio"] == pytest.approx(second / 3)
    assert summary["unknown"] == 1 and summary["groups"] == 2
    assert table.loc["unknown", "note"].startswith("no value given: ranked with the others")


def test_the_qualified_are_ranked_among_themselves():
    table = rows(report(pool="qualified", k=1))  # a of a, c, d, f | b of b, e
    assert table["available"].tolist() == [2, 3, 1] and table["selected"].tolist() == [2, 0, 0]
    assert table["true_positive_rate"].tolist() == table["selection_rate"].tolist() == [1, 0, 0]
    assert table.loc["m", "skew"] == -np.inf and "nobody selected: skew is minus infinity" in table.loc["m", "note"]


def test_four_fifths_are_whole_numbers():
    table = pd.DataFrame({"group": ["a", "b"], "selected": [6, 15], "available": [10, 20], "reference": "b"})
    table["impact_ratio"] = [(6 / 10) / (15 / 20), 1.0]
    assert table["impact_ratio"][0] < 0.8 and group_report._below_four_fifths(table).tolist() == [False, False]


def test_several_attributes_and_references_at_once():
    measured = report(["gender", "race", ("gender", "race")], reference=["m", "b"])
    assert measured.summary["attribute"].tolist() == ["gender", "race", "gender & race"]
    assert rows(measured)["reference"].unique().tolist() == ["m"]
    assert rows(measured).loc["f", "impact_ratio"] == pytest.approx(3)
    assert rows(measured, "race")["reference"].unique().tolist() == ["b"]
    crossed = rows(measured, "gender & race")  # no reference named: the most selected, of f & a and f & b the first
    assert crossed["reference"].unique().tolist() == ["f & a"] and crossed["candidates"].tolist() == [1, 1, 1, 2, 1]


def test_small_groups_are_flagged_and_excluded_only_when_asked():
    people = Dataset.from_dict({"occupation": ["cook"] * 100, "gender": ["x"] + ["f"] * 50 + ["m"] * 49})
    scores = -np.arange(100.0)[None]
    counted = report(k=3, scores=scores, jobs=JOBS.select([0]), candidates=people)
    table = rows(counted)
    assert table["small"].tolist() == [False, False, True, False] and table["reference"].iloc[0] == "x"
    assert "small group: 1 candidates" in table.loc["x", "note"]
    table = rows(report(k=3, scores=scores, jobs=JOBS.select([0]), candidates=people, exclude_small=True))
    assert table["reference"].iloc[0] == "f" and np.isnan(table.loc["x", "impact_ratio"])
    assert table.loc["x", "selection_rate"] == 1 and "left out of the comparison" in table.loc["x", "note"]
    by_share = rows(report(k=3, scores=scores, jobs=JOBS.select([0]), candidates=people, min_count=1, min_share=0.02))
    assert by_share["small"].tolist() == [False, False, True, False]


def test_one_group_has_no_ratio_and_says_so():
    measured = report(candidates=CANDIDATES.remove_columns("gender").add_column("gender", ["f"] * 5 + [None]))
    row = rows(measured).loc["f"]
    assert np.isnan(row["impact_ratio"]) and row["selection_rate"] == pytest.approx(0.3)
    assert "the only group to compare" in row["note"] and row["four_fifths"] is pd.NA
    summary = measured.summary.iloc[0]
    assert summary["note"] == "fewer than two groups to compare" and summary["worst_group"] == ""
    assert np.isnan(summary["demographic_parity_difference"]) and np.isnan(measured.difference().iloc[0, 0])


def test_a_group_without_qualified_members_has_no_true_positive_rate():
    people = CANDIDATES.remove_columns("occupation").add_column("occupation", ["x", "x", "cook", "cook", "nurse", "x"])
    measured = report(candidates=people)
    assert np.isnan(rows(measured).loc["f", "true_positive_rate"])
    assert "no true positive rate" in rows(measured).loc["f", "note"]
    assert np.isnan(measured.summary.loc[0, "equal_opportunity_difference"])
    assert "equal opportunity without f" in measured.summary.loc[0, "note"]


def test_without_occupations_nobody_is_known_to_be_qualified():
    measured = report(jobs=JOBS.remove_columns("occupation"), candidates=CANDIDATES.remove_columns("occupation"))
    assert rows(measured)["qualified"].sum() == 0 and rows(measured)["true_positive_rate"].isna().all()
    pd.testing.assert_series_equal(rows(measured)["impact_ratio"], rows(report())["impact_ratio"])


def test_a_reference_of_which_nobody_is_selected_leaves_no_ratio():
    table = rows(report(k=1, reference="m"))
    assert table["impact_ratio"].isna().all() and table["four_fifths"].isna().all()
    assert "nobody of the reference group m is selected" in table.loc["f", "note"]


def test_equal_scores_are_not_above_their_median_and_go_by_the_order_of_the_candidates():
    table = rows(report(scores=np.zeros((2, 6))))
    assert table["selected"].tolist() == [4, 0, 0] and table["scoring_rate"].tolist() == [0, 0, 0]
    assert table["scoring_ratio"].isna().all() and "scores above the median: no scoring ratio" in table.loc["f", "note"]


def test_per_job_is_a_table_for_the_bootstrap():
    measured = report(["gender", "race"])
    of_gender = measured.per_job[measured.per_job["attribute"] == "gender"]
    counts = ranking.rate_counts(of_gender, "m", "f", "all")
    assert counts.tolist() == [[1, 3, 1, 2], [0, 3, 1, 2]]
    assert bootstrap.interval(counts, n_boot=10).value == pytest.approx(rows(measured).loc["m", "impact_ratio"])
    ours = of_gender[of_gender["group"] != "unknown"].reset_index(drop=True)
    theirs = ranking.per_job(SCORES, JOBS, CANDIDATES, "gender", 1).query("pool == 'all'")
    assert ours["available"].tolist() == theirs["available"].tolist()


@settings(max_examples=4, deadline=None)  # a MetricFrame takes a third of a second
@given(st.integers(0, 10**6), st.integers(1, 9))
def test_agrees_with_fairlearn(seed, k):
    scores, jobs, candidates = random_input(seed)
    measured = report([("gender", "race"), "gender"], k=k, scores=scores, jobs=jobs, candidates=candidates)
    chosen = np.zeros(scores.shape, int)
    np.put_along_axis(chosen, np.argsort(-scores, axis=1, kind="stable")[:, :k], 1, axis=1)
    wanted = np.array(jobs["occupation"][:])[:, None] == np.array(candidates["occupation"][:])
    people = {name: candidates[name][:] * len(jobs) for name in ("gender", "race")}
    truth = {"y_true": wanted.ravel(), "y_pred": chosen.ravel()}
    frames = {
        "gender": fairlearn.MetricFrame(
            metrics={"selection_rate": fairlearn.selection_rate, "true_positive_rate": fairlearn.true_positive_rate},
            sensitive_features=people["gender"],
            **truth,
        ),
        "gender & race": fairlearn.MetricFrame(
            metrics={"selection_rate": fairlearn.selection_rate}, sensitive_features=pd.DataFrame(people), **truth
        ),
    }
    for attribute, frame in frames.items():
        names = list(frame.by_group.columns)
        by_group = frame.by_group.dropna()
        by_group.index = [" & ".join(name) if isinstance(name, tuple) else name for name in by_group.index]
        pd.testing.assert_frame_equal(
            rows(measured, attribute).loc[by_group.index, names],
            by_group,
            check_names=False,
            check_dtype=False,
            rtol=1e-9,
        )
        for method in group_report.METHODS:
            ours = measured.difference(method).loc[attribute, names].to_numpy(float)
            np.testing.assert_allclose(ours, frame.difference(method=method)[names].to_numpy(float), atol=1e-9)
            ours = measured.ratio(method).loc[attribute, names].fillna(0).to_numpy(float)
            np.testing.assert_allclose(ours, frame.ratio(method=method)[names].fillna(0).to_numpy(float), atol=1e-9)
    options = {**truth, "sensitive_features": people["gender"]}
    summary = measured.summary.set_index("attribute").loc["gender"]
    expected = fairlearn.demographic_parity_difference(**options)
    assert summary["demographic_parity_difference"] == pytest.approx(expected, abs=1e-9)
    assert summary["impact_ratio_worst"] == pytest.approx(fairlearn.demographic_parity_ratio(**options), abs=1e-9)
    expected = fairlearn.equal_opportunity_difference(**options)
    assert summary["equal_opportunity_difference"] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_whole_rankings_agree_with_fairranktune(seed):
    scores, jobs, candidates = random_input(seed)
    people = len(candidates)
    measured = report(["race"], k=3, depth=people, scores=scores, jobs=jobs, candidates=candidates)
    items = dict(enumerate(candidates["race"][:]))
    rankings = pd.DataFrame(np.argsort(-scores, axis=1, kind="stable").T)
    # FairRankTune sums exposure over the rankings, we take their mean.
    _, exposures = EXP(rankings, items, "MinMaxRatio")
    table = rows(measured, "race")
    np.testing.assert_allclose(table.loc[list(exposures), "exposure"] * len(jobs), list(exposures.values()), atol=1e-9)
    ratio = EXP(rankings, items, "MinMaxRatio")[0]
    assert measured.summary.loc[0, "exposure_ratio"] == pytest.approx(ratio, abs=1e-9)
    # The unknown are a group of 0 candidates here, which adds smoothing * ln(1) = 0.
    ndkl = np.mean([NDKL(rankings[[column]], items) for column in rankings])
    assert measured.summary.loc[0, "ndkl"] == pytest.approx(ndkl, abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_the_order_of_the_candidates_does_not_matter(seed, k):
    scores, jobs, candidates = random_input(seed)
    order = np.random.default_rng(seed + 1).permutation(len(candidates))
    one = report(["gender", "race"], k=k, scores=scores, jobs=jobs, candidates=candidates)
    two = report(["gender", "race"], k=k, scores=scores[:, order], jobs=jobs, candidates=candidates.select(order))
    pd.testing.assert_frame_equal(one.by_group, two.by_group)
    pd.testing.assert_frame_equal(one.summary, two.summary)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.booleans())
def test_names_of_groups_do_not_matter(seed, k, ties):
    scores, jobs, candidates = random_input(seed, ties=ties)
    renamed = candidates.map(lambda row: {"gender": {"f": "3", "m": "1", "x": "2"}[row["gender"]]})
    one = rows(report(k=k, scores=scores, jobs=jobs, candidates=candidates))
    two = rows(report(k=k, scores=scores, jobs=jobs, candidates=renamed)).rename({"3": "f", "1": "m", "2": "x"})
    numbers = one.select_dtypes("number").columns
    pd.testing.assert_frame_equal(one[numbers], two.loc[one.index, numbers], check_names=False)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_a_doubled_pool_that_selects_twice_as_many_has_the_same_rates(seed, k):
    scores, jobs, candidates = random_input(seed)
    twice = np.repeat(np.arange(len(candidates)), 2)
    one = report(["gender", "race"], k=k, scores=scores, jobs=jobs, candidates=candidates)
    two = report(["gender", "race"], k=2 * k, scores=scores[:, twice], jobs=jobs, candidates=candidates.select(twice))
    names = ["selection_rate", "impact_ratio", "scoring_rate", "scoring_ratio", "true_positive_rate", "skew"]
    pd.testing.assert_frame_equal(one.by_group[names], two.by_group[names])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k=0 is not between 1 and 6"),
        ({"k": 7}, "k=7 is not between 1 and 6, the size of the pool of job 'c'"),
        ({"k": 3, "pool": "qualified"}, "k=3 is not between 1 and 2, the size of the pool of job 'n'"),
        ({"depth": 0}, "depth=0 is not between"),
        ({"scores": SCORES * np.nan}, "nan for ad 0"),
        ({"scores": SCORES[:, :3]}, r"shape \(2, 3\), not \(2, 6\)"),
        ({"scores": SCORES.astype(str)}, "instead of numbers"),
        ({"pool": "some"}, "pool='some' is not one of qualified, all"),
        ({"attributes": ["sex"]}, "no column 'sex'"),
        ({"attributes": []}, "no list of columns"),
        ({"attributes": ["gender", "gender"]}, "name one twice"),
        ({"reference": "x"}, "reference group 'x' is not one of f, m"),
        ({"reference": "unknown"}, "reference group 'unknown' is not one of f, m"),
        ({"jobs": JOBS.select([]), "scores": SCORES[:0]}, "no jobs"),
    ],
)
def test_bad_input_is_named_in_one_line(options, message):
    with pytest.raises(InputError, match=message) as error:
        report(**options)
    assert "\n" not in str(error.value)


def test_all_unknown_and_an_unknown_method_are_refused():
    nobody = CANDIDATES.remove_columns("gender").add_column("gender", [None] * 6)
    with pytest.raises(InputError, match="all candidates are unknown in column 'gender'"):
        report(candidates=nobody)
    with pytest.raises(InputError, match="method='x' is not one of between_groups, to_overall"):
        report().ratio("x")


def test_attributes_that_are_one_text_are_refused():
    with pytest.raises(InputError, match="no list of columns"):
        group_report.measure(SCORES, JOBS, CANDIDATES, "gender", 2)
