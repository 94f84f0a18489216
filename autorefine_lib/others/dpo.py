"""Direct preference optimisation on pairs that the reward chose, by TRL: no reward is asked while it learns.

Rafailov et al., 2023, "Direct Preference Optimization: Your Language Model is Secretly a Reward Model" (arXiv
2305.18290), one of the two optimisers of the paper. The preferences are not people's: of two accepted rewrites of the
same sentence the better one is that which the reward pays more.
"""

import pandas as pd
import torch
from datasets import Dataset
from transformers import PrinterCallback
from trl import DPOConfig, DPOTrainer

from autorefine_lib.errors import InputError
from autorefine_lib.generator.actor import add_lora
from autorefine_lib.generator.generator import Generator
from autorefine_lib.others.trl_trainers import QUIET, scratch_folder, take_model
from autorefine_lib.ppo.config import PPOConfig


def preference_pairs(cache: pd.DataFrame) -> pd.DataFrame:
    """The best and the worst accepted rewrite of each sentence, where their rewards differ.

    Args:
        cache: columns job_id, position, prompt, completion, reasons and reward, as `offline.collect` returns them.

    Returns:
        prompt, chosen, rejected and margin, the difference of the rewards.
    """
    accepted = cache[cache["reasons"].str.len() == 0]
    groups = accepted.groupby(["job_id", "position"], sort=False)["reward"]
    best, worst = (accepted.loc[rows].reset_index(drop=True) for rows in (groups.idxmax(), groups.idxmin()))
    pairs = best[["prompt"]].assign(
        chosen=best["completion"], rejected=worst["completion"], margin=best["reward"] - worst["reward"]
    )
    return pairs[pairs["margin"] > 0].reset_index(drop=True)


def train(
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

    The reference is the model without the new adapters. `beta` is the price of moving away from it (eq. 7).

    Raises:
        InputError: no pairs, or no adapters.
    """
    if pairs.empty:
        raise InputError("no two accepted rewrites of a sentence differ in their reward; collect more samples")
    if lora_rank < 1:
        raise InputError(f"lora_rank={lora_rank}: the reference is the model without its adapters; choose 8 or 16")
    generator.prepare_training(lora_rank)
    generator.model = add_lora(generator.model, lora_rank, PPOConfig.lora_alpha, PPOConfig.lora_targets)
    with scratch_folder() as folder:
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
        data = Dataset.from_pandas(pairs[["prompt", "chosen", "rejected"]], preserve_index=False)
        trainer = DPOTrainer(generator.model, args=arguments, train_dataset=data, processing_class=generator.tokenizer)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    generator.model = take_model(trainer)
    log = pd.DataFrame(trainer.state.log_history)
    return log.loc[log["loss"].notna(), ["step", "loss", "rewards/accuracies", "rewards/margins"]]
