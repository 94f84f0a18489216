"""Offline data: rewrites sampled once from the aligned generator, each with its measured reward.

Methods that learn from a fixed data set (ILQL, reward-weighted fine-tuning) train on it. The sampling is that of PPO's
first step, repeated on batch after batch without any update in between.
"""

import time
from functools import partial
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from autorefine_lib.errors import InputError
from autorefine_lib.files import write_atomic
from autorefine_lib.generator.generator import Generator
from autorefine_lib.generator.sampling import precision, sample
from autorefine_lib.generator.scoring import encode
from autorefine_lib.ppo.batches import Batches
from autorefine_lib.ppo.ppo_finetuning import episodes, ranking_reward
from autorefine_lib.reward.ad_value import RewardConfig
from autorefine_lib.reward.calls import call_rewards
from autorefine_lib.reward.judge import Judge


def collect(
    generator: Generator,
    judge: Judge,
    reward_config: RewardConfig,
    calls: int,
    batch_size: int,
    temperature: float,
    seed: int,
    bf16: bool,
    path: Path,
) -> pd.DataFrame:
    """Sample `calls` completions for the judge's (training) jobs and reward them, `batch_size` in one reward call.

    The first batch is the one that `PPOTrainer` samples in its first step with the same seed, batch size, temperature
    and `group_column="job_id"`.

    Args:
        path: where the table is kept, a parquet file; what is there already is returned as it is, so the path must
            name everything that the data depend on (`ppo_finetuning.training_key`).

    Returns:
        One row a completion: job_id, position, source, prompt, completion (text), tokens (its ids, the EOS included
        where it was reached), reward, batch (from 0) and seconds (the row's share of its batch's sampling and reward).

    Raises:
        InputError: `calls` is no multiple of `batch_size`, a temperature of 0 or less, or too few texts for a batch.
        RuntimeError: the reward raised.
    """
    if path.is_file():
        return pd.read_parquet(path)
    if calls < 1 or calls % batch_size:
        raise InputError(f"calls={calls} is not a positive multiple of batch_size={batch_size}; change one of them")
    if not temperature > 0:
        raise InputError(f"temperature={temperature} samples nothing new; choose one above 0, for instance 1")
    dataset = episodes(generator, judge.jobs, batch_size)
    batches = Batches(dataset, batch_size, seed, group_column="job_id")
    reward = ranking_reward(generator, judge, reward_config)
    tables = []
    for batch in tqdm(range(calls // batch_size), desc="collect"):
        began = time.perf_counter()
        columns = dataset[batches.rows(batch)]
        texts = columns["prompt"]
        model, tokenizer, longest = generator.model, generator.tokenizer, generator.max_new_tokens
        prompts = encode(tokenizer, model, texts, longest, generator.add_special_tokens)
        with precision(model, bf16):
            samples = sample(
                model, prompts, tokenizer.eos_token_id, tokenizer.pad_token_id, longest, temperature,
                batches.uniforms(batch, longest).to(model.device),
            )  # fmt: skip
        completions = tokenizer.batch_decode(samples.tokens, skip_special_tokens=True)
        rest = {name: values for name, values in columns.items() if name != "prompt"}
        rewards = call_rewards([reward], [1.0], texts, completions, rest).total
        table = pd.DataFrame(columns)
        table["completion"] = completions
        table["tokens"] = [row[mask].tolist() for row, mask in zip(samples.tokens, samples.mask, strict=True)]
        table["reward"] = rewards
        table["batch"] = batch
        table["seconds"] = (time.perf_counter() - began) / batch_size
        tables.append(table)
    write_atomic(path, partial(pd.concat(tables, ignore_index=True).to_parquet, index=False))
    return pd.read_parquet(path)
