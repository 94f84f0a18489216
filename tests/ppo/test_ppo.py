"""The whole loop on tiny random models: it learns a known reward, resumes bit for bit, and refuses bad input."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset
from tiny_models import KINDS, tiny_model, tiny_tokenizer

from autorefine_lib.errors import InputError
from autorefine_lib.generator.sampling import Samples
from autorefine_lib.ppo import checkpoint
from autorefine_lib.ppo.config import PPOConfig, learning_rate_factor
from autorefine_lib.ppo.trainer import PPOTrainer
from autorefine_lib.ppo.training_log import describe_responses

DATA = Dataset.from_dict(
    {"prompt": [f"w{i} w{i + 1} " * (1 + i % 3) for i in range(20)], "wished": [f"w{i % 2}" for i in range(20)]}
)
SMALL = PPOConfig(
    steps=4,
    batch_size=8,
    minibatches=2,
    epochs=2,
    micro_batch_size=3,
    max_new_tokens=5,
    learning_rate=3e-3,
    save_every=1,
)


def share_of_wished(prompts, completions, wished, **columns):
    """The share of words that are the wished one: learnt by preferring w0 and w1, better still by the column."""
    return [c.split().count(w) / max(1, len(c.split())) for c, w in zip(completions, wished, strict=True)]


def constantly_zero(completions):
    return [0.0] * len(completions)


def trainer(folder, kind="gpt2", config=SMALL, reward=share_of_wished, data=DATA, **options):
    return PPOTrainer(tiny_model(kind), tiny_tokenizer(), reward, data, config, folder, **options)


def weights(trained):
    return {name: p.detach().clone() for name, p in checkpoint.trainable(trained.modules).items()}


@pytest.mark.parametrize("kind, lora_rank", [(kind, 0) for kind in KINDS] + [("llama", 4)])
def test_learns_a_known_reward(tmp_path, kind, lora_rank):
    config = replace(
        SMALL, steps=30, batch_size=20, kl_coef=0.0, lora_rank=lora_rank,
        learning_rate=5e-3, save_every=100, linear_decay=False,
    )  # fmt: skip
    ppo = trainer(tmp_path, kind, config)
    before = weights(ppo)
    frozen = {n: p.detach().clone() for n, p in ppo.model.named_parameters() if not p.requires_grad}
    reference = {} if ppo.reference is None else {n: p.clone() for n, p in ppo.reference.named_parameters()}
    log = ppo.train()
    assert log["reward/mean"][-5:].mean() > log["reward/mean"][:5].mean() + 0.15
    assert log["kl/response"].iloc[0] == pytest.approx(0, abs=1e-5) and log["kl/response"].iloc[-1] > 0.5
    moved = {n for n, p in weights(ppo).items() if not torch.equal(p, before[n])}
    assert any(n.startswith("value_head") for n in moved) and any(n.startswith("policy") for n in moved)
    # What stands still: the model under its adapters, or the copy that is the reference.
    assert (reference == {}) == bool(lora_rank)
    for name, tensor in frozen.items():
        assert torch.equal(dict(ppo.model.named_parameters())[name], tensor)
    for name, tensor in reference.items():
        assert torch.equal(dict(ppo.reference.named_parameters())[name], tensor)
    if lora_rank:
        assert frozen and all("lora" in n or n.startswith("value_head") for n in before)


def test_learns_from_several_generations_with_and_without_the_critic(tmp_path):
    def longest(prompts, completions, **columns):
        """Different from response to response: of equal ones there is nothing to learn."""
        assert all(len(set(prompts[i : i + 4])) == 1 for i in range(0, 32, 4))
        return [float(c.split().count("w0") + c.split().count("w1")) for c in completions]

    config = replace(
        SMALL, steps=30, batch_size=32, generations=4, kl_coef=0.0, learning_rate=5e-3, save_every=100,
        micro_batch_size=16, linear_decay=False, value_window=3, lora_rank=4,
    )  # fmt: skip
    ppo = trainer(tmp_path, "llama", config, reward=longest)
    log = ppo.train()
    assert log["reward/mean"][-5:].mean() > log["reward/mean"][:5].mean() + 0.15
    # The log can be checked by hand: used where the mean of the last three is above 0.
    expected = log["value/explained_variance"].rolling(3).mean() > 0
    assert log["value/used"].tolist() == expected.astype(float).tolist()
    assert log["value/used"][:2].tolist() == [0, 0] and set(log["value/used"]) == {0, 1}


def test_log_and_files(tmp_path):
    seen = []
    log = trainer(tmp_path, on_step=seen.append).train()
    assert [row["step"] for row in seen] == [1, 2, 3, 4]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "log.csv"), log)
    phases = log[["seconds/rollout", "seconds/reference", "seconds/reward", "seconds/update"]].sum(axis=1)
    np.testing.assert_allclose(phases, log["seconds/step"])
    # The first gradient step of a rollout starts at ratio 1.
    first = trainer(tmp_path / "once", config=replace(SMALL, steps=1, epochs=1, minibatches=1)).train()
    assert first["policy/kl"][0] == pytest.approx(0, abs=1e-6) and first["policy/clip_fraction"][0] == 0
    assert first["policy/loss"][0] == pytest.approx(0, abs=1e-5)  # the mean of whitened advantages
    assert [p.name for p in checkpoint.found(tmp_path)] == ["checkpoint-3", "checkpoint-4"]
    assert list((tmp_path / "tensorboard").iterdir())


def test_micro_batches_do_not_change_the_result(tmp_path):
    config = replace(SMALL, steps=1, epochs=1, minibatches=1, seed=1)
    logs = [
        trainer(
            tmp_path / str(n),
            config=replace(config, micro_batch_size=n),
            reward=lambda completions: [float(len(completion)) for completion in completions],
        )
        .train()
        .iloc[0]
        for n in (1, 8)
    ]
    assert logs[0]["optim/grad_norm"] > 0.01
    for column in ("policy/loss", "value/loss", "policy/entropy", "optim/grad_norm", "kl/response"):
        assert logs[0][column] == pytest.approx(logs[1][column], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, lora_rank):
    config = replace(SMALL, lora_rank=lora_rank, kl_target=1.0, kl_horizon=100, save_every=100)
    whole = trainer(tmp_path / "whole", config=config)
    expected = whole.train()

    def interrupt(row):
        if row["step"] == 2:
            os.kill(os.getpid(), signal.SIGINT)

    stopped = trainer(tmp_path / "parts", config=config, on_step=interrupt)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 2: run it again") as error:
        stopped.train()
    assert error.value._render_traceback_() == [str(error.value)]  # a notebook shows one line
    resumed = trainer(tmp_path / "parts", config=config)
    torch.manual_seed(99)
    log = resumed.train()
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, weights(resumed)[name]), name
    columns = [c for c in log if not c.startswith(("seconds", "tokens_per"))]
    pd.testing.assert_frame_equal(log[columns], expected[columns], check_exact=True)
    # A finished run is loaded, not repeated.
    again = trainer(tmp_path / "parts", config=config)
    pd.testing.assert_frame_equal(again.train(), log)
    assert torch.equal(weights(again)["value_head.out.weight"], weights(whole)["value_head.out.weight"])


def test_killed_and_resumed_equals_uninterrupted(tmp_path):
    code = "import os, signal, sys; from test_ppo import trainer\n" + (
        "trainer(sys.argv[1], on_step=lambda row: row['step'] == 3 and os.kill(os.getpid(), signal.SIGKILL)).train()"
    )
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (here, here.parent, here.parents[1])))}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert checkpoint.found(tmp_path)[-1].name == "checkpoint-2"
    whole = trainer(tmp_path / "whole")
    whole.train()
    resumed = trainer(tmp_path)
    resumed.train()
    assert all(torch.equal(tensor, weights(resumed)[name]) for name, tensor in weights(whole).items())


class Killed(BaseException):
    """Nothing in the library handles it, so nothing is tidied up."""


@pytest.mark.parametrize("where", ["save_file", "shutil.rmtree", "os.replace"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_killed_while_a_checkpoint_is_written_or_removed(tmp_path, monkeypatch, where, count):
    """`count` calls of what touches the disk come through; one of two files is written then, or a folder not moved."""
    whole = trainer(tmp_path / "whole")
    whole.train()
    calls, owner = [], checkpoint
    *path, name = where.split(".")
    for part in path:
        owner = getattr(owner, part)
    original = getattr(owner, name)

    def dies(*arguments, **options):
        calls.append(1)
        if len(calls) > count:
            raise Killed
        return original(*arguments, **options)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(owner, name, dies)
        trainer(tmp_path / "parts").train()
        trainer(tmp_path / "parts").train(resume=False)  # removes four checkpoints and more
        trainer(tmp_path / "parts").train(resume=False)
    resumed = trainer(tmp_path / "parts")
    resumed.train()
    assert all(torch.equal(tensor, weights(resumed)[name]) for name, tensor in weights(whole).items())
    assert checkpoint.found(tmp_path / "parts")[-1].name == "checkpoint-4"


def test_resume_refuses_another_configuration_and_fresh_start_deletes(tmp_path):
    trainer(tmp_path).train()
    with pytest.raises(InputError, match="learning_rate=0.003, not 0.1"):
        trainer(tmp_path, config=replace(SMALL, learning_rate=0.1)).train()
    with pytest.raises(InputError, match="reward_weights={.* 1.0}, not {'share_of_wished': 2.0}; change it back"):
        trainer(tmp_path, reward_weights=[2.0]).train()
    with pytest.raises(InputError, match="reward_weights={'share_of_wished': 1.0}, not {'constantly_zero': 1.0}"):
        trainer(tmp_path, reward=constantly_zero).train()
    with pytest.raises(InputError, match="prompts='20 texts, SHA-256 .*', not '20 texts, .*'; change it back, choose"):
        trainer(tmp_path, data=DATA.select(range(19, -1, -1))).train()
    with pytest.raises(InputError, match="another model"):
        trainer(tmp_path, kind="llama").train()
    log = trainer(tmp_path, config=replace(SMALL, steps=1, learning_rate=0.1)).train(resume=False)
    assert len(log) == 1 and [p.name for p in checkpoint.found(tmp_path)] == ["checkpoint-1"]


def test_not_finite_loss_saves_the_last_good_state(tmp_path):
    ppo = trainer(
        tmp_path, reward=lambda completions: [1e30] * len(completions), config=replace(SMALL, value_coef=1e20)
    )
    with pytest.raises(FloatingPointError, match="step 1: .*value/loss=inf.*checkpoint-0"):
        ppo.train()
    assert all(torch.isfinite(w).all() for w in weights(ppo).values())
    assert checkpoint.found(tmp_path)[-1].name == "checkpoint-0"


@pytest.mark.parametrize("kind, lora_rank", [(kind, 0) for kind in KINDS] + [("llama", 4)])
def test_bf16_starts_at_ratio_one(tmp_path, kind, lora_rank):
    config = replace(
        SMALL, steps=1, epochs=1, minibatches=1, micro_batch_size=8, bf16=True, lora_rank=lora_rank, learning_rate=1e-2
    )
    ppo = trainer(tmp_path, kind, config)
    log = ppo.train()
    assert log["kl/response"][0] == pytest.approx(0, abs=1e-6)
    assert log["policy/kl"][0] == pytest.approx(0, abs=1e-3)  # other rows beside, other rounding
    assert {p.dtype for p in ppo.parameters} == {torch.float32}


def test_reference_shares_frozen_tensors(tmp_path):
    model = tiny_model("gpt2")
    model.transformer.h[0].requires_grad_(False)
    ppo = PPOTrainer(model, tiny_tokenizer(), share_of_wished, DATA, SMALL, tmp_path)
    ours, theirs = dict(model.named_parameters()), dict(ppo.reference.named_parameters())
    assert all((ours[n].data_ptr() == theirs[n].data_ptr()) == (not ours[n].requires_grad) for n in ours)


@pytest.mark.parametrize(
    "config, data, message",
    [
        (replace(SMALL, minibatches=3), DATA, "batch_size 8 is not divisible by minibatches 3"),
        (replace(SMALL, generations=3), DATA, "batch_size 8 is not divisible by generations 3"),
        (replace(SMALL, generations=8), DATA, "batch_size / generations 1 is not divisible by minibatches 2"),
        (SMALL, DATA.select(range(5)), "5 rows, fewer than batch_size 8"),
        (SMALL, DATA.rename_column("prompt", "text"), "no column 'prompt'"),
        (replace(SMALL, group_column="job"), DATA, "no column 'job'"),
        (replace(SMALL, epochs=0), DATA, "epochs is 0"),
        (replace(SMALL, temperature=0.0), DATA, "temperature is 0.0"),
    ],
)
def test_bad_input(tmp_path, config, data, message):
    with pytest.raises(InputError, match=message):
        trainer(tmp_path, config=config, data=data)


def test_nothing_to_train_and_wrong_weights(tmp_path):
    model = tiny_model("gpt2").requires_grad_(False)
    with pytest.raises(InputError, match="requires a gradient"):
        PPOTrainer(model, tiny_tokenizer(), share_of_wished, DATA, SMALL, tmp_path)
    with pytest.raises(InputError, match="2 reward_weights for 1"):
        trainer(tmp_path, reward_weights=[1.0, 2.0])


def test_learning_rate_factor():
    config = PPOConfig(steps=10)
    assert [learning_rate_factor(step, config) for step in (0, 1, 5)] == [1, 0.9, 0.5]
    assert learning_rate_factor(9, replace(config, linear_decay=False)) == 1


def test_the_kl_coefficient_follows_the_kl(tmp_path):
    def length(completions):
        """Differs from the first step on: of equal rewards, rounding alone would decide where the policy goes."""
        return [float(len(completion)) for completion in completions]

    config = replace(SMALL, kl_target=0.2, kl_horizon=40, learning_rate=0.03)
    log = trainer(tmp_path, config=config, reward=length).train()
    factors = 1 + (log["kl/response"] / 0.2 - 1).clip(-0.2, 0.2) * 8 / 40
    assert factors.iloc[0] == 0.96 and factors.iloc[2] == 1.04  # it begins at the reference and goes away from it
    np.testing.assert_allclose(log["kl/coef"], 0.05 * np.cumprod([1, *factors[:-1]]))


def test_repetition_and_distinct_by_hand():
    tokens = torch.tensor([[5, 6, 7, 5, 6, 7, 1], [5, 6, 1, 0, 0, 0, 0], [5, 6, 7, 8, 1, 0, 0], [5, 6, 1, 9, 9, 9, 9]])
    mask = torch.arange(7) < torch.tensor([7, 3, 5, 3])[:, None]
    finished = torch.tensor([True, True, True, False])
    figures = describe_responses(Samples(tokens, mask, torch.zeros(4, 7), torch.zeros(4, 7), finished))
    # 3-grams: 5 of which 567 twice; 1; 3; 1. The padding (0, 9) is not looked at.
    assert figures["response/repetition"] == pytest.approx((1 / 5 + 0 + 0 + 0) / 4)
    assert figures["response/distinct"] == 0.75 and figures["response/eos_rate"] == 0.75
    assert figures["response/length"] == 4.5
    short = Samples(tokens[:, :2], mask[:, :2], torch.zeros(4, 2), torch.zeros(4, 2), finished)
    assert describe_responses(short)["response/repetition"] == 0
