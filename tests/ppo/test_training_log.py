"""What a run writes about itself."""

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from autorefine_lib.errors import InputError
from autorefine_lib.ppo.training_log import Stopwatch, TrainingLog, trackers


def test_tracker_names():
    assert trackers("") == [] and trackers(" tensorboard ,") == ["tensorboard"]
    with pytest.raises(InputError, match="'paper' is no installed tracker; allowed: .*tensorboard"):
        trackers("tensorboard,paper")
    with pytest.raises(InputError, match="'wandb' is no installed tracker"):
        trackers("wandb")


def test_rows_go_to_csv_and_tensorboard_and_a_resumed_run_drops_later_ones(tmp_path):
    log = TrainingLog(tmp_path, "tensorboard")
    log.start([], {"seed": 0, "kl_target": None})
    for step in (1, 2, 3):
        log.add({"step": step, "reward/mean": step / 10})
    log.close()
    rows, log = log.rows, TrainingLog(tmp_path, "tensorboard")
    log.start(rows[:2], {"seed": 0})
    log.add({"step": 3, "reward/mean": 0.5})
    log.close()
    assert pd.read_csv(tmp_path / "log.csv")["reward/mean"].tolist() == [0.1, 0.2, 0.5]
    first, second = sorted((tmp_path / "tensorboard/autorefine").glob("events*"))
    assert len(EventAccumulator(str(first)).Reload().Scalars("reward/mean")) == 3
    events = EventAccumulator(str(tmp_path / "tensorboard/autorefine"))
    events.Reload()
    assert [(e.step, round(e.value, 3)) for e in events.Scalars("reward/mean")] == [(1, 0.1), (2, 0.2), (3, 0.5)]


def test_an_alarm_is_printed_once_and_kept_through_a_resume(tmp_path, capsys):
    rows = [{"step": n, "policy/entropy": 2.0 if n <= 5 else 0.1} for n in range(1, 13)]
    log = TrainingLog(tmp_path)
    for row in rows:
        log.add(row)
    table = pd.read_csv(tmp_path / "alarms.csv")
    assert list(table["monitor"]) == ["entropy"] and table["step"][0] == 10
    assert capsys.readouterr().out.count("step 10, entropy: entropy is") == 1
    again = TrainingLog(tmp_path)
    again.start(rows[:11], {})
    again.add(rows[11])
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "alarms.csv"), table)


def test_phases_add_up():
    clock = Stopwatch()
    for phase in ("rollout", "reward", "rollout"):
        clock.lap(phase)
    seconds = clock.seconds()
    assert set(seconds) == {"seconds/rollout", "seconds/reward", "seconds/step"}
    assert seconds["seconds/rollout"] + seconds["seconds/reward"] == pytest.approx(seconds["seconds/step"])
