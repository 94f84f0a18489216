"""Selection rates, impact ratios, MRR and NDCG: hand-computed numbers, fairlearn and ranx as references."""

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from fairlearn.metrics import MetricFrame, selection_rate
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from ranx import Qrels, Run, evaluate
from scipy.stats import wasserstein_distance

from autorefine_lib.errors import InputError
from autorefine_lib.metrics import ranking
from autorefine_lib.metrics.bootstrap import interval

# Four nurses (2 f, 2 m) and three cooks (1 f, 2 m); one nurse job, one cook job.
CANDIDATES = Dataset.from_dict(
    {
        "candidate_id": list("abcdefg"),
        "occupation": ["nurse"] * 4 + ["cook"] * 3,
        "gender": ["f", "f", "m", "m", "f", "m", "m"],
    }
)
JOBS = Dataset.from_dict({"job_id": ["n1", "c1"], "occupation": ["nurse", "cook"]})
SCORES = np.array(
    [
        [0.9, 0.1, 0.8, 0.7, 0.85, 0.0, 0.0],  # ranking a e c d b f g; nurses: a c d b
        [0.9, 0.8, 0.0, 0.0, 0.5, 0.7, 0.6],  # ranking a b f g e c d; cooks: f g e
    ]
)


def table(k: int = 2) -> pd.DataFrame:
    return ranking.per_job(SCORES, JOBS, CANDIDATES, "gender", k)


def counts(frame: pd.DataFrame, job: str, pool: str) -> dict:
    rows = frame[(frame["job_id"] == job) & (frame["pool"] == pool)]
    return {row.group: (row.selected, row.available) for row in rows.itertuples()}


def test_per_job_counts_by_hand():
    frame = table()
    assert counts(frame, "n1", "qualified") == {"f": (1, 2), "m": (1, 2)}  # a c
    assert counts(frame, "n1", "whole") == {"f": (2, 3), "m": (0, 4)}  # a e
    assert counts(frame, "c1", "qualified") == {"f": (0, 1), "m": (2, 2)}  # f g
    assert counts(frame, "c1", "whole") == {"f": (2, 3), "m": (0, 4)}  # a b
    assert counts(frame, "n1", "nearest") == {"f": (3, 3), "m": (4, 4)}  # all seven: there are no 10 of 50
    assert len(frame) == 12 and frame["job_id"].drop_duplicates().tolist() == ["n1", "c1"]


def test_a_job_without_enough_qualified_candidates_counts_in_the_whole_pool_alone():
    frame = table(4)  # there are four nurses and three cooks
    assert counts(frame, "n1", "qualified") == {"f": (2, 2), "m": (2, 2)} and counts(frame, "c1", "qualified") == {}
    assert ranking.rate_counts(frame, "f", "m", pool="qualified").tolist() == [[2, 2, 2, 2]]
    assert len(ranking.rate_counts(frame, "f", "m")) == 2
    for occupations in (["nurse", None], ["nurse", ""], ["nurse", "poet"]):
        jobs = JOBS.remove_columns("occupation").add_column("occupation", occupations)
        frame = ranking.per_job(SCORES, jobs, CANDIDATES, "gender", 2)
        assert counts(frame, "c1", "qualified") == {} and counts(frame, "c1", "whole") == {"f": (2, 3), "m": (0, 4)}
        quality = ranking.ranking_quality(SCORES, jobs, CANDIDATES, 2)
        assert quality["job_id"].tolist() == ["n1", "c1"] and quality.loc[0, "mrr"] == 1
        assert quality.loc[1, ["mrr", "ndcg", "recall", "precision"]].isna().all()


# Ten people, half of them women: four of five nurses, one of five engineers.
TEN = Dataset.from_dict(
    {"occupation": ["nurse"] * 5 + ["engineer"] * 5, "gender": ["f"] * 4 + ["m"] + ["f"] + ["m"] * 4}
)


def test_between_and_within_occupations_by_hand():
    """One ad selects a nurse, a woman, and three engineers, all men."""
    scores = np.array([[9.0, 0, 0, 0, 0, 0, 8, 7, 6, 0]])
    jobs = Dataset.from_dict({"job_id": ["j"], "occupation": ["engineer"]})
    frame = ranking.per_job(scores, jobs, TEN, "gender", 4)
    whole = frame[frame["pool"] == "whole"].set_index("group")
    assert whole["selected"].to_dict() == {"f": 1, "m": 3}
    # Of a nurse's place women have 4/5, of an engineer's 1/5: 0.8 + 3 x 0.2 = 1.4 of four places, and men 2.6.
    assert whole["expected"].to_dict() == pytest.approx({"f": 1.4, "m": 2.6})
    made_of = (("selected", "available"), ranking.BETWEEN, ranking.WITHIN)
    total, between, within = (
        interval(ranking.rate_counts(frame, "f", "m", rate=rate), n_boot=5).value for rate in made_of
    )
    assert (total, between, within) == pytest.approx((1 / 3, 1.4 / 2.6, (1 / 1.4) / (3 / 2.6)))
    assert total == pytest.approx(between * within)
    # Among the qualified all have one occupation, and nothing lies between.
    engineers = ranking.rate_counts(frame, "f", "m", pool="qualified", rate=ranking.BETWEEN)
    assert interval(engineers, n_boot=5).value == pytest.approx(1)


def test_the_shares_of_an_occupation_count_the_unknown_too():
    gender = ["f", None, "m", "m", None, "f", "f", "f", "m", "m"]
    people = Dataset.from_dict({"occupation": ["nurse"] * 4 + [None] * 6, "gender": gender})
    jobs = Dataset.from_dict({"job_id": ["j"], "occupation": [None]})
    frame = ranking.per_job(np.arange(10.0)[None, ::-1], jobs, people, "gender", 5)
    whole = frame[frame["pool"] == "whole"].set_index("group")["expected"].to_dict()
    # Four nurses, 1/4 of them women and 1/2 men; then one of the six without an occupation, 3/6 women and 2/6 men.
    assert whole == pytest.approx({"f": 4 / 4 + 3 / 6, "m": 4 / 2 + 2 / 6})


def test_the_authors_measure_ad_by_ad_by_hand():
    """60 people: of the 50 nearest 20 are women, and of the first 10 two are."""
    gender = ["f"] * 2 + ["m"] * 8 + ["f"] * 18 + ["m"] * 22 + ["f"] * 10
    people = Dataset.from_dict({"occupation": ["cook"] * 60, "gender": gender})
    jobs = Dataset.from_dict({"job_id": ["j", "k"], "occupation": ["cook", "cook"]})
    scores = np.stack([-np.arange(60.0), np.where(np.array(gender) == "f", 0, 1.0)])
    frame = ranking.per_job(scores, jobs, people, "gender", 20)
    women, men = (ranking.rate_counts(frame, *pair, pool="nearest") for pair in (("f", "m"), ("m", "f")))
    # Rates 2/20 and 8/30. The other ad takes all 30 men first, then 20 of 30 tied women, none of them in the first 10.
    assert women.tolist() == [[2, 20, 8, 30], [0, pytest.approx(20), 10, 30]]
    assert ranking.impact_ratio_by_ad(women) == pytest.approx([3 / 8, 0])
    assert ranking.impact_ratio_by_ad(men).tolist() == [1, 1]
    assert ranking.q_by_ad(women) == pytest.approx([-10, -10]) and ranking.q_by_ad(men) == pytest.approx([-10, -10])
    shares = women[0, 1::2] / 50
    assert ranking.q_by_ad(women)[0] == pytest.approx(-100 * wasserstein_distance(shares, [0.5, 0.5]))
    nobody = np.array([[0.0, 0, 10, 50], [0, 5, 0, 5], [0, 0, 0, 0]])
    assert ranking.impact_ratio_by_ad(nobody).tolist() == [0, 1, 1] and ranking.q_by_ad(nobody).tolist() == [
        -50,
        0,
        -50,
    ]


def test_the_authors_measures_by_region_by_hand():
    """Of the 50 nearest 25, 20 and 5 live in three regions, and of the first 10 six, four and nobody."""
    region = ["eu"] * 6 + ["us"] * 4 + ["eu"] * 19 + ["us"] * 16 + ["asia"] * 5 + ["us"] * 10
    people = Dataset.from_dict({"occupation": ["cook"] * 60, "region": region})
    jobs = Dataset.from_dict({"job_id": ["j"], "occupation": ["cook"]})
    frame = ranking.per_job(-np.arange(60.0)[None], jobs, people, "region", 20)
    regions = ["eu", "us", "asia"]
    counts = {one: ranking.rate_counts(frame, one, *(set(regions) - {one}), pool="nearest") for one in regions}
    found = [ranking.impact_ratio_by_ad(counts[one]).item() for one in regions]
    assert found == pytest.approx([1, (4 / 20) / (6 / 25), 0])
    members = np.array([25, 30, 5])
    q = ranking.q_by_ad(ranking.rate_counts(frame, *regions, pool="nearest"), members)
    # Sorted shares 0.1, 0.4, 0.5 against 5/60, 25/60, 30/60.
    assert q == pytest.approx(-100 * (1 / 60 + 1 / 60 + 0) / 3)
    assert q == pytest.approx(-100 * wasserstein_distance([0.5, 0.4, 0.1], members / 60))


def test_impact_ratio_pools_over_jobs():
    ratios = ranking.impact_ratio(table(), "qualified").set_index("group")
    # f: (1 + 0) / (2 + 1) = 1/3; m: (1 + 2) / (2 + 2) = 3/4
    assert ratios.loc["f", "rate"] == pytest.approx(1 / 3)
    assert ratios.loc["m", "rate"] == pytest.approx(3 / 4)
    assert ratios["reference"].tolist() == ["m", "m"]
    assert ratios.loc["f", "impact_ratio"] == pytest.approx(4 / 9)
    assert ratios.loc["m", "impact_ratio"] == 1
    against_f = ranking.impact_ratio(table(), "qualified", reference="f").set_index("group")
    assert against_f.loc["m", "impact_ratio"] == pytest.approx(9 / 4)


def test_undefined_ratio_is_nan_with_its_reason():
    ratios = ranking.impact_ratio(table(), pool="whole", reference="m")
    assert ratios["rate"].notna().all()
    assert ratios["impact_ratio"].isna().all()
    assert ratios["note"].str.contains("nobody of the reference group m").all()
    men_nurses = [2, 3, 4]  # and a cook, who is a woman
    frame = ranking.per_job(SCORES[:1, men_nurses], JOBS.select([0]), CANDIDATES.select(men_nurses), "gender", 1)
    row = ranking.impact_ratio(frame, "qualified").set_index("group").loc["f"]
    assert np.isnan(row["rate"]) and np.isnan(row["impact_ratio"]) and "no candidate" in row["note"]


def test_ratios_of_several_shuffles_at_once_by_hand():
    selected, available = np.array([[1.0, 2, 9], [2, 1, 0], [0, 0, 5]]), np.array([4, 4, 0])
    highest = ranking.impact_ratios(selected, available)
    np.testing.assert_allclose(highest, [[0.5, 1, np.nan], [1, 0.5, np.nan], [np.nan] * 3])
    named = ranking.impact_ratios(selected, available, reference=0, compared=np.array([True, True, False]))
    np.testing.assert_allclose(named, [[1, 2, np.nan], [1, 0.5, np.nan], [np.nan] * 3])
    only = ranking.impact_ratios(selected[0], np.array([4, 8, 9]), compared=np.array([True, True, False]))
    np.testing.assert_allclose(only, [1, 1, np.nan])


def test_the_most_selected_of_groups_that_differ_by_rounding_is_the_first():
    assert ranking.most_selected(np.array([np.nan, 0.1 + 0.2 - 1e-16, 0.3, 0.1 + 0.2])) == 1


def test_a_missing_attribute_belongs_to_no_group():
    candidates = CANDIDATES.remove_columns("gender").add_column("gender", ["f", None, "m", "m", "f", "m", "m"])
    frame = ranking.per_job(SCORES, JOBS, candidates, "gender", 2)
    assert counts(frame, "c1", "whole") == {"f": (1, 2), "m": (0, 4)}


def test_an_attribute_without_values_is_refused():
    candidates = CANDIDATES.remove_columns("gender").add_column("gender", [None] * 7)
    with pytest.raises(InputError, match="all candidates are unknown in column 'gender'"):
        ranking.per_job(SCORES, JOBS, candidates, "gender", 2)


def test_rate_counts_follow_the_jobs():
    assert ranking.rate_counts(table(), "f", "m", pool="qualified").tolist() == [[1, 2, 1, 2], [0, 1, 2, 2]]
    assert ranking.rate_counts(table(), "f", "m").tolist() == [[2, 3, 0, 4]] * 2
    with pytest.raises(InputError, match="'x' is not one of f, m"):
        ranking.rate_counts(table(), "x", "m")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_selection_rates_agree_with_fairlearn(seed, k):
    rng = np.random.default_rng(seed)
    candidates = Dataset.from_dict(
        {"occupation": ["a"] * 6 + ["b"] * 5, "race": ["x", "y", "z"] + rng.choice(list("xyz"), 8).tolist()}
    )
    jobs = Dataset.from_dict({"job_id": ["1", "2", "3"], "occupation": ["a", "b", "a"]})
    scores = rng.normal(size=(3, 11))
    frame = ranking.per_job(scores, jobs, candidates, "race", k)
    selected = (scores.argsort(1).argsort(1) >= 11 - k).astype(int).ravel()
    race = list(candidates["race"]) * 3
    reference = MetricFrame(metrics=selection_rate, y_true=selected, y_pred=selected, sensitive_features=race)
    ours = ranking.impact_ratio(frame, pool="whole").set_index("group")
    np.testing.assert_allclose(ours["rate"], reference.by_group.loc[ours.index])
    assert ours["impact_ratio"].min() == pytest.approx(reference.ratio())


def test_ranking_quality_by_hand():
    quality = ranking.ranking_quality(SCORES, JOBS, CANDIDATES, 2)
    assert quality["mrr"].tolist() == [1, pytest.approx(1 / 3)]  # the first cook comes third
    assert quality["ndcg"].tolist() == [pytest.approx(1 / (1 + 1 / np.log2(3))), 0]  # nurse, cook | ideal: two nurses
    assert quality["recall"].tolist() == [1 / 4, 0] and quality["precision"].tolist() == [1 / 2, 0]


@settings(max_examples=15, deadline=None)
@given(arrays(np.int8, (3, 12), elements=st.integers(-5, 5)), st.integers(1, 12))
def test_ranking_quality_is_that_of_ranx(values, k):
    # Distinct scores: ranx itself breaks ties arbitrarily.
    scores = values + np.linspace(0, 0.5, 12)[::-1]
    relevant = [np.array([0, 5]), np.array([11]), np.array([2, 3, 7, 9])]
    qrels = Qrels({f"q{i}": {f"d{j}": 1 for j in row} for i, row in enumerate(relevant)})
    run = Run({f"q{i}": {f"d{j}": float(score) for j, score in enumerate(row)} for i, row in enumerate(scores)})
    expected = evaluate(qrels, run, ["mrr", f"ndcg@{k}", f"recall@{k}", f"precision@{k}"], return_mean=False)
    ours = ranking.quality(scores, relevant, k)
    for name, theirs in (("mrr", "mrr"), *((name, f"{name}@{k}") for name in ("ndcg", "recall", "precision"))):
        np.testing.assert_allclose(ours[name], expected[theirs], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: table(8), "k=8 is not between 1 and 7"),
        (lambda: table(0), "k=0 is not between"),
        (lambda: ranking.ranking_quality(SCORES, JOBS, CANDIDATES, 8), "k=8 is not between 1 and 7"),
        (lambda: ranking.per_job(SCORES, JOBS, CANDIDATES, "race", 1), "no column 'race'"),
        (lambda: ranking.per_job(SCORES[:1], JOBS, CANDIDATES, "gender", 1), r"shape \(1, 7\), not \(2, 7\)"),
        (lambda: ranking.per_job(SCORES * np.nan, JOBS, CANDIDATES, "gender", 1), "score of ad 0, candidate 0"),
        (lambda: ranking.impact_ratio(table(), reference="x"), "group 'x' is not one of most_selected, f, m"),
        (lambda: ranking.ranking_quality(SCORES > 0, JOBS, CANDIDATES, 1), "rank gives something else instead"),
    ],
)
def test_bad_input_is_named_in_one_line(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
