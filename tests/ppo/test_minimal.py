"""PPO in one file computes what the trainer computes, and learns."""

from pathlib import Path

import pytest
import torch
from datasets import Dataset
from tiny_models import tiny_model, tiny_tokenizer

from autorefine_lib.ppo import minimal
from autorefine_lib.ppo.config import PPOConfig
from autorefine_lib.ppo.trainer import PPOTrainer

# Prompts of different lengths, more than two batches, so that a pass over the data ends within a batch.
DATA = {
    "prompt": [f"w{i} w{i + 1} " * (1 + i % 3) for i in range(20)],
    "wished": [f"w{i % 2}" for i in range(20)],
}


def share_of_wished(prompts, completions, wished):
    return [c.split().count(w) / max(1, len(c.split())) for c, w in zip(completions, wished, strict=True)]


def length(prompts, completions, wished):
    """Varied from the start, so that advantages are not all the same."""
    return [len(completion.split()) / 8 for completion in completions]


def train_both(folder, lora_rank):
    """Two steps of each from the same weights: the log of the one file and its policy, the trainer's and the trainer.

    The trainer's advantages and returns are those that its update is called with.
    """
    shared = dict(steps=2, batch_size=12, minibatches=3, epochs=2, max_new_tokens=8, learning_rate=3e-3, seed=3)
    shared |= dict(lora_rank=lora_rank)
    args = minimal.Args(**shared)
    policy = minimal.Policy(tiny_model("llama"), tiny_tokenizer(), args)
    log = minimal.train(policy, length, DATA)
    config = PPOConfig(
        **shared, kl_coef=args.kl_coef, lam=args.lam, clip_ratio=args.clip, clip_value=args.clip, value_coef=1.0,
        value_learning_rate=None, micro_batch_size=3, report_to="",
    )  # fmt: skip
    data = Dataset.from_dict(DATA)
    trainer = PPOTrainer(tiny_model("llama"), tiny_tokenizer(), length, data, config, folder)
    seen, update = [], trainer._update
    trainer._update = lambda *phases: seen.append(phases) or update(*phases)
    return log, policy, trainer.train(), trainer, seen


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_losses_advantages_and_weights_are_those_of_the_trainer(tmp_path, lora_rank):
    log, policy, rows, trainer, seen = train_both(tmp_path, lora_rank)
    close = dict(atol=5e-6, rtol=1e-5)  # two orders of the same float32 sums
    for ours, (_, _, samples, logprobs, advantages, returns) in zip(log, seen, strict=True):
        batch, used = ours["batch"], samples.tokens.shape[1]
        assert torch.equal(batch["mask"][:, :used], samples.mask) and not batch["mask"][:, used:].any()
        assert torch.equal(batch["tokens"][:, :used], samples.tokens)
        kept = samples.mask
        for name, theirs in (("logprobs", logprobs), ("values", samples.values), ("advantages", advantages),
                             ("returns", returns)):  # fmt: skip
            torch.testing.assert_close(batch[name][:, :used][kept], theirs[kept], **close)
    for name, column in (("policy_loss", "policy/loss"), ("value_loss", "value/loss"), ("norm", "optim/grad_norm")):
        ours = [sum(step[name] for step in of["figures"]) / len(of["figures"]) for of in log]
        torch.testing.assert_close(torch.tensor(ours), torch.tensor(rows[column].to_numpy()).float(), **close)
    assert len(log[0]["figures"]) == rows["optim/updates"][0] == 6
    kl = [float(of["batch"]["kl"].sum(1).mean()) for of in log]
    torch.testing.assert_close(torch.tensor(kl), torch.tensor(rows["kl/response"].to_numpy()).float(), **close)
    assert abs(kl[1]) > 0.01 and not kept.all()  # the policy has moved, and some completions end early
    for (name, ours), theirs in zip(policy.model.named_parameters(), trainer.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, **close, msg=name)
    for ours, theirs in zip(policy.value_head.parameters(), trainer.value_head.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, **close)
    assert log[-1]["samples"]["completion"] == trainer.samples["completion"].tolist()


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_its_reward_rises_on_an_easy_task(lora_rank):
    args = minimal.Args(
        steps=40, batch_size=20, epochs=2, max_new_tokens=5, learning_rate=1e-2, kl_coef=0.0, lora_rank=lora_rank
    )
    policy = minimal.Policy(tiny_model("llama"), tiny_tokenizer(), args)
    log = minimal.train(policy, share_of_wished, DATA)
    rewards = torch.tensor([step["samples"]["reward"] for step in log]).mean(1)
    assert rewards[-5:].mean() > rewards[:5].mean() + 0.15


def test_it_stays_one_file_that_can_be_read():
    source = Path(minimal.__file__).read_text()
    assert len(source.splitlines()) <= 160 and "autorefine_lib" not in source
