"""Monitors: silent in health, right about a recorded run, each fires on the trouble it is for, once an episode."""

from pathlib import Path

import pandas as pd
import pytest
from datasets import Dataset
from tiny_models import tiny_model, tiny_tokenizer

from autorefine_lib.ppo import monitors
from autorefine_lib.ppo.config import PPOConfig
from autorefine_lib.ppo.monitors import MONITORS, Alarm, check, history
from autorefine_lib.ppo.trainer import PPOTrainer

RECORDED = Path(__file__).parents[1] / "fixtures" / "ppo_log.csv"
HEALTHY = {
    "reward/mrr_loss": 0.001, "reward/ndcg_loss": 0.001, "kl/response": 2.0, "policy/entropy": 0.6,
    "response/length": 14.0, "response/repetition": 0.02, "response/distinct": 0.95,
    "reward/exposure_original/female": 0.36, "reward/exposure_original/male": 0.40,
    "reward/exposure/female": 0.37, "reward/exposure/male": 0.39, "reward/changed": 0.6,
    "value/used": 1.0, "value/explained_variance": 0.1,
}  # fmt: skip
START = {"reward/exposure/female": 0.362, "reward/exposure/male": 0.398}  # of the first five steps
SICK = {
    "MRR": ({"reward/mrr_loss": 0.02}, "loses 0.020 of MRR, 0.001 in the first steps"),
    "NDCG": ({"reward/ndcg_loss": 0.02}, "loses 0.020 of NDCG, 0.001 in the first steps"),
    "parity": (START, "gain 0.010 of parity over the original ads, 0.010 in the first steps"),
    "group": ({"reward/exposure/female": 0.34, "reward/exposure/male": 0.42}, "exposure of 'female' is 0.810 times"),
    "KL": ({"kl/response": 8.4}, "0.60 nats a token"),
    "entropy": ({"policy/entropy": 0.06}, "entropy is 0.060 nats a token, 0.600 in"),
    "length": ({"response/length": 7.0}, "have 7.0 tokens, 14.0 in"),
    "repetition": ({"response/repetition": 0.5}, "50% of a response's 3-grams are repeats, 2% in"),
    "copying": ({"reward/changed": 0.39}, "39% of the completions change their text, 60% in"),
    "critic": ({"value/used": 0.0, "value/explained_variance": -0.2}, "explains -0.20 of the returns'"),
    "sameness": ({"response/distinct": 0.1}, "10% of the responses are distinct, 95% in"),
}


def rows(healthy: int, sick: int = 0, changes: dict[str, float] | None = None) -> list[dict[str, float]]:
    found = [HEALTHY | (START if row < 5 else {}) for row in range(healthy)]
    found += [HEALTHY | (changes or {}) for _ in range(sick)]
    return [{"step": number, **row} for number, row in enumerate(found, 1)]


def alarms(log: list[dict[str, float]]) -> list[Alarm]:
    return [alarm for count in range(1, len(log) + 1) for alarm in check(log[:count])]


def test_a_recorded_run_of_notebook_04_is_well_but_for_one_seed_that_learns_nothing():
    """Three seeds of twelve steps of the embedded profile, numbers cut to six digits."""
    log = pd.read_csv(RECORDED)
    assert log.groupby("seed")["step"].max().tolist() == [12, 12, 12]
    found = history(log)
    assert list(found.columns) == ["seed", "step", "monitor", "message"]
    assert found[["seed", "step", "monitor"]].to_numpy().tolist() == [[1, 12, "parity"]]
    assert found["message"][0].startswith("the rewrites gain 0.007 of parity over the original ads, 0.008 in the first")


def test_constant_health_raises_no_alarm_and_missing_columns_none():
    assert alarms(rows(60)) == []
    assert alarms([{"step": step} for step in range(1, 61)]) == []


@pytest.mark.parametrize("name", MONITORS)
def test_each_monitor_fires_on_its_trouble_once(name):
    changes, words = SICK[name]
    log = rows(20, 20, changes)
    found = alarms(log)
    [alarm] = [alarm for alarm in found if alarm.monitor == name]
    assert 20 < alarm.step <= 30
    # A ranking that moves away from parity does not move towards it either.
    assert {alarm.monitor for alarm in found} == ({"group", "parity"} if name == "group" else {name})
    for message in (alarm.message, MONITORS[name](log)):
        assert "\n" not in message and ("limit: " in message or "wanted: " in message) and ";" in message
    assert words in message


def test_a_new_episode_fires_again_a_flicker_does_not():
    log = rows(30)
    for step in (10, 11, 12, 13, 15, 17, 18, 19, 20):  # four of five steps must be low: steps 14 to 16, 20 to 22
        log[step]["policy/entropy"] = 0.0
    assert [alarm.step for alarm in alarms(log)] == [14]
    log = rows(40)
    for step in [*range(10, 15), *range(30, 35)]:
        log[step]["policy/entropy"] = 0.0
    assert [alarm.step for alarm in alarms(log)] == [14, 34]


def test_nothing_is_said_before_two_windows():
    assert alarms(rows(5, 4, {"policy/entropy": 0.0})) == []
    assert [alarm.step for alarm in alarms(rows(5, 5, {"policy/entropy": 0.0}))] == [10]


def test_a_kl_is_too_high_without_comparison():
    assert alarms(rows(0, 4, {"kl/response": 99.0})) == []
    assert [alarm.step for alarm in alarms(rows(0, 5, {"kl/response": 99.0}))] == [5]


def test_movements_that_are_aimed_at_are_no_alarm_of_a_group():
    """Of three groups the worst catches up and the best comes down; then the one in the middle falls."""
    before = {"a": 0.30, "b": 0.40, "c": 0.50}

    def log(**after: float) -> list[dict[str, float]]:
        columns = {f"reward/exposure_original/{group}": value for group, value in before.items()}
        columns |= {f"reward/exposure/{group}": value for group, value in after.items()}
        return [{"step": step, **columns} for step in range(1, 11)]

    assert monitors.unaimed_group(log(a=0.36, b=0.40, c=0.44)) is None
    # b against the mean of a and c: 1 before, 0.38 / 0.42 = 0.905 after.
    assert "'b' is 0.905 times" in monitors.unaimed_group(log(a=0.38, b=0.38, c=0.46))
    assert "'a' is 0.565 times" in monitors.unaimed_group(log(a=0.26, b=0.41, c=0.51))


def test_parity_that_is_reached_need_not_rise():
    near = {"reward/exposure/female": 0.39, "reward/exposure/male": 0.395}
    assert alarms([row | near for row in rows(25)]) == []
    [alarm] = alarms([row | START for row in rows(25)])
    assert alarm.monitor == "parity" and alarm.step == 12


def test_a_watched_group_that_moves_is_an_alarm():
    log = rows(10)
    for row in log:
        row |= {"reward/watched_original/race/x": 0.40, "reward/watched_original/race/y": 0.40}
        row |= {"reward/watched/race/x": 0.40, "reward/watched/race/y": 0.37, "reward/watched/age/old": 0.2}
    [alarm] = check(log)
    assert alarm.monitor == "group" and "exposure of 'race x' is 1.081 times" in alarm.message


def test_an_alarm_says_where_its_threshold_lies():
    assert check(rows(5, 5, {"policy/entropy": 0.25})) == []
    [alarm] = check(rows(5, 5, {"policy/entropy": 0.23}))
    assert (
        alarm == Alarm(10, "entropy", alarm.message) and "0.600 in the first steps (limit: 40% of it)" in alarm.message
    )


def test_history_keeps_runs_apart():
    sick = pd.DataFrame(rows(5, 5, {"kl/response": 99.0}))
    log = pd.concat([pd.DataFrame(rows(10)).assign(seed=3), sick.assign(seed=7)])
    found = history(log)
    assert found[["seed", "step", "monitor"]].to_numpy().tolist() == [[7, 6, "KL"]]
    assert list(history(sick).columns) == ["step", "monitor", "message"] and len(history(sick)) == 1


def test_a_policy_that_games_its_reward_is_seen(tmp_path):
    """Paid for one word, with no price on leaving the reference, a model ends saying that word to everything."""

    def says_w0(completions, **columns):
        return [completion.split().count("w0") for completion in completions]

    data = Dataset.from_dict({"prompt": [f"w{i} w{i + 1}" for i in range(20)]})
    config = PPOConfig(
        steps=30, batch_size=16, minibatches=2, learning_rate=1e-2, kl_coef=0.0, max_new_tokens=12, linear_decay=False,
        save_every=100,
    )  # fmt: skip
    log = PPOTrainer(tiny_model("llama"), tiny_tokenizer(), says_w0, data, config, tmp_path).train()
    found = history(log)
    assert {"KL", "entropy", "repetition", "sameness"} <= set(found["monitor"]), found.to_string()
    assert pd.read_csv(tmp_path / "alarms.csv")["message"].tolist() == found["message"].tolist()
