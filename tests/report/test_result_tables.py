"""Result rows from per-job numbers small enough to compute by hand: two ads, two seeds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation.method import Method, read_methods, save_method
from autorefine_lib.report import pages, result_tables

JOBS = ("j1", "j2")


def method(name: str, seed: int, women: tuple[int, int], mrr: tuple, ndcg: tuple, protected=(0, 0)) -> Method:
    """Each of two ads, a nurse's and a cook's, selects 4 of 4 women and 4 men (qualified) or 8 and 8 (all).

    From their occupations 1 woman and 3 men are expected. Of the nearest 20 women and 30 men the first are the same.
    """
    table = [
        (job, occupation, pool, group, count, size, expected)
        for job, occupation, chosen in zip(JOBS, ("nurse", "cook"), women, strict=True)
        for pool, sizes in (("qualified", (4, 4)), ("whole", (8, 8)), ("nearest", (20, 30)))
        for group, count, size, expected in zip(("female", "male"), (chosen, 4 - chosen), sizes, (1, 3), strict=True)
    ]
    names = ["job_id", "occupation", "pool", "group", "selected", "available", "expected"]
    groups = pd.DataFrame(table, columns=names)
    changed = name != "original ads"
    quality = pd.DataFrame({"job_id": JOBS, "mrr": mrr, "ndcg": ndcg, "similarity": 1.0 - 0.1 * changed})
    quality = quality.assign(protected=protected, changed=changed, overlap=1.0 - 0.2 * changed, ndcg_to_original=1.0)
    selected = pd.DataFrame({"candidate_id": ["a", "b", "b"], "selected": [1.0, 0.5, 0.5 * changed]})
    calls, precision = (100, "bfloat16") if name == "PPO" else (0, "")
    return Method(name, seed, 10.0 + seed, calls, ["", ""], groups, quality, selected, precision)


# Ratio (2/8) / (6/8) = 1/3.
ORIGINAL = method("original ads", 0, (1, 1), (1.0, 0.5), (0.8, 0.6))
# Ratios 1 and (3/8) / (5/8) = 0.6; over both seeds (3.5/8) / (4.5/8) = 7/9.
PPO = [method("PPO", 0, (2, 2), (1.0, 0.5), (0.8, 0.6)), method("PPO", 1, (1, 2), (1.0, 0.4), (0.7, 0.6), (0, 1))]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    methods = {"original ads": [ORIGINAL], "PPO": PPO}
    return result_tables.rows(methods, "embedded (synthetic)", "female", "male", 4, "autorefine reproduce")


def test_rows_by_hand(rows: pd.DataFrame):
    assert list(rows.columns) == pages.COLUMNS and len(rows) == 14 + 22
    value = rows.set_index(["method", "metric"])["value"]
    assert value["original ads", "impact_ratio"] == pytest.approx(1 / 3)
    assert value["PPO", "impact_ratio"] == pytest.approx(7 / 9)
    pools = rows.drop_duplicates("metric").set_index("metric")["pool"]
    assert pools["impact_ratio"] == pools["mrr"] == "whole"
    assert pools["impact_ratio_qualified"] == "qualified"
    assert value["PPO", "impact_ratio_change"] == pytest.approx(4 / 9)
    assert value["PPO", "mrr"] == pytest.approx(0.725) and value["PPO", "mrr_change"] == pytest.approx(-0.025)
    assert value["PPO", "ndcg"] == pytest.approx(0.675) and value["PPO", "ndcg_change"] == pytest.approx(-0.025)
    assert value["PPO", "ads_changed"] == 1 and value["PPO", "ads_naming_protected"] == 0.25
    # Women are expected to be 2 of the 8 selected, a ratio of 1/3: the originals' gap lies between occupations.
    assert value["original ads", "impact_ratio_between"] == value["PPO", "impact_ratio_between"] == pytest.approx(1 / 3)
    assert value["original ads", "impact_ratio_within"] == pytest.approx(1)
    assert value["PPO", "impact_ratio_within"] == pytest.approx(7 / 3)
    assert value["PPO", "impact_ratio_between_change"] == 0
    assert value["PPO", "impact_ratio_within_change"] == pytest.approx(4 / 3)
    # Ad by ad: 1/20 over 3/30 of the original ads; of the rewritten 2/20 over 2/30, of which women are the higher.
    assert value["original ads", "impact_ratio_by_ad"] == pytest.approx(1 / 2)
    assert value["PPO", "impact_ratio_by_ad"] == pytest.approx((1 + 1 + 1 / 2 + 1) / 4)
    assert value["PPO", "q_by_ad"] == pytest.approx(-10) and value["PPO", "q_by_ad_change"] == 0
    assert value["PPO", "overlap"] == 0.8 and value["PPO", "ndcg_to_original"] == 1
    assert value["original ads", "people_selected"] == 1.5 and value["PPO", "people_selected"] == 1.75
    by_ad = rows["metric"].str.contains("by_ad")
    assert pools[["impact_ratio_by_ad", "q_by_ad"]].eq("nearest").all() and set(rows.loc[by_ad, "k"]) == {10, 50}
    assert rows["n"].eq(2).all() and rows["split"].eq("test").all() and rows.loc[~by_ad, "k"].eq(4).all()
    ppo = rows[rows["method"] == "PPO"]
    assert ppo["reward_calls"].eq(100).all() and rows.loc[rows["method"] == "original ads", "reward_calls"].eq(0).all()
    assert ppo["seeds"].eq("0 1").all() and ppo["seconds"].eq(10.5).all()
    assert set(rows.loc[rows["metric"].str.startswith("impact_ratio"), "group"]) == {"female"}


def test_jobs_without_a_number_are_left_out():
    """The second ad has no occupation: no qualified candidates, no MRR."""

    def part(run: Method, **facts) -> Method:
        groups = run.groups[(run.groups["pool"] != "qualified") | (run.groups["job_id"] == "j1")]
        groups = groups.assign(selected=groups["selected"].where(groups["pool"] != "qualified", groups["available"]))
        return replace(run, groups=groups, quality=run.quality.assign(**{"mrr": [1.0, np.nan]} | facts))

    def table(**facts) -> pd.DataFrame:
        methods = {"original ads": [part(ORIGINAL, **facts)], "PPO": [part(run, **facts) for run in PPO]}
        found = result_tables.rows(methods, "d", "female", "male", 4, "")
        result_tables.goals(found, methods["PPO"], "PPO")
        assert len(result_tables.over_seeds(methods, "female", "male")) == 2
        return found.set_index(["method", "metric"])

    whole = table()
    assert whole.loc[("PPO", "impact_ratio"), ["pool", "n"]].tolist() == ["whole", 2]
    assert whole.loc[("PPO", "impact_ratio_qualified"), ["value", "n"]].tolist() == [1, 1]
    assert whole.loc[("PPO", "mrr"), ["value", "n"]].tolist() == [1, 1]
    assert ("PPO", "mrr") not in table(mrr=np.nan).index


def test_each_row_says_what_the_training_computed_in(rows: pd.DataFrame):
    for name, expected in (("PPO", "bfloat16"), ("original ads", "")):
        assert rows.loc[rows["method"] == name, "training_precision"].eq(expected).all()
    runs = [PPO[0], replace(PPO[1], training_precision="float32")]
    mixed = result_tables.rows({"original ads": [ORIGINAL], "PPO": runs}, "d", "female", "male", 4, "")
    assert mixed.loc[mixed["method"] == "PPO", "training_precision"].eq("bfloat16/float32").all()


def test_intervals_hold_the_value_and_are_left_out_where_all_jobs_agree(rows: pd.DataFrame):
    limits = rows.set_index(["method", "metric"])[["low", "value", "high"]]
    # MRR changes by 0 and by -0.05 in the two ads: a resample of two has -0.05, -0.025 or 0.
    assert limits.loc[("PPO", "mrr_change")].tolist() == pytest.approx([-0.05, -0.025, 0])
    assert limits.loc[("original ads", "mrr")].tolist() == pytest.approx([0.5, 0.75, 1])
    inside = limits.dropna()
    assert ((inside["low"] <= inside["value"]) & (inside["value"] <= inside["high"])).all()
    for key in (("original ads", "ads_changed"), ("original ads", "similarity"), ("PPO", "ads_changed")):
        assert limits.loc[key, ["low", "high"]].isna().all(), key


def test_rows_over_equal_seeds_are_those_of_one(rows: pd.DataFrame):
    def values(runs: list[Method]) -> np.ndarray:
        table = result_tables.rows({"original ads": [ORIGINAL], "PPO": runs}, "d", "female", "male", 4, "")
        return table[["value", "low", "high"]].to_numpy(float)

    np.testing.assert_allclose(values([PPO[0]]), values([PPO[0], replace(PPO[0], seed=1)]))


def test_other_ads_are_refused(tmp_path):
    for run in (ORIGINAL, replace(PPO[0], quality=PPO[0].quality.assign(job_id=["j1", "j3"]))):
        save_method(tmp_path, run)
    with pytest.raises(InputError, match="'PPO' was measured on other ads than 'original ads'"):
        read_methods(tmp_path)


def test_over_seeds_by_hand():
    swap = method("word swap", 0, (1, 1), (1.0, 0.5), (0.8, 0.6))
    table = result_tables.over_seeds({"original ads": [ORIGINAL], "word swap": [swap], "PPO": PPO}, "female", "male")
    assert table["method"].tolist() == ["PPO", "PPO"], "the others call no reward"
    assert table["seed"].tolist() == [0, 1] and table["reward_calls"].tolist() == [100, 100]
    assert table["seconds"].tolist() == [10, 11]
    assert table["impact_ratio"].tolist() == pytest.approx([1, 0.6])
    assert table["impact_ratio_change"].tolist() == pytest.approx([2 / 3, 0.6 - 1 / 3])
    assert table["mrr_gain"].tolist() == pytest.approx([0, 0.7 / 0.75 - 1])
    assert table["ndcg_gain"].tolist() == pytest.approx([0, 0.65 / 0.7 - 1])


def test_rates_by_occupation_pool_the_seeds():
    rates = result_tables.rates_by_occupation(PPO, "female", "male")
    assert rates["nurse"] == pytest.approx(3 / 5) and rates["cook"] == 1
    only_women = method("PPO", 0, (4, 1), (1, 1), (1, 1))
    rates = result_tables.rates_by_occupation([only_women], "female", "male")
    assert np.isnan(rates["nurse"]) and rates["cook"] == pytest.approx(1 / 3), "no man selected: no ratio"


def test_closer_counts_from_both_sides():
    before, after = pd.Series([0.5, 2.0, 1.0, 0.9, 1.5]), pd.Series([0.6, 2.5, 1.0, 1.2, 1.2])
    assert result_tables.closer(before, after) == 2


def test_wide(rows: pd.DataFrame):
    table = result_tables.wide(rows, ["mrr", "mrr_change", "similarity"])
    assert list(table.index) == ["original ads", "PPO"] and list(table.columns) == ["mrr", "mrr_change", "similarity"]
    assert table.loc["original ads"].tolist() == ["0.750 [0.500, 1.000]", "", "1.000"]
    assert table.loc["PPO", "mrr_change"] == "-0.025 [-0.050, 0.000]"


def test_goals_by_hand(rows: pd.DataFrame):
    table = result_tables.goals(rows, PPO, "PPO")
    # Either ad's ratio rises, so every resample's does. MRR falls by 3.3 %, NDCG by 3.6 %.
    assert table["met"].tolist() == [True, True, False, False, False]
    assert "0.05" in table.loc[0, "goal"] and table.loc[0, "measured"] == "0.3333 -> 0.7778, closer by 0.4444"
    assert table.loc[2, "measured"] == "0.7500 -> 0.7250, -3.33%" and table.loc[4, "measured"] == "1 of 4 do"


def ratios(before: float, after: float, low: float, high: float) -> pd.DataFrame:
    """Result rows with equal quality before and after."""
    table = [("original ads", "impact_ratio", before, before, before), ("PPO", "impact_ratio", after, after, after)]
    table += [("PPO", "impact_ratio_change", after - before, low, high)]
    table += [(name, metric, 0.8, 0.8, 0.8) for name in ("original ads", "PPO") for metric in ("mrr", "ndcg")]
    return pd.DataFrame(table, columns=["method", "metric", "value", "low", "high"]).assign(group="female")


@pytest.mark.parametrize(
    ("before", "after", "low", "high", "met"),
    [
        (0.80, 0.86, 0.02, 0.10, [True, True]),
        (0.80, 0.86, -0.01, 0.13, [True, False]),
        (0.80, 0.84, 0.02, 0.06, [False, True]),
        (0.90, 1.20, 0.10, 0.50, [False, True]),  # parity overshot: farther from 1 than before
        (1.30, 1.10, -0.30, -0.10, [True, True]),  # from above, down is towards parity
        (0.90, 0.80, -0.15, -0.05, [False, False]),  # surely changed, but away from parity
        (0.80, 0.86, np.nan, np.nan, [True, False]),  # no interval shows nothing
    ],
)
def test_goals_count_towards_parity(before: float, after: float, low: float, high: float, met: list[bool]):
    table = result_tables.goals(ratios(before, after, low, high), [PPO[0]], "PPO")
    assert table["met"].tolist() == met + [True, True, True]


def test_verdict_by_hand():
    # Distances from 1: 2/3 for the original ads; 0 and 0.4, on average 0.2, for PPO; 0.4 for RLOO at twice the price.
    rloo = replace(method("RLOO", 0, (1, 2), (1.0, 0.5), (0.8, 0.6)), reward_calls=200)
    closest, most = result_tables.verdict({"original ads": [ORIGINAL], "RLOO": [rloo], "PPO": PPO}, "female", "male")
    assert closest.startswith("Closest to parity is PPO: its female impact ratio is 0.778 [")
    assert "one seed of it lies 0.200 from 1 on average, the original ads 0.667. RLOO is next" in closest
    assert "RLOO is next; the difference, 0.200 [" in closest
    assert most.startswith("Most for its reward calls gains PPO: 4.667 [")  # (2/3 - 0.2) / 100 * 1000
    assert "RLOO is next; the difference, 3.333 [" in most  # 4.667 - (2/3 - 0.4) / 200 * 1000


@pytest.mark.parametrize(
    ("women", "words"), [((2, 2), "is not certain, its interval holds 0."), ((1, 1), "is certain.")]
)
def test_verdict_says_whether_the_difference_is_certain(women: tuple[int, int], words: str):
    best, other = method("GRPO", 0, (2, 2), (1.0, 0.5), (0.8, 0.6)), method("RLOO", 0, women, (1.0, 0.5), (0.8, 0.6))
    (sentence,) = result_tables.verdict({"original ads": [ORIGINAL], "GRPO": [best], "RLOO": [other]}, "female", "male")
    assert sentence.endswith(words)


def test_methods_come_in_the_order_of_the_tables(tmp_path):
    with pytest.raises(InputError, match="original ads were not measured; run notebook 02_baseline first"):
        read_methods(tmp_path)
    for run in (PPO[1], PPO[0], replace(PPO[0], name="best of 16"), replace(PPO[0], name="best of 4"), ORIGINAL):
        save_method(tmp_path, run)
    found = read_methods(tmp_path)
    assert list(found) == ["original ads", "best of 4", "best of 16", "PPO"]
    assert [run.seed for run in found["PPO"]] == [0, 1]


def test_other_numbers_of_places_by_hand():
    # 1 of 8 women and 3 of 8 men at 4 and at 10; at 50 the nearest themselves, 20 women and 30 men.
    found = result_tables.by_places({"original ads": [ORIGINAL], "PPO": PPO}, "female", "male", 4).set_index("method")
    assert found.loc["original ads"].to_dict() == pytest.approx({"4": 1 / 3, "10": 1 / 3, "50": 2 / 3})
    assert found.loc["PPO", "4"] == 1, "the first seed"


def test_the_largest_occupations_by_hand():
    def run(**shares: float) -> Method:
        return replace(ORIGINAL, selected=pd.DataFrame({"occupation": shares.keys(), "selected": shares.values()}))

    methods = {"original ads": [run(cook=1.0, nurse=3.0, dj=0.0)], "PPO": [run(nurse=1.0), run(cook=3.0)]}
    found = result_tables.top_occupations(methods, most=2)
    assert found.to_numpy().tolist() == [["nurse", 0.75, 0.25], ["cook", 0.25, 0.75]]
