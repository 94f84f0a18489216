"""Bootstrap intervals: against scipy, against a plain loop, where they must be trivial, and how often they cover."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.errors import InputError
from autorefine_lib.metrics import ranking
from autorefine_lib.metrics.bootstrap import Candidates, _ranking, _selected, interval, percentile, resample

RNG = np.random.default_rng(3)
VALUES = RNG.beta(2, 1, size=80)
COUNTS = np.stack(
    [RNG.integers(0, 8, 80), RNG.integers(20, 40, 80), RNG.integers(4, 12, 80), RNG.integers(20, 40, 80)], axis=1
)


def impact_ratio(counts: np.ndarray) -> float:
    a, b, c, d = counts.sum(0)
    return (a / b) / (c / d)


def test_mean_agrees_with_scipy():
    ours = interval(VALUES, n_boot=20_000)
    theirs = scipy.stats.bootstrap(
        (VALUES,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours.value == pytest.approx(VALUES.mean())
    assert (ours.low, ours.high) == (pytest.approx(theirs.low, abs=2e-3), pytest.approx(theirs.high, abs=2e-3))


def test_paired_difference_of_means_is_the_mean_difference():
    after = VALUES + RNG.normal(0.05, 0.01, 80)
    ours, direct = interval(VALUES, after), interval(after - VALUES)
    np.testing.assert_allclose(ours, direct, atol=1e-12)
    # Pairing matters: the spread between jobs cancels.
    assert ours.high - ours.low < 0.1 * (interval(VALUES).high - interval(VALUES).low)


def test_impact_ratio_agrees_with_a_loop():
    after = COUNTS.copy()
    after[:, 0] += 1
    rng = np.random.default_rng(9)
    rows = [rng.integers(0, 80, 80) for _ in range(4000)]
    for arguments, statistic in (
        ((COUNTS,), lambda row: impact_ratio(COUNTS[row])),
        ((COUNTS, after), lambda row: impact_ratio(after[row]) - impact_ratio(COUNTS[row])),
    ):
        ours = interval(*arguments, n_boot=4000)
        assert ours.value == pytest.approx(statistic(np.arange(80)))
        expected = np.quantile([statistic(row) for row in rows], [0.025, 0.975])
        np.testing.assert_allclose(ours[1:], expected, rtol=0.02)


def test_no_change_is_exactly_zero():
    assert interval(COUNTS, COUNTS) == (0, 0, 0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30), st.integers(0, 99))
def test_interval_is_reproducible_and_lies_in_the_data(values, seed):
    ours = interval(np.array(values), n_boot=200, seed=seed)
    assert ours == interval(np.array(values), n_boot=200, seed=seed)
    assert min(values) - 1e-9 <= ours.low <= ours.high <= max(values) + 1e-9


def test_undefined_ratio_is_nan():
    assert np.isnan(interval(np.array([[1, 2, 0, 2.0]]))).all()


def test_undefined_resamples_are_left_out():
    counts = np.array([[1, 4, 2, 4], [1, 4, 0, 4.0]])  # only the first job selects the reference group
    ours = interval(counts)
    assert ours.value == 1 and 0 < ours.low <= ours.high < np.inf


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.array([1.0, np.nan]),), "job 1 hold NaN"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(InputError, match=message):
        interval(*arguments)


def test_samples_are_resampled_together():
    first, second, third = resample(COUNTS, COUNTS[:, [2, 3, 0, 1]], COUNTS, n_boot=500, seed=4)
    assert first.shape == (501,) and first[0] == pytest.approx(impact_ratio(COUNTS))
    np.testing.assert_allclose(first * second, 1)  # the inverse ratio of the very same resample
    np.testing.assert_array_equal(first, third)
    assert percentile(first) == interval(COUNTS, n_boot=500, seed=4)
    distance = percentile(np.abs(1 - first))
    assert distance.low >= 0 and distance.value == pytest.approx(abs(1 - impact_ratio(COUNTS)))


def population(rng: np.random.Generator, jobs: int, people: int, slant: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores [jobs, people] and who is in the group, of a fresh sample of jobs and people.

    A person's own standing is the same for all jobs, as it is with embeddings; `slant` lowers the group's.
    """
    group = rng.permutation(people) < people // 2
    standing = rng.normal(0, 1, people)
    return standing + rng.normal(0, 0.7, (jobs, people)) - (slant + rng.normal(0, 0.2, (jobs, 1))) * group, group


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def two_groups(group: np.ndarray, k: int) -> Candidates:
    return Candidates(group, ~group, k)


JOBS = Dataset.from_dict({"job_id": ["a", "b", "c", "d", "e"], "occupation": ["cook", "nurse", "cook", "dj", "nurse"]})
PEOPLE = Dataset.from_dict(
    {
        "candidate_id": [f"p{number}" for number in range(36)],
        "occupation": ["cook"] * 10 + ["nurse"] * 8 + ["dj"] * 12 + ["poet"] * 6,
        "gender": ["female", "male", "female", "male", None, "male"] * 6,
    }
)


PEOPLE_OF_TWO = Candidates(*(np.array(PEOPLE["gender"]) == name for name in ("female", "male")), 4)


def test_both_ways_the_value_is_the_impact_ratio():
    scores = np.random.default_rng(1).normal(size=(5, 36))
    table = ranking.per_job(scores, JOBS, PEOPLE, "gender", 4)
    expected = ranking.impact_ratio(table, reference="male").set_index("group")["impact_ratio"]["female"]
    found = interval(scores, n_boot=50, candidates=PEOPLE_OF_TWO)
    assert found.value == pytest.approx(expected) and found.low < found.value < found.high
    by_job = interval(ranking.rate_counts(table, "female", "male"))
    assert found.value == pytest.approx(by_job.value)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_every_job_selects_the_best_of_the_pool_that_was_drawn(data):
    """Against a pool in which every candidate really stands as often as drawn."""
    people = data.draw(st.integers(1, 12))
    scores = np.array(data.draw(st.permutations(range(people))), float)[None]
    group = np.array(data.draw(st.lists(st.booleans(), min_size=people, max_size=people)))
    times = np.bincount(data.draw(st.lists(st.integers(0, people - 1), min_size=people, max_size=people)))
    times = np.pad(times, (0, people - len(times)))
    k = data.draw(st.integers(1, people))
    copies = np.repeat(np.arange(people), times)
    chosen = copies[top_k(scores[:, copies], k)[0]]
    both = np.array([group, ~group], float)
    assert _selected(_ranking(scores), times.astype(float), both, k).tolist() == [
        [group[chosen].sum(), (~group)[chosen].sum()]
    ]


@pytest.mark.parametrize("length", [1, 12])
def test_a_resample_without_the_best_reaches_as_deep_as_it_must(length: int):
    """Nobody above place 144 is drawn, then twelve candidates twenty times each, one by one or as one tie."""
    ranked = _ranking(-(np.arange(200.0) // length)[None])
    weights, groups = np.zeros(200), np.array([np.arange(200) % 2 == 0, np.arange(200) % 2 == 1], float)
    weights[144:156] = 20
    expected = [20, 10] if length == 1 else [15, 15]
    np.testing.assert_allclose(_selected(ranked, weights, groups, 30), [expected])


def test_both_ways_agree_with_a_loop():
    rng = np.random.default_rng(5)
    scores, group = population(rng, 25, 60, 0.4)
    after = scores + 0.3 * group + rng.normal(0, 0.3, scores.shape)

    def ratio(scores: np.ndarray, people: np.ndarray) -> float:
        selected = group[people][top_k(scores[:, people], 10)]
        members = group[people].mean()
        return selected.mean() / members / ((~selected).mean() / (1 - members))

    resamples = [(rng.integers(0, 25, 25), rng.integers(0, 60, 60)) for _ in range(800)]
    changes = [ratio(after[jobs], people) - ratio(scores[jobs], people) for jobs, people in resamples]
    ours = interval(scores, after, n_boot=800, candidates=two_groups(group, 10))
    assert ours.value == pytest.approx(ratio(after, np.arange(60)) - ratio(scores, np.arange(60)))
    expected = np.quantile(changes, [0.025, 0.975])
    np.testing.assert_allclose(ours[1:], expected, atol=0.1 * np.ptp(expected))


def test_runs_are_averaged_and_no_change_is_zero():
    scores, group = population(np.random.default_rng(2), 8, 30, 0.2)
    people = two_groups(group, 5)
    assert interval(scores, np.stack([scores, scores]), n_boot=40, candidates=people) == (0, 0, 0)
    other, _ = population(np.random.default_rng(3), 8, 30, 0.2)
    first, second = (resample(each, n_boot=1, candidates=people)[0, 0] for each in (scores, other))
    # All selections together are 5 a job: shares of the group average, ratios do not.
    shares = [value / (1 + value) for value in (first, second)]
    mean = resample(np.stack([scores, other]), n_boot=1, candidates=people)[0, 0]
    assert mean == pytest.approx(np.mean(shares) / (1 - np.mean(shares)))


def coverage(
    rng: np.random.Generator, samples: int, jobs: int, people: int, k: int, n_boot: int
) -> tuple[float, float]:
    """Share of fresh samples whose interval of the ratio holds the true one: by job, and by job and candidate."""

    def counts(scores: np.ndarray, group: np.ndarray) -> np.ndarray:
        chosen = group[top_k(scores, k)].sum(1)
        sizes = np.full((2, jobs), people / 2)
        return np.stack([chosen, sizes[0], k - chosen, sizes[1]], axis=1)

    fresh = [counts(*population(rng, jobs, people, 0.4)).sum(0) for _ in range(20 * samples)]
    truth = impact_ratio(np.array(fresh))
    hits = np.zeros(2)
    for number in range(samples):
        scores, group = population(rng, jobs, people, 0.4)
        by_job = interval(counts(scores, group), n_boot=n_boot, seed=number)
        both = interval(scores, n_boot=n_boot, seed=number, candidates=two_groups(group, k))
        hits += [found.low <= truth <= found.high for found in (by_job, both)]
    return tuple(hits / samples)


def test_only_both_ways_cover_where_the_candidates_are_a_sample():
    by_job, both = coverage(np.random.default_rng(7), samples=50, jobs=25, people=60, k=12, n_boot=100)
    assert by_job < 0.8 and both >= 0.88


def test_by_job_covers_where_the_candidates_are_given():
    rng = np.random.default_rng(11)
    chances = rng.dirichlet(np.ones(6), size=2000)
    everyone = np.stack([rng.binomial(20, chances[:, 0]), np.full(2000, 90), np.full(2000, 5), np.full(2000, 100)], 1)
    after = everyone + np.stack([rng.integers(-1, 3, 2000), *np.zeros((3, 2000), int)], 1)
    truth = impact_ratio(after) - impact_ratio(everyone)
    hits = 0
    for number in range(200):
        rows = rng.integers(0, 2000, 60)
        found = interval(everyone[rows], after[rows], n_boot=300, seed=number)
        hits += found.low <= truth <= found.high
    assert 0.9 <= hits / 200 <= 0.99


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_boot": 0}, "n_boot=0"),
        ({"k": 0}, "k=0 is not between 1 and 36"),
        ({"k": 37}, "k=37 is not between 1 and 36"),
        ({"scores": np.zeros((5, 35))}, r"shape \(5, 35\)"),
        ({"scores": np.full((5, 36), np.nan)}, "score of ad 0, candidate 0"),
    ],
)
def test_bad_input_both_ways_is_named(change: dict, message: str):
    people = replace(PEOPLE_OF_TWO, k=change.get("k", 4))
    options = {name: change[name] for name in ("n_boot",) if name in change}
    with pytest.raises(InputError, match=message):
        interval(change.get("scores", np.zeros((5, 36))), candidates=people, **options)


def test_a_reference_group_that_is_never_selected_is_nan_both_ways():
    group = np.arange(10) < 5
    scores = np.tile(np.where(group, 10.0, 0.0) + np.arange(10), (3, 1))
    assert np.isnan(interval(scores, n_boot=20, candidates=two_groups(group, 1))).all()
