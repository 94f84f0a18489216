"""Where numbers stop being finite, the run stops, and what is on disk is good and can be gone on from."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from test_ppo import SMALL, trainer, weights

from autorefine_lib.ppo import checkpoint, ppo_math

CONFIG = replace(SMALL, micro_batch_size=4)  # four gradient steps a step, of one pass each


def stopped(ppo, match):
    with pytest.raises(FloatingPointError, match=match) as caught:
        ppo.train()
    assert "\n" not in str(caught.value)


def assert_good(folder, kept):
    """These checkpoints are there, all are finite, and the run goes on from them as if nothing had been."""
    assert [path.name for path in checkpoint.found(folder)] == kept
    for file in folder.glob("checkpoint-*/*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(file).values()), file
    whole, resumed = trainer(folder / "whole", config=CONFIG), trainer(folder, config=CONFIG)
    whole.train(), resumed.train()
    assert all(torch.equal(tensor, weights(resumed)[name]) for name, tensor in weights(whole).items())


@pytest.mark.parametrize(
    "save_every, damaging, message, kept",
    [
        # The last gradient step of the second step: seen before it is saved.
        (1, 8, "step 2: policy.* is not finite; .*checkpoint-1, .* with step 2", ["checkpoint-1"]),
        # The first one of the third step: seen in the second.
        (1, 9, "step 3: policy/loss=nan.*checkpoint-2, .* with step 3", ["checkpoint-1", "checkpoint-2"]),
        (9, 9, "step 3: policy/loss=nan.*; nothing was saved before.* lower save_every", []),
        # The last one of the third step, which is not saved: seen in sampling.
        (2, 12, "step 4: a sampled token has log-probability nan.*checkpoint-2, .* with step 3", ["checkpoint-2"]),
    ],
)
def test_damaged_weights_are_not_saved(tmp_path, save_every, damaging, message, kept):
    ppo = trainer(tmp_path, config=replace(CONFIG, save_every=save_every))
    steps, step = [], ppo.optimizer.step

    def damages():
        step()
        steps.append(1)
        if len(steps) == damaging:
            with torch.no_grad():
                ppo.parameters[0].fill_(float("nan"))

    ppo.optimizer.step = damages
    stopped(ppo, message)
    assert_good(tmp_path, kept)


@pytest.mark.parametrize(
    "save_every, failing, message, kept",
    [
        # Before the first gradient step of the third step, its beginning is saved; afterwards it is gone.
        (9, 9, "step 3: policy/loss=nan.*checkpoint-2, .* with step 3", ["checkpoint-2"]),
        (2, 10, "step 3: policy/loss=nan.*checkpoint-2, .* with step 3", ["checkpoint-2"]),
        (3, 14, "step 4: policy/loss=nan.*checkpoint-3, .* with step 4", ["checkpoint-3"]),
    ],
)
def test_no_state_within_a_step_is_saved_as_its_beginning(tmp_path, monkeypatch, save_every, failing, message, kept):
    calls, policy_loss = [], ppo_math.policy_loss

    def fails(*arguments):
        calls.append(1)
        loss, clipped = policy_loss(*arguments)
        return loss * (float("nan") if len(calls) == failing else 1), clipped

    with monkeypatch.context() as patched:
        patched.setattr(ppo_math, "policy_loss", fails)
        stopped(trainer(tmp_path, config=replace(CONFIG, save_every=save_every)), message)
    assert_good(tmp_path, kept)


def test_a_stopped_run_may_go_on_with_smaller_gradients(tmp_path):
    trainer(tmp_path, config=replace(CONFIG, steps=2)).train()
    log = trainer(tmp_path, config=replace(CONFIG, max_grad_norm=1e-9)).train()
    assert len(log) == 4
