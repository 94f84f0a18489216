"""The bench on a model of a few thousand weights: its fields, its sums and its arithmetic."""

import json

import pytest
from typer.testing import CliRunner

from autorefine_lib import ppo_bench
from autorefine_lib.cli import app
from autorefine_lib.errors import InputError
from autorefine_lib.ppo_bench import Workload

TINY = Workload(hidden=16, layers=2, heads=2, vocab=32, prompt=5, response=6, batch=4, epochs=2, steps=3)


def test_the_fields_and_that_the_phases_add_up_to_the_step():
    figures = ppo_bench.measure(TINY, micro_batch=2)
    named = ("hidden", "layers", "vocab", "prompt", "response", "batch", "minibatches", "epochs", "steps")
    assert {name: figures[name] for name in named} == {name: getattr(TINY, name) for name in named}
    phases = sum(figures[f"{name}_s"] for name in ("rollout", "reference", "reward", "update"))
    assert phases == pytest.approx(figures["seconds_per_step"], abs=0.003)
    assert figures["episodes_per_s"] == pytest.approx(TINY.batch / figures["seconds_per_step"], rel=0.05)
    # No response ends early.
    tokens = TINY.batch * TINY.response / figures["seconds_per_step"]
    assert figures["response_tokens_per_s"] == pytest.approx(tokens, rel=0.05)
    assert figures["peak_rss_mib"] > 100 and figures["threads"] >= 1


def test_multiplications_by_hand():
    model = ppo_bench._model(TINY)
    # A layer: four 16 x 16 attention matrices, three 16 x 44 feed-forward ones, two norms of 16.
    trunk = 2 * (4 * 16 * 16 + 3 * 16 * 44 + 2 * 16)
    forward = 2 * 4 * ((5 + 6) * trunk + 6 * 16 * 32)
    assert ppo_bench.multiplications(model, TINY) == forward * (1 + 1 + 3 * 2)


def test_impossible_sizes_are_one_line():
    with pytest.raises(InputError, match="batch is 0; a bench needs at least 1"):
        ppo_bench.measure(Workload(batch=0))
    with pytest.raises(InputError, match="hidden 30 is not divisible by twice the 4 heads"):
        ppo_bench.measure(Workload(hidden=30))


def test_the_command_prints_json():
    options = "--hidden 16 --layers 1 --heads 2 --vocab 32 --prompt 4 --response 3 --batch 2 --epochs 1 --steps 1"
    result = CliRunner().invoke(app, ["bench", "ppo", "--json", *options.split()])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["what"] == "ppo" and figures["engine"] == "autorefine PPOTrainer" and figures["hidden"] == 16
    assert CliRunner().invoke(app, ["bench", "ppo", "--batch", "0"]).exit_code == 2
