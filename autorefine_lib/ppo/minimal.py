"""PPO for text in one file, to be read from top to bottom: arguments, rollout, reward with KL, GAE, clipped update.

In the shape of cleanrl's `ppo.py`; on one seed it equals `PPOTrainer`. What [H22 7] means, see reports/ppo.md.
"""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass
class Args:
    """What a run can be told."""

    steps: int = 20
    """Batches to sample, each followed by its updates."""
    batch_size: int = 16
    """Completions in a batch."""
    minibatches: int = 2
    """Gradient steps in one pass over a batch."""
    epochs: int = 1
    """Passes over a batch."""
    max_new_tokens: int = 16
    """Longest completion, the end-of-sequence token included."""
    learning_rate: float = 1e-3
    """At the start; it falls linearly to 0."""
    kl_coef: float = 0.05
    """Price of one nat of distance from the reference."""
    lam: float = 0.95
    """GAE's lambda: 1 has no bias and the most variance. There is no discount, as usual for text."""
    clip: float = 0.2
    """How far the ratio of new to old probability may move from 1, and the value from the old one, and still gain."""
    lora_rank: int = 0
    """Rank of LoRA adapters; 0 trains all weights."""
    seed: int = 0
    """Of everything that is random."""


class Policy(nn.Module):
    """A model, a value head on its last hidden state, and its reference: the adapter switched off, or a frozen copy."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, args: Args) -> None:
        super().__init__()
        torch.manual_seed(args.seed)
        if args.lora_rank:
            model = get_peft_model(model, LoraConfig(r=args.lora_rank, lora_alpha=32, target_modules="all-linear"))
        width = model.config.hidden_size
        self.model, self.tokenizer, self.args = model.eval(), tokenizer, args  # eval: no dropout [H24 7]
        self.value_head = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))
        for parameter in self.value_head[2].parameters():
            nn.init.zeros_(parameter)  # all values are 0 at the start [H23 p2]
        self.frozen = None if args.lora_rank else copy.deepcopy(model).requires_grad_(False)

    def score(self, batch: dict, reference: bool = False) -> tuple[Tensor, Tensor]:
        """Log-probability and value of each token of the completions, both `[batch, time]`."""
        tokens, mask = batch["tokens"], torch.cat([batch["attention_mask"], torch.ones_like(batch["tokens"])], 1)
        inputs, positions = torch.cat([batch["input_ids"], tokens], 1), (mask.cumsum(1) - 1).clamp(min=0)
        model = self.frozen if reference and self.frozen is not None else self.model
        with self.model.disable_adapter() if reference and self.frozen is None else nullcontext():
            output = model(inputs, mask, positions, output_hidden_states=True)
        before = slice(-tokens.shape[1] - 1, -1)  # what stands before a token predicts it
        logprobs = output.logits[:, before].log_softmax(-1).gather(-1, tokens[..., None])
        values = self.value_head(output.hidden_states[-1][:, before].detach())  # its loss does not train the model
        return logprobs.squeeze(-1), values.squeeze(-1)


def sample(policy: Policy, prompts: dict, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Completions of the prompts and the mask of their tokens, as `uniforms` decide; all three `[batch, time]`."""
    tokens = torch.full(uniforms.shape, policy.tokenizer.pad_token_id)
    mask, going = torch.zeros(uniforms.shape, dtype=torch.bool), torch.ones(len(tokens), dtype=torch.bool)
    inputs, attention, cache = prompts["input_ids"], prompts["attention_mask"], None
    positions = (attention.cumsum(1) - 1).clamp(min=0)  # from the first real token on: padding is on the left [H24 2]
    for t in range(uniforms.shape[1]):
        output = policy.model(inputs, attention, positions, past_key_values=cache, use_cache=True)
        cumulated = output.logits[:, -1].softmax(-1).double().cumsum(-1)  # no top-k, no top-p
        chosen = torch.searchsorted(cumulated, uniforms[:, t, None] * cumulated[:, -1:], right=True)
        tokens[going, t], mask[:, t] = chosen[going, 0], going
        going = going & (chosen[:, 0] != policy.tokenizer.eos_token_id)
        inputs, attention, cache = chosen, torch.cat([attention, torch.ones_like(chosen)], 1), output.past_key_values
        positions = positions[:, -1:] + 1
    return tokens, mask


def estimate_advantages(rewards: Tensor, values: Tensor, mask: Tensor, lam: float) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation [H22 5]: whitened advantages, and returns; all `[batch, time]`."""
    advantages, values, following, next_value = torch.zeros_like(rewards), values * mask, 0.0, 0.0
    for t in reversed(range(rewards.shape[1])):  # after the last token the value is 0
        delta = rewards[:, t] + next_value - values[:, t]
        following = (delta + lam * following) * mask[:, t]
        advantages[:, t], next_value = following, values[:, t]
    mean, variance = advantages[mask].mean(), advantages[mask].var()  # over the whole batch [H22 7, H24 25]
    return (advantages - mean) * torch.rsqrt(variance + 1e-8) * mask, (advantages + values) * mask


def seeded(args: Args, step: int, purpose: int) -> torch.Generator:
    """Random numbers for one purpose in one step, seeded as those of `PPOTrainer`."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence([args.seed, step, purpose]).generate_state(1)[0]))


@torch.no_grad()
def collect(policy: Policy, reward: Callable, data: dict[str, list], step: int) -> tuple[dict, dict]:
    """What a step learns from: its batch as tensors, and its samples in words with their rewards."""
    # 1. Prompts: passes over the data, each in a new order, follow each other without a gap.
    args, count = policy.args, len(data["prompt"])
    first, offset = divmod(step * args.batch_size, count)
    order = np.concatenate([np.random.default_rng([args.seed, n]).permutation(count) for n in (first, first + 1)])
    columns = {name: [data[name][row] for row in order[offset : offset + args.batch_size]] for name in data}
    texts = columns.pop("prompt")
    # 2. Rollout: completions, with their log-probabilities and values.
    batch = dict(policy.tokenizer(texts, padding=True, padding_side="left", return_tensors="pt"))
    uniforms = torch.rand(args.batch_size, args.max_new_tokens, generator=seeded(args, step, 0))
    batch["tokens"], batch["mask"] = sample(policy, batch, uniforms)
    batch["logprobs"], batch["values"] = policy.score(batch)
    # 3. Reward: one number for each completion, on its last token [H24 12], and a price for KL on every token [H23 p8].
    completions = policy.tokenizer.batch_decode(batch["tokens"], skip_special_tokens=True)
    earned = reward(prompts=texts, completions=completions, **columns)
    batch["kl"] = (batch["logprobs"] - policy.score(batch, reference=True)[0]) * batch["mask"]
    rewards = -args.kl_coef * batch["kl"]
    rewards[torch.arange(len(rewards)), batch["mask"].sum(1) - 1] += torch.tensor(earned)
    # 4. Advantages.
    batch["advantages"], batch["returns"] = estimate_advantages(rewards, batch["values"], batch["mask"], args.lam)
    return batch, {"prompt": texts, "completion": completions, "reward": earned}


def update(policy: Policy, optimizer: torch.optim.Optimizer, batch: dict, step: int) -> list[dict]:
    """5. Update: clipped gradient steps on the batch; returns the figures of each."""
    args, figures = policy.args, []
    optimizer.param_groups[0]["lr"] = args.learning_rate * (1 - step / args.steps)  # [H22 4]
    for epoch in range(args.epochs):
        for rows in torch.randperm(args.batch_size, generator=seeded(args, step, 1 + epoch)).chunk(args.minibatches):
            part = {name: values[rows] for name, values in batch.items()}
            logprobs, values = policy.score(part)
            advantages, returns, mask = part["advantages"], part["returns"], part["mask"]
            ratio = (logprobs - part["logprobs"]).exp()  # of new to old probability, 1 in the first gradient step
            gain = torch.minimum(advantages * ratio, advantages * ratio.clamp(1 - args.clip, 1 + args.clip))  # [H22 8]
            near = values.clamp(part["values"] - args.clip, part["values"] + args.clip)
            error = 0.5 * torch.maximum((values - returns) ** 2, (near - returns) ** 2)  # [H22 9]
            policy_loss, value_loss = -gain[mask].mean(), error[mask].mean()
            optimizer.zero_grad()
            (policy_loss + value_loss).backward()  # the second trains the value head alone; clipped apart [H22 11]
            norm = torch.stack([nn.utils.clip_grad_norm_(m.parameters(), 1.0) for m in policy.children()]).norm()
            optimizer.step()
            figures.append({"policy_loss": policy_loss.item(), "value_loss": value_loss.item(), "norm": norm.item()})
    return figures


def train(policy: Policy, reward: Callable, data: dict[str, list]) -> list[dict]:
    """Train on the columns of `data`, of which "prompt" is one; `reward(prompts, completions, **columns) -> floats`."""
    optimizer, log = torch.optim.AdamW(policy.parameters(), eps=1e-5, weight_decay=0.0), []  # [H22 3]
    for step in range(policy.args.steps):
        batch, samples = collect(policy, reward, data, step)
        log.append({"batch": batch, "samples": samples, "figures": update(policy, optimizer, batch, step)})
    return log
