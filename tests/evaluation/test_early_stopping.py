"""The policy that is deployed is the one that did best on held-out ads, not the last one."""

import math

import pytest
import torch
from torch import nn

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation.learning_curves import BestPolicy


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
