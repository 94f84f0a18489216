"""Notebook 06: what else could learn from the same reward, or use it without learning.

GRPO and RLOO sample while they learn, as PPO does, but take the other rewrites of the same text as their baseline
instead of a value head. Reward-weighted fine-tuning learns from rewrites that were sampled once. All see the very
reward function that PPO sees. DPO asks no reward while it learns. Its preferences are not people's: of two accepted
rewrites of the same sentence the better one is that which the reward pays more.
"""

import math
import tempfile
import time
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd
import torch
from datasets import Dataset
from torch import Tensor
from tqdm.auto import tqdm
from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from autorefine_lib.errors import InputError
from autorefine_lib.generator.actor import QUIET, add_lora, run_trainer, trained_parameters
from autorefine_lib.generator.generator import Generator
from autorefine_lib.generator.prompts import begin_once
from autorefine_lib.generator.sampling import precision
from autorefine_lib.ppo.batches import Batches
from autorefine_lib.ppo.config import PPOConfig, check_config
from autorefine_lib.ppo.ppo_finetuning import episodes, ranking_reward
from autorefine_lib.reward.config import RewardConfig
from autorefine_lib.reward.judge import Judge

NAMES = ("DPO", "RLOO", "GRPO")
"""Of the methods that notebook 06 trains, as the tables call them."""
GROUP_METHODS: dict[str, Any] = {"GRPO": (GRPOTrainer, GRPOConfig), "RLOO": (RLOOTrainer, RLOOConfig)}
"""Trainer and configuration of the methods whose baseline is the group of rewrites of a text. RLOO (Ahmadian et al.,
2024) takes the mean of the others off the reward of each. GRPO (Shao et al., 2024) takes off the mean of the group and
divides by its standard deviation."""
OnStep = Callable[[dict[str, float]], None]


def check_names(names: Iterable[str]) -> None:
    """InputError for a name that is not one of `NAMES`."""
    if unknown := [name for name in names if name not in NAMES]:
        raise InputError(f"optimisers holds {unknown[0]!r}; allowed: {', '.join(NAMES)}")


def train_by_group(
    name: str,
    generator: Generator,
    judge: Judge,
    reward_config: RewardConfig,
    config: PPOConfig,
    on_step: OnStep | None = None,
) -> pd.DataFrame:
    """Train `generator.model` in place by one of `GROUP_METHODS`; returns the log.

    The log has one row a step: PPO's column names for what both log, and `reward_calls` spent so far.

    Args:
        name: of the method.
        generator: is trained.
        judge: gives the training jobs and the reward.
        reward_config: of the reward.
        config: as for PPO, as far as these methods have a use for it: steps, batch_size, generations, minibatches,
            micro_batch_size, learning_rate (falling linearly to 0), kl_coef, temperature, lora_rank, bf16 and seed. The
            sentences of an ad stay together. `kl_coef` is TRL's `beta`: RLOO takes it off the reward, per nat of a
            whole rewrite; GRPO adds it to the loss, per nat of a token. Above 0 it needs adapters.
        on_step: called with the log row after every step.

    Raises:
        InputError: batch arithmetic that is not exact, too few texts, or a price on KL without adapters.
    """
    trainer_class, config_class = GROUP_METHODS[name]
    texts, size = config.batch_size // config.generations, config.batch_size // config.minibatches
    rows = episodes(generator, judge.jobs, texts)
    check_config(config, rows)
    if config.kl_coef:
        _check_reference(config.lora_rank)
    micro_batch_size = min(config.micro_batch_size, size)
    if size % micro_batch_size:
        raise InputError(f"micro_batch_size={micro_batch_size} does not divide a minibatch of {size} rows; change one")
    generator.prepare_training(config.lora_rank)
    generator.model = add_lora(generator.model, config.lora_rank)  # before on_step looks at it
    batches = Batches(rows, texts, config.seed, group_column="job_id")
    log = _Log(name, config, on_step)
    with tempfile.TemporaryDirectory() as folder:
        arguments = config_class(
            folder,
            max_steps=config.steps * config.minibatches,
            generation_batch_size=config.batch_size,
            num_generations=config.generations,
            per_device_train_batch_size=micro_batch_size,
            gradient_accumulation_steps=size // micro_batch_size,
            learning_rate=config.learning_rate,
            beta=config.kl_coef,
            temperature=config.temperature,
            max_completion_length=generator.max_new_tokens,
            shuffle_dataset=False,
            logging_steps=config.minibatches,
            bf16=config.bf16,
            use_cpu=not torch.cuda.is_available(),
            seed=config.seed,
            disable_dropout=True,  # as in PPO; TRL puts the model in training mode
            disable_tqdm=True,
            **QUIET,
        )
        torch.manual_seed(config.seed)
        reward = ranking_reward(generator, judge, reward_config)
        tokenizer = generator.tokenizer
        rows = rows.remove_columns("prompt").add_column("prompt", begin_once(tokenizer, rows["prompt"][:]))
        data = rows.select([row for step in range(config.steps) for row in batches.rows(step)])
        trainer = trainer_class(generator.model, reward, arguments, data, processing_class=tokenizer, callbacks=[log])
        generator.model = run_trainer(trainer)
    return pd.DataFrame(log.rows)


def _check_reference(lora_rank: int) -> None:
    if lora_rank < 1:
        raise InputError(f"lora_rank={lora_rank}: the reference is the model without its adapters; choose 8 or 16")


class _Log(TrainerCallback):
    """Keeps TRL's log under PPO's names, one row a rollout, with a progress bar."""

    NAMES = {
        "reward": "reward/mean",
        "reward_std": "reward/std",
        "entropy": "policy/entropy",
        "loss": "policy/loss",
        "grad_norm": "optim/grad_norm",
        "learning_rate": "optim/learning_rate",
        "completions/mean_length": "response/length",
    }

    def __init__(self, name: str, config: PPOConfig, on_step: OnStep | None) -> None:
        self.bar, self.batch_size, self.on_step = tqdm(total=config.steps, desc=name), config.batch_size, on_step
        self.rows: list[dict[str, float]] = []
        self.began = time.perf_counter()

    def on_log(self, *unused: object, logs: dict[str, float], **more: object) -> None:
        if "reward" not in logs:  # the summary of the whole training
            return
        row: dict[str, float] = {"step": len(self.rows) + 1, "reward_calls": (len(self.rows) + 1) * self.batch_size}
        row |= {name: value for name, value in logs.items() if name.startswith(("reward/", "rewards/"))}
        row |= {ours: logs[theirs] for theirs, ours in self.NAMES.items()}
        # TRL's is the mean over tokens: k1 in RLOO (before the updates), k3 in GRPO (during them).
        row["kl/response"] = logs.get("kl", math.nan) * logs["completions/mean_length"]
        row["response/eos_rate"] = 1 - logs["completions/clipped_ratio"]
        row["seconds/step"] = time.perf_counter() - self.began
        self.rows.append(row)
        self.bar.update()
        self.bar.set_postfix(reward=f"{row['reward/mean']:.3f}", kl=f"{row['kl/response']:.2f}")
        if self.on_step is not None:
            self.on_step(row)
        self.began = time.perf_counter()

    def on_train_end(self, *unused: object, **more: object) -> None:
        self.bar.close()


def preference_pairs(accepted: pd.DataFrame) -> pd.DataFrame:
    """The best and the worst accepted rewrite of each sentence, where their rewards differ.

    Args:
        accepted: columns job_id, position, prompt, completion and reward, as from `reward_gate.accepted`.

    Returns:
        prompt, chosen, rejected and margin, the difference of the rewards.
    """
    groups = accepted.groupby(["job_id", "position"], sort=False)["reward"]
    best, worst = (accepted.loc[rows].reset_index(drop=True) for rows in (groups.idxmax(), groups.idxmin()))
    pairs = best[["prompt"]].assign(
        chosen=best["completion"], rejected=worst["completion"], margin=best["reward"] - worst["reward"]
    )
    return pairs[pairs["margin"] > 0].reset_index(drop=True)


def dpo(
    generator: Generator,
    pairs: pd.DataFrame,
    epochs: float = 2.0,
    batch_size: int = 16,
    micro_batch_size: int = 8,
    learning_rate: float = 1e-4,
    beta: float = 0.1,
    lora_rank: int = 8,
    bf16: bool = False,
    seed: int = 0,
) -> pd.DataFrame:
    """Train `generator.model` in place on `pairs`; returns step, loss, rewards/accuracies and rewards/margins.

    Rafailov et al., 2023, "Direct Preference Optimization: Your Language Model is Secretly a Reward Model" (arXiv
    2305.18290), one of the two optimisers of the paper.
    The reference is the model without the new adapters. `beta` is the price of moving away from it (eq. 7).

    Raises:
        InputError: no pairs, or no adapters.
    """
    if pairs.empty:
        raise InputError("no two accepted rewrites of a sentence differ in their reward; collect more samples")
    _check_reference(lora_rank)
    generator.prepare_training(lora_rank)
    generator.model = add_lora(generator.model, lora_rank)
    with tempfile.TemporaryDirectory() as folder:
        arguments = DPOConfig(
            folder,
            num_train_epochs=epochs,
            per_device_train_batch_size=micro_batch_size,
            gradient_accumulation_steps=max(1, batch_size // micro_batch_size),
            learning_rate=learning_rate,
            beta=beta,
            bf16=bf16,
            use_cpu=not torch.cuda.is_available(),
            seed=seed,
            logging_steps=1,
            **QUIET,
        )
        pairs = pairs.assign(prompt=begin_once(generator.tokenizer, list(pairs["prompt"])))
        data = Dataset.from_pandas(pairs[["prompt", "chosen", "rejected"]], preserve_index=False)
        trainer = DPOTrainer(generator.model, args=arguments, train_dataset=data, processing_class=generator.tokenizer)
        generator.model = run_trainer(trainer)
    log = pd.DataFrame(trainer.state.log_history)
    return log.loc[log["loss"].notna(), ["step", "loss", "rewards/accuracies", "rewards/margins"]]


def reward_weighted(
    generator: Generator,
    data: pd.DataFrame,
    epochs: int = 2,
    batch_size: int = 128,
    micro_batch_size: int = 32,
    learning_rate: float = 2e-4,
    temperature: float = 1.0,
    max_weight: float = 20.0,
    lora_rank: int = 0,
    bf16: bool = False,
    seed: int = 0,
) -> pd.DataFrame:
    """Fine-tune `generator.model` in place on its own rewrites, each weighted by what it earned; returns the log.

    Reward-weighted regression (Peters and Schaal, 2007, eq. 5) with the clipped weights of Peng et al. (2019, section
    3.2): a rewrite weighs exp(z / temperature). z is its advantage, the reward less the mean of its sentence's
    rewrites, in standard deviations over `data`: a sentence that pays whatever is said is no better example.

    Args:
        data: columns job_id, position, prompt, tokens (ids of the completion) and reward, as `offline.collect` returns
            them.
        epochs: passes over the data.
        batch_size: rewrites in a gradient step; their weights are normalised to a sum of 1.
        micro_batch_size: rewrites in one forward and backward pass.
        learning_rate: of AdamW, falling linearly to 0.
        temperature: lower follows the best rewrites more closely and wastes more of the others.
        max_weight: largest weight before the normalisation.
        lora_rank: of LoRA adapters; 0 trains what requires a gradient.
        bf16: whether forward passes run in bfloat16.
        seed: of the order of the data.

    Raises:
        InputError: no rows, or fewer than one batch.
    """
    generator.prepare_training(lora_rank)
    if data.empty:
        raise InputError("no rewrite was accepted: there is none to imitate; align the model or collect more samples")
    if len(data) < batch_size:
        raise InputError(f"{len(data)} rewrites are fewer than batch_size={batch_size}; lower it or collect more")
    generator.model = add_lora(generator.model, lora_rank)
    parameters = trained_parameters(generator.model)
    optimizer = torch.optim.AdamW(parameters, learning_rate, weight_decay=0.0)
    advantage = data["reward"] - data.groupby(["job_id", "position"])["reward"].transform("mean")
    advantage = torch.tensor(advantage.to_numpy(), dtype=torch.float32)
    weights = (advantage / (advantage.std(correction=0) + 1e-8) / temperature).exp().clamp(max=max_weight)
    lengths = torch.tensor([len(ids) for ids in data["tokens"]])
    order = torch.Generator().manual_seed(seed)
    per_epoch = len(data) // batch_size
    log = []
    for step in tqdm(range(epochs * per_epoch), desc="reward-weighted"):
        if step % per_epoch == 0:
            permutation = torch.randperm(len(data), generator=order)
        began = time.perf_counter()
        rows = permutation[step % per_epoch * batch_size :][:batch_size]
        rows = rows[lengths[rows].argsort()]  # so that each part carries little padding
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - step / (epochs * per_epoch))
        share = weights[rows] / weights[rows].sum()
        optimizer.zero_grad()
        loss = 0.0
        for part in torch.arange(batch_size).split(micro_batch_size):
            with precision(generator.model, bf16):
                likelihood = _log_likelihood(generator, data.iloc[rows[part].tolist()])
            term = -(share[part].to(likelihood.device) * likelihood).sum()
            term.backward()
            loss += float(term.detach())
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        log.append({
            "step": step + 1, "loss": loss, "optim/grad_norm": float(norm),
            "effective_batch": float(1 / (share**2).sum()), "seconds/step": time.perf_counter() - began,
        })  # fmt: skip
    return pd.DataFrame(log)


def _log_likelihood(generator: Generator, rows: pd.DataFrame) -> Tensor:
    """Log-probability of each row's completion: `[rows]`."""
    logprobs = generator.score(list(rows["prompt"]), list(rows["tokens"])).logprobs
    lengths = torch.tensor([len(ids) for ids in rows["tokens"]], device=logprobs.device)
    mask = torch.arange(logprobs.shape[1], device=logprobs.device) < lengths[:, None]
    return (logprobs * mask).sum(1)
