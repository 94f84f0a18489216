"""The audit: hand-computed ratios, what is shown when a number is undefined, findings, and a user's mistakes."""

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from fairlearn.metrics import MetricFrame, demographic_parity_ratio, selection_rate
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.audit import measure
from autorefine_lib.audit.measure import Criteria
from autorefine_lib.errors import InputError

ALL = Criteria(k=2)


def jobs(*occupations: str) -> Dataset:
    return Dataset.from_dict({"job_id": [f"j{i}" for i in range(len(occupations))], "occupation": list(occupations)})


def people(genders: list[str | None], occupations: list[str] | None = None, **columns: list) -> Dataset:
    ids = [f"c{i}" for i in range(len(genders))]
    given = {"occupation": occupations or ["nurse"] * len(ids), "gender": genders, **columns}
    return Dataset.from_dict({"candidate_id": ids, **given})


def row(result: measure.Audit, group: str, pool: str = "qualified") -> pd.Series:
    table = result.groups
    return table[(table["group"] == group) & (table["pool"] == pool)].iloc[0]


def test_ratios_by_hand():
    # Selected: the two best of each ad: a (f) and b (m); b and c (m). So 1 of 4 women, 3 of 8 men.
    scores = np.array([[9, 8, 1, 2, 0, 3], [1, 9, 8, 0, 2, 3]], float)
    result = measure.measure(scores, jobs("nurse", "nurse"), people(list("fmmmfm")), ["gender"], ALL)
    for pool in ("qualified", "all"):
        women, men = row(result, "f", pool), row(result, "m", pool)
        assert (women["selected"], women["available"], men["selected"], men["available"]) == (1, 4, 3, 8)
        assert women["selection_rate"] == 0.25 and women["reference_rate"] == 0.375
        assert women["impact_ratio"] == pytest.approx(2 / 3) and men["impact_ratio"] == 1
        assert women["reference"] == "m" and men["note"] == "reference" and np.isnan(men["low"])
        # Above the medians 2.5 and 2.5: a, b and f; b, c and f.
        assert (women["above_median"], men["above_median"]) == (1, 5)
        assert women["scoring_rate"] == 0.25 and women["scoring_ratio"] == pytest.approx(0.4)
    assert row(result, "unknown")["candidates"] == 0
    quality = result.quality.set_index("metric")["value"]
    assert quality["mrr"] == 1 and quality["ndcg"] == 1


def test_the_unknown_take_places_and_are_in_no_category():
    result = measure.measure(np.array([[5.0, 4, 3, 2]]), jobs("nurse"), people(["f", None, "m", "m"]), ["gender"], ALL)
    unknown = row(result, "unknown")
    assert (unknown["candidates"], unknown["selected"]) == (1, 1) and "in no category" in unknown["note"]
    assert np.isnan(unknown["impact_ratio"]) and row(result, "m")["selected"] == 0


def test_a_small_group_is_shown_and_is_no_reference():
    genders = ["x"] + ["f"] * 49 + ["m"] * 50
    scores = np.zeros((2, 100))
    scores[:, [0, 1, 50, 51]] = [9, 8, 7, 6]
    criteria = Criteria(k=4)
    result = measure.measure(scores, jobs("nurse", "nurse"), people(genders), ["gender"], criteria)
    small = row(result, "x")
    assert small["selection_rate"] == 1 and np.isnan(small["impact_ratio"])
    assert small["note"].startswith("1.0 % of the candidates, under 2 %")
    women = row(result, "f")
    assert women["reference"] == "m" and women["impact_ratio"] == pytest.approx((1 / 49) / (2 / 50))
    two = people(["x", *genders[:-1]])
    assert row(measure.measure(scores, jobs("nurse", "nurse"), two, ["gender"], criteria), "f")["reference"] == "x"


def test_one_group_has_nobody_to_be_compared_with():
    result = measure.measure(np.eye(4)[:2], jobs("nurse", "nurse"), people(["f"] * 4), ["gender"], ALL)
    only = row(result, "f")
    assert np.isnan(only["impact_ratio"]) and "only category" in only["note"] and not result.findings


def test_a_group_of_which_nobody_is_selected_has_an_upper_limit():
    scores = np.tile(np.arange(100.0), (5, 1))
    table = people(["f"] * 50 + ["m"] * 50)
    result = measure.measure(scores, jobs(*["nurse"] * 5), table, ["gender"], Criteria(k=10))
    women = row(result, "f")
    # 3.69 of 250 against 50 of 250: a count seen to be 0 is below 3.69 with 97.5 %.
    assert women["impact_ratio"] == 0 and women["low"] == 0
    assert women["high"] == pytest.approx(3.688879 / 50, abs=1e-6) and "Poisson" in women["note"]
    assert women["finding"] and len(result.findings) == 1


def test_ads_without_enough_qualified_candidates_are_left_out_and_named():
    table = people(["f", "m", "f", "m", "f"], ["nurse"] * 4 + ["dj"])
    scores = np.random.default_rng(0).random((4, 5))
    result = measure.measure(scores, jobs("nurse", "dj", "welder", "nurse"), table, ["gender"], ALL)
    assert result.remarks == (
        "1 ad for 'dj', out of the qualified pool and of quality: 1 qualified candidates, fewer than k = 2",
        "1 ad for 'welder', out of the qualified pool and of quality: no qualified candidate",
    )
    assert row(result, "f")["available"] == 4 and row(result, "f", "all")["available"] == 12
    assert set(result.quality["n"]) == {2}
    with pytest.raises(InputError, match="k=2 is larger than the pool of every ad: the largest has 1"):
        measure.measure(scores[:2], jobs("dj", "welder"), table, ["gender"], ALL)


def test_without_occupations_all_are_measured_together():
    table = people(["f", "m", "f", "m"]).remove_columns("occupation")
    ads = jobs("x", "y").remove_columns("occupation")
    result = measure.measure(np.random.default_rng(0).random((2, 4)), ads, table, ["gender"], ALL)
    assert set(result.groups["pool"]) == {"all"} and result.quality.empty and "nobody is known" in result.remarks[0]


def test_one_ad_has_no_interval_and_is_tested_all_the_same():
    result = measure.measure(
        np.arange(100.0)[None], jobs("nurse"), people(["f"] * 50 + ["m"] * 50), ["gender"], Criteria()
    )
    women = row(result, "f")
    assert women["impact_ratio"] == 0 and np.isnan(women["high"]) and women["p_holm"] == pytest.approx(2 / 1001)
    assert result.findings == ["gender = f: impact ratio 0.000 at k = 20 against m, p = 0.002"]
    assert any("One ad" in line for line in result.remarks)


def test_one_person_whom_every_ad_selects_is_no_finding():
    # 100 ads, one man of four first in all of them: the interval over ads has no width, the evidence is one person.
    scores = np.tile([4.0, 3.0, 2.0, 1.0], (100, 1))
    criteria = Criteria(k=1)
    result = measure.measure(scores, jobs(*["nurse"] * 100), people(list("mfmf")), ["gender"], criteria)
    women = row(result, "f")
    assert women["impact_ratio"] == 0 and women["high"] < 0.1 and not result.findings
    assert women["p_holm"] == pytest.approx(1.0, abs=0.12) and "not told from chance" in women["note"]


def test_a_biased_ranking_is_found_and_a_fair_one_is_not():
    rng = np.random.default_rng(1)
    table = people(rng.permutation(["f", "m"] * 200).tolist(), race=rng.choice(["a", "b"], 400).tolist())
    fair = rng.normal(size=(60, 400))
    biased = fair + 0.5 * (np.array(table["gender"][:]) == "m")
    ads = jobs(*["nurse"] * 60)
    assert not measure.measure(fair, ads, table, ["gender", "race"], Criteria(k=20)).findings
    found = measure.measure(biased, ads, table, ["gender", "race"], Criteria(k=20))
    assert any(line.startswith("gender = f: impact ratio 0.") for line in found.findings)
    flagged = found.groups[found.groups["finding"]]
    assert (flagged["high"] < 1).all() and (flagged["impact_ratio"] < 0.8).all()
    assert set(flagged["pool"]) == {"qualified"}, "findings are looked for in one pool"
    assert not any(line.startswith("gender") for line in
                   measure.measure(biased, ads, table, ["gender"], Criteria(k=20, threshold=0.1)).findings)  # fmt: skip


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 10_000))
def test_agrees_with_fairlearn_and_does_not_depend_on_the_order_or_the_names(seed: int):
    rng = np.random.default_rng(seed)
    genders = ["f", "m", "n", *rng.choice(["f", "m", "n"], 12)]
    scores, ads = rng.permutation(4 * 15).reshape(4, 15).astype(float), jobs(*["nurse"] * 4)
    table = measure.measure(scores, ads, people(genders), ["gender"], Criteria(k=5)).groups
    table = table[(table["pool"] == "all") & (table["group"] != "unknown")].set_index("group")
    chosen = (np.argsort(np.argsort(-scores)) < 5).ravel()
    features = {"y_true": chosen, "y_pred": chosen, "sensitive_features": np.tile(genders, 4)}
    rates = MetricFrame(metrics=selection_rate, **features).by_group
    np.testing.assert_allclose(table["selection_rate"], rates.loc[table.index], atol=1e-9)
    assert table["impact_ratio"].min() == pytest.approx(demographic_parity_ratio(**features), abs=1e-9)
    order = rng.permutation(15)
    renamed = people([f"group {genders[i]}" for i in order])
    again = measure.measure(scores[:, order], ads, renamed, ["gender"], Criteria(k=5)).groups
    again = again[(again["pool"] == "all") & (again["group"] != "unknown")]
    columns = ["selected", "available", "impact_ratio", "scoring_rate"]
    np.testing.assert_allclose(again[columns].to_numpy(float), table[columns].to_numpy(float), atol=1e-12)


def stars() -> tuple[np.ndarray, Dataset, Dataset]:
    """What applicant tracking systems export: 10 ads give 200 people 0 to 3 stars, alike for both groups, who stand in
    the file one after the other."""
    scores = np.random.default_rng(0).integers(0, 4, (10, 200)).astype(float)
    ads = Dataset.from_dict({"job_id": [f"j{number}" for number in range(10)]})
    ids = [f"c{number}" for number in range(200)]
    return scores, ads, Dataset.from_dict({"candidate_id": ids, "gender": ["female"] * 100 + ["male"] * 100})


def test_equal_scores_are_no_finding_against_the_group_that_stands_last():
    result = measure.measure(*stars(), ["gender"], Criteria(k=20))
    table = result.groups.set_index("group")
    assert not result.findings and result.tied == {"all": 10}
    # Of every ad's tie of about 50 people with three stars, 20 are selected: shares of the groups' three stars.
    best = stars()[0] == 3
    expected = (20 * best[:, :100].sum(1) / best.sum(1)).sum()
    assert table.loc["female", "selected"] == pytest.approx(expected) and 80 < expected < 120
    assert table.loc["female", "low"] < 1 < table.loc["female", "high"] and table.loc["female", "p_holm"] > 0.5


@pytest.mark.parametrize("occupations", [False, True])
def test_the_order_of_the_file_and_the_ids_change_no_number_at_all(occupations: bool):
    scores, ads, table = stars()
    table = table.add_column("race", np.random.default_rng(1).choice(["a", "b", "c"], 200).tolist())
    if occupations:
        ads = ads.add_column("occupation", ["cook", "nurse"] * 5)
        table = table.add_column("occupation", ["cook", "cook", "nurse", "nurse", "nurse"] * 40)
    renamed = table.remove_columns("candidate_id").add_column("candidate_id", [f"p{number}" for number in range(200)])
    backwards = scores[:, ::-1], ads, renamed.select(range(199, -1, -1))
    one, other = (
        measure.measure(*given, ["gender", "race"], Criteria()) for given in ((scores, ads, table), backwards)
    )
    for name in ("groups", "quality"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)
    assert one.tied == other.tied and one.findings == other.findings


def test_a_constant_recommender_has_a_ratio_of_one_and_no_finding():
    scores, ads, table = stars()
    result = measure.measure(scores * 0 + 0.3, ads, table, ["gender"], Criteria())
    known = result.groups[result.groups["group"] != "unknown"]
    np.testing.assert_allclose(known["impact_ratio"], 1, atol=1e-12)
    np.testing.assert_allclose(known["selected"], 100)
    assert not result.findings and known["reference"].eq("female").all(), "of equal rates the first by name"
    assert known.loc[known["group"] == "male", "p_holm"].item() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0}, "threshold=0"),
        ({"threshold": 1.5}, "threshold=1.5"),
        ({"threshold": float("nan")}, "threshold=nan"),
    ],
)
def test_criteria_refuse_what_means_nothing(options: dict, message: str):
    with pytest.raises(InputError, match=message):
        Criteria(**options)
