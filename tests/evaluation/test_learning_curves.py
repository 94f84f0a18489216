"""Points of a learning curve, from a toy ranking by hand; the policy that did best on held-out ads is kept."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset
from torch import nn

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import learning_curves
from autorefine_lib.evaluation.learning_curves import BestPolicy, LearningCurve
from autorefine_lib.reward.config import RewardConfig
from autorefine_lib.reward.judge import Judge

CANDIDATES = Dataset.from_dict(
    {
        "candidate_id": [f"c{i}" for i in range(8)],
        "text": ["x"] * 8,
        "occupation": ["cook"] * 8,
        "gender": ["female", "male"] * 4,
    }
)
JOBS = Dataset.from_dict({"job_id": [f"j{i}" for i in range(9)], "text": ["plain"] * 9, "occupation": ["cook"] * 9})


def rank(ads: list[str]) -> np.ndarray:
    """Of the top four one is a woman, or two where the ad says fair."""
    plain, fair = [1, 8, 2, 7, 3, 6, 9, 5], [8, 9, 7, 6, 3, 2, 4, 1]
    return np.array([fair if ad == "fair" else plain for ad in ads], float)


@pytest.fixture
def curve(tmp_path: Path) -> LearningCurve:
    judge = Judge(
        SimpleNamespace(rank=rank, embed=lambda texts: np.ones((len(texts), 1))), JOBS, CANDIDATES, "gender", 4
    )
    return LearningCurve(judge, RewardConfig(), tmp_path / "tables/learning_curves.csv", every=100, ads=3)


def fair(ads: list[str]) -> list[str]:
    return ["fair"] * len(ads)


def same(ads: list[str]) -> list[str]:
    return ads


def test_ads_are_taken_evenly(curve: LearningCurve):
    assert curve.judge.jobs["job_id"][:] == ["j0", "j4", "j8"]


def test_points_by_hand(curve: LearningCurve):
    assert curve.add("aligned, no RL", 0, 0, same) == pytest.approx(1 / 3)
    assert curve.add("PPO", 0, 100, fair) == pytest.approx(1.0)
    table = learning_curves.read(curve.path, "female", "male")
    assert table.columns.tolist() == ["method", "seed", "reward_calls", "reward", "impact_ratio"]
    assert table["method"].tolist() == ["PPO", "aligned, no RL"] and table["reward_calls"].tolist() == [100, 0]
    assert table["impact_ratio"].tolist() == pytest.approx([1.0, 1 / 3])
    assert table["reward"].iloc[1] == 0 and table["reward"].iloc[0] > 0.1
    assert learning_curves.read(curve.path, "male", "female")["impact_ratio"].tolist() == pytest.approx([1.0, 3.0])


def test_a_repeated_point_is_replaced(curve: LearningCurve):
    curve.add("PPO", 0, 100, same)
    curve.add("PPO", 1, 100, same)
    curve.add("PPO", 0, 100, fair)
    table = learning_curves.read(curve.path, "female", "male")
    assert table["seed"].tolist() == [0, 1] and table["impact_ratio"].tolist() == pytest.approx([1, 1 / 3])


def test_follow_adds_a_point_after_every_hundred_calls(curve: LearningCurve):
    kept = []
    on_step = curve.follow("PPO", 2, 40, fair, lambda parity, step: kept.append((parity, step)))
    for step in range(1, 8):
        on_step({"step": step})
    table = learning_curves.read(curve.path, "female", "male")
    assert table["reward_calls"].tolist() == [120, 200] and set(table["seed"]) == {2}
    assert kept == [(pytest.approx(1.0), 3), (pytest.approx(1.0), 5)]
    assert curve.seconds > 0


def test_clear_drops_what_an_earlier_run_left(curve: LearningCurve):
    curve.clear("PPO")
    for method in ("PPO", "RLOO"):
        curve.add(method, 0, 100, same)
    curve.clear("PPO", "GRPO")
    assert set(pd.read_csv(curve.path)["method"]) == {"RLOO"}


def test_the_calls_of_a_training_are_those_of_the_points_that_were_really_taken(curve: LearningCurve):
    assert curve.count_calls("PPO", 0) == 0
    for seed, calls in ((0, 100), (0, 200), (0, 200), (1, 100)):
        curve.add("PPO", seed, calls, same)
    assert curve.count_calls("PPO", 0) == 2 * 3 and curve.count_calls("PPO", 1) == 3


def model(value: float = 0.0) -> nn.Module:
    layers = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    layers[0].requires_grad_(False)
    for weight in layers.parameters():
        nn.init.constant_(weight, value)
    return layers


def set_trained(layers: nn.Module, value: float) -> None:
    for weight in layers[1].parameters():
        nn.init.constant_(weight, value)


def test_the_best_weights_come_back_and_the_frozen_ones_stay(tmp_path):
    layers, best = model(), BestPolicy(tmp_path / "best.safetensors")
    assert best.score == -math.inf and best.step == 0
    kept = []
    for step, score in enumerate((0.1, 0.4, 0.3), start=1):
        set_trained(layers, float(step))
        kept.append(best.offer(layers, score, step))
    assert kept == [True, True, False]
    nn.init.constant_(layers[0].weight, 7.0)
    assert best.restore(layers) == 2
    assert torch.equal(layers[1].weight, torch.full((1, 2), 2.0)) and torch.equal(layers[1].bias, torch.tensor([2.0]))
    assert (layers[0].weight == 7.0).all()


def test_an_equal_score_does_not_replace_the_earlier_policy(tmp_path):
    layers, best = model(1.0), BestPolicy(tmp_path / "best.safetensors")
    assert best.offer(layers, 0.5, 1) and not best.offer(layers, 0.5, 2)
    assert best.step == 1


def test_an_interrupted_training_finds_what_was_kept(tmp_path):
    layers, path = model(), tmp_path / "best.safetensors"
    set_trained(layers, 3.0)
    BestPolicy(path).offer(layers, 0.25, 5)
    again = model()
    assert (BestPolicy(path).score, BestPolicy(path).restore(again)) == (0.25, 5)
    assert (again[1].weight == 3.0).all()


def test_what_cannot_be_kept_or_restored(tmp_path):
    best = BestPolicy(tmp_path / "best.safetensors")
    with pytest.raises(InputError, match="no policy was kept"):
        best.restore(model())
    with pytest.raises(InputError, match="score of step 3 is NaN"):
        best.offer(model(), math.nan, 3)
