"""The parameters of a PPO run, their checks and the learning-rate schedule."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from datasets import Dataset

from autorefine_lib.errors import InputError


@dataclass(frozen=True)
class PPOConfig:
    """Parameters of a run. The defaults suit a model of some 10 M to 100 M parameters and short responses."""

    steps: int = 100
    """Rollouts, each followed by its updates; one row of the log each."""
    batch_size: int = 64
    """Responses sampled in a step; their advantages are scaled to mean 0 and variance 1 over all of them."""
    generations: int = 1
    """Responses to each prompt of a batch. From 2 on, the mean return of a prompt's other responses is the baseline of
    each (leave-one-out: Ahmadian et al. 2024), and the value head learns what is left, see `value_window`."""
    minibatches: int = 1
    """Gradient steps in an epoch; must divide `batch_size`."""
    epochs: int = 2
    """Passes over the batch in a step."""
    micro_batch_size: int = 32
    """Rows in one forward and backward pass: bounds the memory, and saves padding, for rows are sorted by length."""
    learning_rate: float = 1e-5
    """Of the policy, for AdamW with eps 1e-5 (Huang et al. 2022, detail 3) and no weight decay."""
    value_learning_rate: float | None = 1e-3
    """Of the value head, which starts from nothing; None for the policy's."""
    linear_decay: bool = True
    """Whether the learning rates fall linearly towards 0 at the last step, or stay."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm, those of the policy and those of the value head each by themselves."""
    kl_coef: float = 0.05
    """Weight of the KL penalty: the reward of every token is reduced by kl_coef * (log p - log reference)."""
    kl_target: float | None = None
    """KL per response in nats that an adaptive coefficient aims at; None keeps `kl_coef` fixed."""
    kl_horizon: int = 1_000
    """Responses over which the adaptive coefficient reacts."""
    gamma: float = 1.0
    """Discount per token; 1 for text, where only the whole response counts."""
    lam: float = 0.95
    """GAE's lambda: 1 has no bias and most variance."""
    clip_ratio: float = 0.2
    """Range of the probability ratio around 1 outside which it gives no further gain."""
    clip_value: float = 0.2
    """Range around the old value in which the new value counts."""
    value_window: int = 5
    """With several generations, the value head is used where its explained variance on fresh rollouts, over as many
    steps, is above 0 in the mean; else the baseline is leave-one-out alone."""
    value_coef: float = 0.1
    """Weight of the value loss, which trains the value head only and not the trunk that it shares with the policy."""
    max_new_tokens: int = 64
    """Longest response, the EOS included."""
    temperature: float = 1.0
    """Of sampling; the log-probabilities of policy and reference are those at this temperature."""
    add_special_tokens: bool = True
    """Whether the tokenizer adds its own to the prompt; False for prompts rendered with a chat template."""
    bf16: bool = False
    """Whether forward passes run in bfloat16 (autocast); weights, log-probabilities and losses stay fp32."""
    lora_rank: int = 0
    """Rank of LoRA adapters on all linear layers; the reference is then the model with its adapter switched off. At 0
    what requires a gradient is trained."""
    lora_alpha: float = 32.0
    """Scale of the adapters, which are multiplied by lora_alpha / lora_rank."""
    report_to: str = "tensorboard"
    """Trackers that get the log beside `log.csv`, separated by commas: tensorboard, wandb, mlflow, trackio."""
    shuffle: bool = True
    """Whether each pass over the data has a new order, or always the data set's own."""
    group_column: str | None = None
    """Column whose groups of rows stay together and in order when shuffled (the sentences of one ad)."""
    save_every: int = 50
    """Steps between checkpoints; the newest two are kept. The last step is always saved."""
    seed: int = 0
    """Of sampling, order of the data, minibatches and initial adapters."""


COUNTS = "steps batch_size generations minibatches epochs micro_batch_size max_new_tokens value_window save_every"
RANGES: tuple[tuple[str, Any, Callable[[Any], bool], str], ...] = (
    (f"{COUNTS} kl_horizon", Integral, lambda x: x >= 1, "a whole number, at least 1"),
    ("lora_rank seed", Integral, lambda x: x >= 0, "a whole number, at least 0"),
    ("learning_rate kl_coef value_coef", Real, lambda x: 0 <= x < math.inf, "a number, 0 or more"),
    ("temperature clip_ratio clip_value max_grad_norm lora_alpha", Real, lambda x: x > 0, "a number above 0"),
    ("gamma lam", Real, lambda x: 0 <= x <= 1, "a number from 0 to 1"),
    ("value_learning_rate kl_target", Real | None, lambda x: x is None or x > 0, "a number above 0, or None"),
)
"""Names of parameters, their type, their condition, and both in words."""


def check_config(config: PPOConfig, dataset: Dataset) -> None:
    """Values in their ranges, exact batch arithmetic and a data set that has rows and columns enough, or InputError."""
    if not isinstance(dataset, Dataset):
        raise InputError(f"train_dataset is a {type(dataset).__name__}; give a datasets.Dataset (Dataset.from_list)")
    for names, kind, holds, allowed in RANGES:
        for name in names.split():
            value = getattr(config, name)
            if not isinstance(value, kind) or not holds(value):
                raise InputError(f"{name} is {value!r}; allowed: {allowed}; choose one")
    prompts, what = config.batch_size // config.generations, "batch_size"
    if config.batch_size % config.generations:
        raise InputError(f"{what} {config.batch_size} is not divisible by generations {config.generations}; change one")
    if config.generations > 1:
        what = "batch_size / generations"
    if prompts % config.minibatches:
        raise InputError(f"{what} {prompts} is not divisible by minibatches {config.minibatches}; change one")
    if len(dataset) < prompts:
        raise InputError(f"the data set has {len(dataset)} rows, fewer than {what} {prompts}; lower batch_size")
    for column in ["prompt"] + ([config.group_column] if config.group_column else []):
        if column not in dataset.column_names:
            raise InputError(f"the training data has no column {column!r}; it has {dataset.column_names}")


def learning_rate_factor(step: int, config: PPOConfig) -> float:
    """What the learning rates are multiplied by in `step` (from 0): linear decay or none."""
    return 1 - step / config.steps if config.linear_decay else 1.0
