"""The table of notebook 09 on a recommender that is known: each number is that of the function it comes from."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import uncertainty
from autorefine_lib.evaluation.method import Method
from autorefine_lib.metrics import bootstrap, permutation, ranking
from autorefine_lib.reward.judge import Judge

NUMBER, K = 24, 5
JOBS = Dataset.from_dict(
    {
        "job_id": [f"j{n}" for n in range(NUMBER)],
        "occupation": ["cook", "nurse"] * (NUMBER // 2),
        "text": [f"Ad {n} for a natural leader." for n in range(NUMBER)],
    }
)
PEOPLE = Dataset.from_dict(
    {
        "candidate_id": [f"p{n}" for n in range(40)],
        "occupation": ["cook"] * 20 + ["nurse"] * 20,
        "race": ["asian", "black", "white", "white", "black"] * 8,
    }
)
RACES = np.array(PEOPLE["race"])


def rank(ads: list[str]) -> np.ndarray:
    """Noise that depends on the ad's text alone; the word "warm" raises black candidates."""
    seeds = [sum(map(ord, ad)) for ad in ads]
    scores = np.stack([np.random.default_rng(seed).normal(0, 1, 40) for seed in seeds])
    return scores + np.array([["warm" in ad] for ad in ads]) * (RACES == "black") * 0.8


JUDGE = Judge(SimpleNamespace(rank=rank), JOBS, PEOPLE, "race", K, "qualified")


def method(name: str, texts: list[str], seed: int = 0) -> Method:
    groups = ranking.per_job(rank(texts), JOBS, PEOPLE, "race", K)
    quality = pd.DataFrame({"job_id": JOBS["job_id"], "mrr": 1.0, "ndcg": 1.0, "similarity": 1.0, "protected": ""})
    return Method(name, seed, 0.0, 0, texts, groups, quality.assign(changed=False), pool="qualified")


ADS = list(JOBS["text"])
METHODS = {
    "original ads": [method("original ads", ADS)],
    "warm": [method("warm", [f"{ad} warm {seed}" for ad in ADS], seed) for seed in (0, 1)],
    "nothing": [method("nothing", ADS)],
}


@pytest.fixture(scope="module")
def floor() -> uncertainty.NoiseFloor:
    return uncertainty.noise_floor(JUDGE, "black", "white", draws=5)


@pytest.fixture(scope="module")
def table(floor: uncertainty.NoiseFloor) -> pd.DataFrame:
    return uncertainty.table(METHODS, JUDGE, "white", floor, n_boot=60)


def test_noise_is_that_of_the_runs_own_ads(floor: uncertainty.NoiseFloor):
    assert floor.group == "black" and len(floor.draws) == 5 and floor.draws["ads_changed"].eq(1).all()
    assert floor.sd > 0 and floor.low < floor.draws["change"].mean() < floor.high


def test_rows_are_what_the_functions_give(table: pd.DataFrame, floor: uncertainty.NoiseFloor):
    assert list(table.columns) == uncertainty.COLUMNS
    keys = [("warm", "asian"), ("warm", "black"), ("nothing", "asian"), ("nothing", "black")]
    assert list(zip(table["method"], table["group"], strict=True)) == keys and table["jobs"].eq(NUMBER).all()
    row = table.set_index(["method", "group"]).loc[("warm", "black")]
    before = ranking.rate_counts(METHODS["original ads"][0].groups, "black", "white", "qualified")
    after = np.mean([ranking.rate_counts(run.groups, "black", "white", "qualified") for run in METHODS["warm"]], axis=0)
    assert tuple(row[["change", "low", "high"]]) == bootstrap.interval(before, after)
    assert row["p_value"] == permutation.permutation_test(before, after).p_value < 0.05
    assert row["jobs_needed"] == uncertainty.jobs_needed(before, after)
    assert row["power"] == uncertainty.normal_power(before, after, NUMBER)
    people = bootstrap.Candidates.of(JOBS, PEOPLE, "race", "black", "white", K, "qualified")
    texts = [run.texts for run in METHODS["warm"]]
    both = bootstrap.interval(rank(ADS), np.stack([rank(each) for each in texts]), n_boot=60, candidates=people)
    assert both.value == pytest.approx(row["change"])
    assert (row["low_both"], row["high_both"]) == both[1:]


def test_holm_over_the_groups_of_a_method_and_over_all(table: pd.DataFrame):
    for _, part in table.groupby("method"):
        np.testing.assert_allclose(part["p_holm"], permutation.holm(part["p_value"].to_numpy()))
    np.testing.assert_allclose(table["p_holm_all"], permutation.holm(table["p_value"].to_numpy()))


def test_a_method_that_changes_nothing_has_no_number_of_jobs_but_a_reason(table: pd.DataFrame):
    nothing = table[table["method"] == "nothing"]
    assert nothing["change"].eq(0).all() and nothing["p_value"].eq(1).all() and nothing["low_both"].eq(0).all()
    assert nothing["jobs_needed"].isna().all() and nothing["note"].str.contains("same in every job").all()
    assert table["note"][table["method"] == "warm"].eq("").all()


def test_noise_is_judged_for_its_own_group_only(table: pd.DataFrame, floor: uncertainty.NoiseFloor):
    assert table["noise"][table["group"] == "asian"].eq("").all()
    for row in table[table["group"] == "black"].itertuples():
        assert row.noise == ("below" if row.change < floor.low else "above" if row.change > floor.high else "inside")


def test_an_undefined_ratio_is_told_and_not_counted(floor: uncertainty.NoiseFloor):
    people = PEOPLE.remove_columns("race").add_column("race", ["white"] * 20 + ["black"] * 20)
    jobs = JOBS.select(range(1, NUMBER, 2))  # for nurses, of whom none is white
    texts = list(jobs["text"])
    groups = ranking.per_job(rank(texts), jobs, people, "race", K)
    quality = METHODS["nothing"][0].quality.iloc[1::2].reset_index(drop=True)
    run = Method("x", 0, 0.0, 0, texts, groups, quality, pool="qualified")
    judge = replace(JUDGE, jobs=jobs, candidates=people)
    found = uncertainty.table({"original ads": [run], "x": [run]}, judge, "white", floor, n_boot=20)
    assert np.isnan(found.loc[0, ["change", "low_both", "p_value", "p_holm", "p_holm_all"]].astype(float)).all()
    assert "no candidate of the group, or of the reference group" in found.loc[0, "note"]


def test_another_recommender_than_the_runs_is_refused(floor: uncertainty.NoiseFloor):
    other = replace(JUDGE, recommender=SimpleNamespace(rank=lambda ads: rank([ad + "!" for ad in ads])))
    with pytest.raises(InputError, match="selects otherwise than was saved"):
        uncertainty.table(METHODS, other, "white", floor, n_boot=20)
    with pytest.raises(InputError, match="selects otherwise"):
        uncertainty.table(METHODS, replace(JUDGE, k=4), "white", floor, n_boot=20)


def test_other_bad_input_is_named(floor: uncertainty.NoiseFloor):
    with pytest.raises(InputError, match="'blue' is not one of asian, black, white"):
        uncertainty.table(METHODS, JUDGE, "blue", floor)
