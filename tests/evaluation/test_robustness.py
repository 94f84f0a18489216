"""Floors of noise by hand, comparisons part by part, widths of the threshold, guards switched off, other settings."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from scipy import stats
from synthetic_judge import judge

from autorefine_lib.evaluation import robustness
from autorefine_lib.evaluation.method import ORIGINAL
from autorefine_lib.evaluation.robustness import MIX
from autorefine_lib.metrics import bootstrap, permutation, ranking
from autorefine_lib.reward.ad_measures import AdMeasures
from autorefine_lib.reward.config import RewardConfig
from autorefine_lib.reward.judge import Judge
from autorefine_lib.reward.linear_gap import LinearGap
from autorefine_lib.reward.reward import RankingReward

PEOPLE = Dataset.from_dict(
    {
        "candidate_id": [f"p{number}" for number in range(60)],
        "text": ["works"] * 60,
        "occupation": ["cook"] * 30 + ["nurse"] * 30,
        "gender": ["male", "female"] * 30,
    }
)
WOMEN, COOKS = np.array(PEOPLE["gender"]) == "female", np.array(PEOPLE["occupation"]) == "cook"
STANDING = np.random.default_rng(3).normal(size=60)
JOBS = Dataset.from_dict(
    {
        "job_id": [f"j{number}" for number in range(12)],
        "text": [
            f"We hire {number} {trade}s. The work is plain." for number, trade in enumerate(["cook", "nurse"] * 6)
        ],
        "occupation": ["cook", "nurse"] * 6,
    }
)


class Wordy:
    """Ads for cooks start with too few women, those for nurses with too many; `warm` brings women, `cold` takes them.

    `busy` brings everybody who is known by an odd number, whatever the group.
    """

    def fit(self, candidates: Dataset) -> "Wordy":
        self.named = np.array([float("Ada" in text) for text in candidates["text"]])
        return self

    def rank(self, ads: list[str]) -> np.ndarray:
        rows = []
        for ad in ads:
            lift = 0.8 * ("nurse" in ad) - 0.8 * ("cook" in ad) + 0.5 * ad.count("warm") - 0.5 * ad.count("cold")
            busy = 1.5 * ad.count("busy") * (np.arange(60) // 2 % 2)
            rows.append(STANDING + lift * WOMEN + busy + 0.3 * self.named)
        return np.array(rows).reshape(-1, 60)

    def embed(self, ads: list[str]) -> np.ndarray:
        return np.ones((len(ads), 1))


JUDGE = Judge(Wordy().fit(PEOPLE), JOBS, PEOPLE, "gender", 10)
PAIR = ("female", "male")


def put(word: str) -> list[str]:
    return [ad.replace("plain", word) for ad in JOBS["text"]]


def test_misspelt_ads_are_the_same_ads_with_few_errors():
    ads = ["We are looking for an engineer with much experience in building bridges. " * 20] * 3
    wrong = robustness.misspell(ads, 1, 0.1)
    assert wrong == robustness.misspell(ads, 1, 0.1) != robustness.misspell(ads, 2, 0.1)
    assert len(set(wrong)) == 3, "each ad has its own errors"
    assert robustness.misspell(ads, 1, 0) == ads
    words = ["bridges"] * 2000
    wrong = robustness.misspell(["\n".join(words)], 3, 0.1)[0].split("\n")
    touched = np.mean([old != new for old, new in zip(words, wrong, strict=True)])
    # One error in 21 swaps the last letter with nothing.
    assert touched == pytest.approx(0.1 * 20 / 21, abs=0.02)
    every = robustness.misspell(["abcd"] * 200, 0, 1.0)
    assert {len(text) for text in every} == {3, 4, 5} and all(set(text) <= set("abcd") for text in every)
    assert set(robustness.misspell(["a b"] * 50, 0, 1.0)) == {"ab", "a  b", "a b"}


def test_names_are_those_of_the_own_group():
    named = robustness.rename(JUDGE, {"female": ["Ada", "Eva"]}, 0)
    texts = np.array(named.candidates["text"])
    assert set(texts[WOMEN]) == {"Ada. works", "Eva. works"} and set(texts[~WOMEN]) == {"works"}
    assert list(JUDGE.candidates["text"]) == ["works"] * 60 and not JUDGE.recommender.named.any()
    assert named.recommender.named.sum() == (texts == "Ada. works").sum()
    counts = [robustness.count_selected(*each, *PAIR) for each in ((JUDGE, JOBS["text"]), (named, JOBS["text"]))]
    ratios = [(of[:, 0].sum() / of[:, 1].sum()) / (of[:, 2].sum() / of[:, 3].sum()) for of in counts]
    assert abs(ratios[1] - ratios[0]) > 0.01, "names move the ratio"


def test_parts_are_compared_as_bootstrap_and_permutations_do():
    counts = {ORIGINAL: robustness.count_selected(JUDGE, JOBS["text"], *PAIR)}
    counts |= {word: robustness.count_selected(JUDGE, put(word), *PAIR) for word in ("warm", "cold")}
    cooks = np.array(JOBS["occupation"]) == "cook"
    table = robustness.compare_parts({"all": counts, "cooks": {name: of[cooks] for name, of in counts.items()}}, 1)
    assert len(table) == 6 and table["n"].tolist() == [12] * 3 + [6] * 3
    row = table.set_index(["part", "method"]).loc[("all", "warm")]
    expected = bootstrap.interval(counts[ORIGINAL], counts["warm"], seed=1)
    assert [row["change"], row["change_low"], row["change_high"]] == pytest.approx(list(expected))
    assert row["p_value"] == permutation.permutation_test(counts[ORIGINAL], counts["warm"], seed=1).p_value
    start = bootstrap.interval(counts[ORIGINAL]).value
    assert row["closer"] == pytest.approx(abs(1 - start) - abs(1 - row["impact_ratio"]))
    originals = table[table["method"] == ORIGINAL]
    assert originals[["change", "closer", "p_value", "p_holm"]].isna().all().all()
    tested = table["p_value"].dropna()
    assert (table.loc[tested.index, "p_holm"] >= tested).all() and table["p_holm"].min() == pytest.approx(
        4 * tested.min()
    )
    by_part = table.set_index(["part", "method"])["closer"]
    assert by_part["cooks", "warm"] > 0 > by_part["cooks", "cold"], "cooks start with too few women"


def rewrite_all() -> pd.DataFrame:
    rows = [
        (job, 2, "The work is plain.", f"The work is {word}.")
        for job in JOBS["job_id"]
        for word in ("warm", "cold", "warm and warm", "busy", "warm and busy")
    ]
    return pd.DataFrame(rows, columns=["job_id", "position", "source", "text"])


def test_the_narrower_the_threshold_the_closer_to_the_hard_selection():
    table = robustness.correlate_widths(JUDGE, rewrite_all(), *PAIR, (1.0, 0.2, 1e-6)).set_index("width")
    assert table.loc[1e-6, "r_hard"] == pytest.approx(1) and table.loc[1e-6, "inside"] == pytest.approx(1)
    assert table["r_hard"].is_monotonic_increasing and table["inside"].is_monotonic_increasing
    # By hand for one width: sums of weights over the two groups, one place shared by all.
    measures = AdMeasures(JUDGE, 0.2)
    rows, ids = rewrite_all(), JOBS["job_id"]
    ads = [JOBS["text"][ids.index(row.job_id)].replace(row.source, row.text) for row in rows.itertuples()]
    old = [JOBS["text"][ids.index(job)] for job in rows["job_id"]]
    women, men = (measures.groups.index(name) for name in PAIR)

    def log_ratio(texts: list[str], kind: str) -> np.ndarray:
        found = measures(texts, list(rows["job_id"]))[kind] + 0.5
        return np.log(found[:, women] / found[:, men])

    changes = [log_ratio(ads, kind) - log_ratio(old, kind) for kind in ("exposure", "hard")]
    assert table.loc[0.2, "r_hard"] == pytest.approx(stats.spearmanr(*changes).statistic)
    assert robustness.correlate_widths(JUDGE, rewrite_all()[:0], *PAIR, (0.2,))["r_hard"].isna().all()


def test_without_a_guard_what_it_alone_refused_is_rewarded():
    def finish(source: str, completion: str, guards: tuple[str, ...]) -> tuple[str, list[str]]:
        reasons = [guard for guard in guards if guard in completion]
        return (source, reasons) if reasons else (completion, [])

    config, writer = RewardConfig(guards=("form", "length")), SimpleNamespace(finish=finish)
    reward = RankingReward(JUDGE, lambda source, completion: finish(source, completion, config.guards), config)
    completions = [
        "The work is warm.",
        "The work is warm form.",
        "The work is warm form length.",
        "The work is length.",
    ]
    cache = reward.score(completions, ["j0"] * 4, [2] * 4).assign(completion=completions)
    let_in = robustness.reward_refused(cache, writer, JUDGE, config)
    assert let_in["guard"].tolist() == ["form", "length"], "two guards refuse the third completion"
    assert let_in["text"].tolist() == ["The work is warm form.", "The work is length."]
    assert let_in["reward"][0] == pytest.approx(cache["reward"][0]) and cache["reward"][1] == -config.w_violation
    assert robustness.reward_refused(cache[:1], writer, JUDGE, config).empty


def test_what_one_setting_asks_for_pushes_the_other_away():
    config = RewardConfig()
    reward = RankingReward(JUDGE, lambda source, completion: (completion, {}), config)
    rows = rewrite_all()
    rows = rows[rows["text"].isin(["The work is warm.", "The work is cold."])]
    cache = reward.score(rows["text"].tolist(), rows["job_id"].tolist(), rows["position"].tolist())
    linear = LinearGap(AdMeasures(JUDGE, config.smoothing))
    settings = pd.Series(linear.measures.occupations)
    asked = robustness.choose_by_setting(cache, linear, settings)
    assert list(asked) == ["cook", "nurse", MIX]
    assert asked["cook"] == put("warm"), "of all ads, also of those for nurses"
    assert asked["nurse"] == put("cold")
    before = robustness.count_selected(JUDGE, JOBS["text"], *PAIR)
    inside = settings.eq("nurse").to_numpy()
    counts = {ORIGINAL: before[inside]}
    counts |= {name: robustness.count_selected(JUDGE, texts, *PAIR)[inside] for name, texts in asked.items()}
    closer = robustness.compare_parts({"nurse": counts}).set_index("method")["closer"]
    assert closer["nurse"] > 0 and closer["nurse"] > closer["cook"]
    none = robustness.choose_by_setting(cache[:0], linear, settings)
    assert all(texts == list(JOBS["text"]) for texts in none.values())


def test_counts_are_those_of_a_real_ranking():
    small = judge("test", 30)
    counts = robustness.count_selected(small, small.jobs["text"], *PAIR)
    table = ranking.impact_ratio(small.measure(list(small.jobs["text"]))[0], "whole", "male").set_index("group")
    assert bootstrap.interval(counts).value == pytest.approx(table.loc["female", "impact_ratio"])


def test_the_counts_of_a_method_are_the_mean_of_its_seeds():
    runs = [SimpleNamespace(texts=put(word)) for word in ("warm", "cold")]
    counted = robustness.count_methods(JUDGE, {"both": runs, "warm": runs[:1]}, *PAIR)
    warm, cold = (robustness.count_selected(JUDGE, run.texts, *PAIR) for run in runs)
    assert not np.array_equal(warm, cold)
    assert np.array_equal(counted["both"], (warm + cold) / 2) and np.array_equal(counted["warm"], warm)
