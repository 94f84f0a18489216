"""Noise floor with a ranking that is known, influence values by hand, jobs needed by formula, and its power."""

from types import SimpleNamespace

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import paper
from autorefine_lib.evaluation.uncertainty import influence, jobs_needed, noise_floor, normal_power, spread
from autorefine_lib.generator import placebos
from autorefine_lib.metrics.bootstrap import resample
from autorefine_lib.reward.judge import Judge
from autorefine_lib.text import wording

RNG = np.random.default_rng(21)
WOMEN = RNG.binomial(20, 0.4, 120)
BEFORE = np.stack([WOMEN, np.full(120, 90), 20 - WOMEN, np.full(120, 100)], axis=1).astype(float)
MOVED = RNG.integers(-1, 3, 120)
AFTER = BEFORE + np.stack([MOVED, 0 * MOVED, -MOVED, 0 * MOVED], axis=1)

JOBS = Dataset.from_dict(
    {
        "job_id": ["a", "b"],
        "occupation": ["cook", "cook"],
        "text": ["We want a natural leader.", "A strong communicator."],
    }
)
PEOPLE = Dataset.from_dict(
    {"candidate_id": list("pqrstuvw"), "occupation": ["cook"] * 8, "gender": ["female", "male"] * 4}
)


def rank(ads: list[str]) -> np.ndarray:
    """An ad that ends in n! selects n women among its four: the women 0, 2, 4, 6 first, then the men."""
    scores = np.zeros((len(ads), 8))
    for row, ad in zip(scores, ads, strict=True):
        women = int(ad[-2]) if ad.endswith("!") else 2
        row[[0, 2, 4, 6][:women]] = 2
        row[[1, 3, 5, 7][: 4 - women]] = 1
    return scores


def floor(paraphrase=None, draws: int = 3, **other):
    options = {"attribute": "gender", "group": "female", "k": 4} | other
    judge = Judge(SimpleNamespace(rank=rank), JOBS, PEOPLE, options["attribute"], options["k"])
    more = {"paraphrase": paraphrase} if paraphrase else {}
    return noise_floor(judge, options["group"], "male", draws, seed=options.get("seed", 0), **more)


def test_noise_floor_by_hand():
    # Draws 0, 1, 2 select 1, 2 and 3 women in the first ad and 2 in the second: ratios 3/5, 1 and 5/3.
    found = floor(lambda ads, seed: [ads[0] + f" {seed + 1}!", *ads[1:]])
    assert found.original == 1 and found.group == "female"
    np.testing.assert_allclose(found.draws["impact_ratio"], [3 / 5, 1, 5 / 3])
    np.testing.assert_allclose(found.draws["change"], [-2 / 5, 0, 2 / 3])
    assert found.draws["ads_changed"].tolist() == [0.5] * 3
    sd = np.std([3 / 5, 1, 5 / 3], ddof=1)
    assert found.sd == pytest.approx(sd)
    # Quantiles of chi-squared with 2 degrees of freedom: 0.0506 and 7.378; of Student's t: 4.303.
    assert (found.sd_low, found.sd_high) == pytest.approx(
        (sd * np.sqrt(2 / 7.378), sd * np.sqrt(2 / 0.050636)), rel=1e-3
    )
    mean, reach = np.mean([-2 / 5, 0, 2 / 3]), 4.30265 * sd * np.sqrt(4 / 3)
    assert (found.low, found.high) == pytest.approx((mean - reach, mean + reach), rel=1e-4)


def test_the_paraphrase_is_random_without_a_direction_and_reproducible():
    assert wording.find(JOBS["text"][0]), "the ad holds a listed phrase"
    found = floor()  # `rank` is blind to the words, so that nothing moves
    assert found.draws["ads_changed"].eq(1).all() and found.sd == found.low == found.high == 0
    seen = []
    for _ in range(2):
        floor(lambda ads, seed: seen.append(placebos.paraphrase(ads, seed)) or seen[-1], draws=4, seed=5)
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
        floor(**change)


def test_influence_by_hand():
    # Ratio (3/8) / (5/8); the first job has 1 of 4 against 3 of 4, the second 2 of 4 against 2 of 4.
    found = influence(np.array([[1, 4, 3, 4], [2, 4, 2, 4.0]]))
    np.testing.assert_allclose(found, 0.6 * np.array([1 / 1.5 - 3 / 2.5, 2 / 1.5 - 2 / 2.5]))
    np.testing.assert_allclose(influence(np.array([1.0, 2.0, 6.0])), [-2, -1, 3])
    assert influence(np.array([[0, 4, 1, 4], [0, 4, 2, 4.0]])).tolist() == [0, 0], "a ratio of 0 has no spread"


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
    np.testing.assert_allclose(influence(sample), slopes, rtol=1e-3, atol=1e-3)
    assert abs(influence(sample).sum()) < 1e-9


def test_the_standard_error_is_that_of_the_bootstrap():
    before, after = resample(BEFORE, AFTER, n_boot=5000)
    assert spread(BEFORE, AFTER) / np.sqrt(120) == pytest.approx(np.std((after - before)[1:]), rel=0.05)


def test_jobs_needed_by_formula():
    before, after = np.zeros(4), np.array([-1.0, 1.0, -1.0, 1.0])  # standard deviation sqrt(4/3)
    # ((1.959964 + 0.841621) / 0.5)^2 * 4/3 = 41.86
    assert jobs_needed(before, after, effect=0.5) == jobs_needed(before, after, effect=-0.5) == 42
    assert normal_power(before, after, 42, 0.5) >= 0.8 > normal_power(before, after, 41, 0.5)
    # Half the effect takes four times the jobs.
    assert jobs_needed(before, after, effect=0.25) == 168
    assert round(0.668 - 0.618, 3) == paper.EFFECT
    assert jobs_needed(before, after) == jobs_needed(before, after, 0.05)


def test_normal_power_has_the_size_of_the_test_where_the_effect_vanishes():
    assert normal_power(BEFORE, AFTER, 50, 1e-9) == pytest.approx(0.05, abs=1e-6)


def test_the_power_is_that_of_the_paired_bootstrap():
    """New samples of the measured jobs, their change moved to the effect: how often the interval excludes 0."""
    effect, rng, sure = 0.06, np.random.default_rng(3), 0
    enough = jobs_needed(BEFORE, AFTER, effect)
    measured = np.subtract(*(table[:, 0].sum() / table[:, 1].sum() * table[:, 3].sum() / table[:, 2].sum()
                             for table in (AFTER, BEFORE)))  # fmt: skip
    for _ in range(150):
        rows = rng.integers(len(BEFORE), size=enough)
        before, after = resample(BEFORE[rows], AFTER[rows], n_boot=150)
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
def test_bad_input_is_named(arguments: tuple, message: str):
    with pytest.raises(InputError, match=message):
        jobs_needed(*arguments)
