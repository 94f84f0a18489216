"""The noise floor and the jobs that are needed, by hand; each number of notebook 09's table is that of its function."""

from dataclasses import replace
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import paper, uncertainty
from autorefine_lib.evaluation.method import Method
from autorefine_lib.generator import placebos
from autorefine_lib.metrics import bootstrap, permutation, ranking
from autorefine_lib.reward.judge import Judge
from autorefine_lib.text import wording

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
NOBODY = pd.DataFrame()


def rank(ads: list[str]) -> np.ndarray:
    """Noise that depends on the ad's text alone; the word "warm" raises black candidates."""
    seeds = [sum(map(ord, ad)) for ad in ads]
    scores = np.stack([np.random.default_rng(seed).normal(0, 1, 40) for seed in seeds])
    return scores + np.array([["warm" in ad] for ad in ads]) * (RACES == "black") * 0.8


JUDGE = Judge(SimpleNamespace(rank=rank), JOBS, PEOPLE, "race", K)


def method(name: str, texts: list[str], seed: int = 0) -> Method:
    groups = ranking.per_job(rank(texts), JOBS, PEOPLE, "race", K)
    quality = pd.DataFrame({"job_id": JOBS["job_id"], "mrr": 1.0, "ndcg": 1.0, "similarity": 1.0, "protected": 0})
    quality[["overlap", "ndcg_to_original"]] = 1.0
    return Method(name, seed, 0.0, 0, texts, groups, quality.assign(changed=False), NOBODY)


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
    assert floor.group == "black" and len(floor.changes) == 5
    assert floor.low < floor.changes.mean() < floor.high
    for draw in range(5):
        assert all(new != ad for new, ad in zip(placebos.paraphrase(ADS, draw), ADS, strict=True))


def test_rows_are_what_the_functions_give(table: pd.DataFrame, floor: uncertainty.NoiseFloor):
    assert list(table.columns) == uncertainty.COLUMNS
    keys = [("warm", "asian"), ("warm", "black"), ("nothing", "asian"), ("nothing", "black")]
    assert list(zip(table["method"], table["group"], strict=True)) == keys and table["jobs"].eq(NUMBER).all()
    row = table.set_index(["method", "group"]).loc[("warm", "black")]
    before = ranking.rate_counts(METHODS["original ads"][0].groups, "black", "white")
    after = np.mean([ranking.rate_counts(run.groups, "black", "white") for run in METHODS["warm"]], axis=0)
    assert tuple(row[["change", "low", "high"]]) == bootstrap.interval(before, after)
    assert row["p_value"] == permutation.permutation_test(before, after).p_value < 0.05
    assert row["jobs_needed"] == uncertainty.jobs_needed(before, after)
    assert row["power"] == uncertainty.normal_power(before, after, NUMBER)
    people = bootstrap.Candidates(RACES == "black", RACES == "white", K)
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
    def no_white(texts: list[str]) -> np.ndarray:
        return rank(texts) - 100.0 * (RACES == "white")

    groups = ranking.per_job(no_white(ADS), JOBS, PEOPLE, "race", K)
    run = replace(METHODS["nothing"][0], name="x", groups=groups)
    judge = replace(JUDGE, recommender=SimpleNamespace(rank=no_white))
    found = uncertainty.table({"original ads": [run], "x": [run]}, judge, "white", floor, n_boot=20)
    assert np.isnan(found.loc[0, ["change", "low_both", "p_value", "p_holm", "p_holm_all"]].astype(float)).all()
    assert "nobody of the reference group is selected" in found.loc[0, "note"]


def test_another_recommender_than_the_runs_is_refused(floor: uncertainty.NoiseFloor):
    other = replace(JUDGE, recommender=SimpleNamespace(rank=lambda ads: rank([ad + "!" for ad in ads])))
    with pytest.raises(InputError, match="selects otherwise than was saved"):
        uncertainty.table(METHODS, other, "white", floor, n_boot=20)
    with pytest.raises(InputError, match="selects otherwise"):
        uncertainty.table(METHODS, replace(JUDGE, k=4), "white", floor, n_boot=20)


def test_an_unknown_reference_is_named(floor: uncertainty.NoiseFloor):
    with pytest.raises(InputError, match="'blue' is not one of asian, black, white"):
        uncertainty.table(METHODS, JUDGE, "blue", floor)


RNG = np.random.default_rng(21)
WOMEN = RNG.binomial(20, 0.4, 120)
BEFORE = np.stack([WOMEN, np.full(120, 90), 20 - WOMEN, np.full(120, 100)], axis=1).astype(float)
MOVED = RNG.integers(-1, 3, 120)
AFTER = BEFORE + np.stack([MOVED, 0 * MOVED, -MOVED, 0 * MOVED], axis=1)

TWO_ADS = Dataset.from_dict(
    {
        "job_id": ["a", "b"],
        "occupation": ["cook", "cook"],
        "text": ["We want a natural leader.", "A strong communicator."],
    }
)
COOKS = Dataset.from_dict(
    {"candidate_id": list("pqrstuvw"), "occupation": ["cook"] * 8, "gender": ["female", "male"] * 4}
)


def select_women(ads: list[str]) -> np.ndarray:
    """An ad that ends in n! selects n women among its four: the women 0, 2, 4, 6 first, then the men."""
    scores = np.zeros((len(ads), 8))
    for row, ad in zip(scores, ads, strict=True):
        women = int(ad[-2]) if ad.endswith("!") else 2
        row[[0, 2, 4, 6][:women]] = 2
        row[[1, 3, 5, 7][: 4 - women]] = 1
    return scores


def toy_floor(paraphrase=None, draws: int = 3, **other):
    options = {"attribute": "gender", "group": "female", "k": 4} | other
    judge = Judge(SimpleNamespace(rank=select_women), TWO_ADS, COOKS, options["attribute"], options["k"])
    with mock.patch.object(placebos, "paraphrase", paraphrase or placebos.paraphrase):
        return uncertainty.noise_floor(judge, options["group"], "male", draws, seed=options.get("seed", 0))


def test_noise_floor_by_hand():
    # Draws 0, 1, 2 select 1, 2 and 3 women in the first ad and 2 in the second: ratios 3/5, 1 and 5/3.
    found = toy_floor(lambda ads, seed: [ads[0] + f" {seed + 1}!", *ads[1:]])
    assert found.group == "female"
    np.testing.assert_allclose(found.changes, [-2 / 5, 0, 2 / 3])
    np.testing.assert_allclose(found.changes + 1, [3 / 5, 1, 5 / 3])  # the ads as they are select equally
    sd = np.std([3 / 5, 1, 5 / 3], ddof=1)
    # Quantile of Student's t with 2 degrees of freedom: 4.303.
    mean, reach = np.mean([-2 / 5, 0, 2 / 3]), 4.30265 * sd * np.sqrt(4 / 3)
    assert (found.low, found.high) == pytest.approx((mean - reach, mean + reach), rel=1e-4)


def test_the_paraphrase_is_random_without_a_direction_and_reproducible():
    assert wording.find(TWO_ADS["text"][0]), "the ad holds a listed phrase"
    found = toy_floor()  # `select_women` is blind to the words, so that nothing moves
    assert all(new != ad for new, ad in zip(placebos.paraphrase(TWO_ADS["text"][:], 0), TWO_ADS["text"], strict=True))
    assert found.low == found.high == 0
    seen, paraphrase = [], placebos.paraphrase
    for _ in range(2):
        toy_floor(lambda ads, seed: seen.append(paraphrase(ads, seed)) or seen[-1], draws=4, seed=5)
    assert seen[:4] == seen[4:] and seen[0] != seen[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"draws": 1}, "at least 2"),
        ({"paraphrase": lambda ads, seed: ads}, "changes no ad"),
        (
            {"paraphrase": lambda ads, seed: [ad + " 4!" for ad in ads]},
            "undefined: nobody of the reference group male is selected",
        ),
        ({"group": "blue"}, "'blue' is not one of female, male"),
        ({"attribute": "hair"}, "no column 'hair'"),
        ({"k": 0}, "k=0"),
        ({"k": 9}, "k=9 is not between 1 and 8"),
    ],
)
def test_bad_input_to_the_noise_floor_is_named(change: dict, message: str):
    with pytest.raises(InputError, match=message):
        toy_floor(**change)


def test_influence_by_hand():
    # Ratio (3/8) / (5/8); the first job has 1 of 4 against 3 of 4, the second 2 of 4 against 2 of 4.
    found = uncertainty.influence(np.array([[1, 4, 3, 4], [2, 4, 2, 4.0]]))
    np.testing.assert_allclose(found, 0.6 * np.array([1 / 1.5 - 3 / 2.5, 2 / 1.5 - 2 / 2.5]))
    np.testing.assert_allclose(uncertainty.influence(np.array([1.0, 2.0, 6.0])), [-2, -1, 3])
    never = np.array([[0, 4, 1, 4], [0, 4, 2, 4.0]])
    assert uncertainty.influence(never).tolist() == [0, 0], "a ratio of 0 has no spread"


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.integers(0, 9999))
def test_influence_is_the_derivative_by_the_weight_of_a_job(jobs: int, seed: int):
    sample = np.random.default_rng(seed).integers(1, 20, (jobs, 4)).astype(float)
    step = 1e-6

    def ratio(weights: np.ndarray) -> float:
        a, b, c, d = weights @ sample
        return (a / b) / (c / d)

    even = np.full(jobs, 1 / jobs)
    slopes = [(ratio(even * (1 - step) + step * one) - ratio(even)) / step for one in np.eye(jobs)]
    np.testing.assert_allclose(uncertainty.influence(sample), slopes, rtol=1e-3, atol=1e-3)
    assert abs(uncertainty.influence(sample).sum()) < 1e-9


def test_the_standard_error_is_that_of_the_bootstrap():
    before, after = bootstrap.resample(BEFORE, AFTER, n_boot=5000)
    assert uncertainty.spread(BEFORE, AFTER) / np.sqrt(120) == pytest.approx(np.std((after - before)[1:]), rel=0.05)


def test_jobs_needed_by_formula():
    before, after = np.zeros(4), np.array([-1.0, 1.0, -1.0, 1.0])  # standard deviation sqrt(4/3)
    # ((1.959964 + 0.841621) / 0.5)^2 * 4/3 = 41.86
    assert [uncertainty.jobs_needed(before, after, effect=effect) for effect in (0.5, -0.5)] == [42, 42]
    assert uncertainty.normal_power(before, after, 42, 0.5) >= 0.8 > uncertainty.normal_power(before, after, 41, 0.5)
    # Half the effect takes four times the jobs.
    assert uncertainty.jobs_needed(before, after, effect=0.25) == 168
    assert round(0.668 - 0.618, 3) == paper.EFFECT
    assert uncertainty.jobs_needed(before, after) == uncertainty.jobs_needed(before, after, 0.05)


def test_normal_power_has_the_size_of_the_test_where_the_effect_vanishes():
    assert uncertainty.normal_power(BEFORE, AFTER, 50, 1e-9) == pytest.approx(0.05, abs=1e-6)


def test_the_power_is_that_of_the_paired_bootstrap():
    """New samples of the measured jobs, their change moved to the effect: how often the interval excludes 0."""
    effect, rng, sure = 0.06, np.random.default_rng(3), 0
    enough = uncertainty.jobs_needed(BEFORE, AFTER, effect)
    measured = np.subtract(*(table[:, 0].sum() / table[:, 1].sum() * table[:, 3].sum() / table[:, 2].sum()
                             for table in (AFTER, BEFORE)))  # fmt: skip
    for _ in range(150):
        rows = rng.integers(len(BEFORE), size=enough)
        before, after = bootstrap.resample(BEFORE[rows], AFTER[rows], n_boot=150)
        low, high = np.quantile((after - before)[1:], [0.025, 0.975]) + effect - measured
        sure += low > 0 or high < 0
    assert sure / 150 == pytest.approx(0.8, abs=0.1)


NEVER = BEFORE * np.array([1, 1, 0, 1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(2), np.array([1.0, np.nan])), "job 1 hold NaN"),
        ((BEFORE[:1], AFTER[:1]), "at least 2"),
        ((BEFORE, BEFORE), "same in every job"),
        ((BEFORE, NEVER), "the reference is not selected"),
        ((BEFORE, BEFORE * np.array([1, 0, 1, 1])), "a group has nobody in the pools"),
    ],
)
def test_bad_input_to_jobs_needed_is_named(arguments: tuple, message: str):
    with pytest.raises(InputError, match=message):
        uncertainty.jobs_needed(*arguments)
