"""The cache of candidates: rewrites sampled once for every sentence of the training ads, guarded and rewarded.

All that learns or chooses from a fixed set of rewrites reads it: ILQL, reward-weighted fine-tuning, preference pairs,
best of N, greedy search, and the gate that tells whether the reward is worth training for (`evaluation.reward_gate`).
"""

import time
from functools import partial
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from autorefine_lib.errors import InputError
from autorefine_lib.files import write_atomic
from autorefine_lib.generator.actor import rollout_model
from autorefine_lib.generator.generator import TEMPERATURE, Generator
from autorefine_lib.generator.sampling import precision, sample
from autorefine_lib.ppo.batches import Batches
from autorefine_lib.ppo.ppo_finetuning import episodes, ranking_reward, training_key
from autorefine_lib.reward.config import RewardConfig
from autorefine_lib.reward.judge import Judge


def collect(
    run_dir: Path,
    generator: Generator,
    judge: Judge,
    recommender: str,
    reward_config: RewardConfig,
    samples: int,
    seed: int = 0,
    bf16: bool = False,
    batch_size: int = 128,
) -> pd.DataFrame:
    """Sample `samples` completions of every text of the judge's jobs and reward them, batch after batch.

    Each pass over the texts draws one completion of each, at `TEMPERATURE`. The first batch is the one that
    `PPOTrainer` samples in its first step with the same seed, batch size, temperature and `group_column="job_id"`. A
    call that is stopped at any time goes on from its last whole batch when it is called again.

    Args:
        run_dir: folder of the run, where `artefacts/offline/<key>/` gets one Parquet file a batch. What is there
            already is read as it is; the key stands for all that the data depend on (`training_key`).
        generator: the aligned one of the run.
        judge: gives the jobs and the reward.
        recommender: the name of its recommender, for the key.
        reward_config: of the reward.
        samples: completions of each text.
        seed: of sampling.
        bf16: whether the model samples in bfloat16.
        batch_size: most completions sampled and rewarded together: fewer where there are fewer texts, and in the last.

    Returns:
        One row a completion: job_id, position, source, prompt, completion (as sampled), tokens (its ids, the EOS
        included where it was reached), all columns of `RankingReward.score`, batch (from 0) and seconds (the row's
        share of its batch's sampling and reward).

    Raises:
        InputError: fewer than one sample, or no text to rewrite.
    """
    if samples < 1:
        raise InputError(f"samples={samples} is below 1; choose for instance 8")
    dataset = episodes(generator, judge.jobs, 1)
    batch_size = min(batch_size, len(dataset))
    batches = Batches(dataset, batch_size, seed, group_column="job_id")
    total = samples * len(dataset)
    judged_by = (recommender, judge.attribute, judge.k, list(judge.jobs["job_id"]))
    key = training_key(run_dir, reward_config, judged_by, samples, batch_size, seed)
    folder = run_dir / "artefacts/offline" / key
    parts = [folder / f"batch-{number:05d}.parquet" for number in range(-(-total // batch_size))]
    missing = [number for number, part in enumerate(parts) if not part.is_file()]
    if missing:
        reward, model = ranking_reward(generator, judge, reward_config), rollout_model(generator.model, bf16)
    for batch in tqdm(missing, desc="collect", initial=len(parts) - len(missing), total=len(parts)):
        began = time.perf_counter()
        rows = batches.rows(batch)[: total - batch * batch_size]
        columns = dataset[rows]
        tokenizer, longest = generator.tokenizer, generator.max_new_tokens
        with precision(model, bf16):
            drawn = sample(
                model, generator.encode(columns["prompt"]), tokenizer.eos_token_id, tokenizer.pad_token_id, longest,
                TEMPERATURE, batches.uniforms(batch, longest)[: len(rows)].to(model.device),
            )  # fmt: skip
        completions = tokenizer.batch_decode(drawn.tokens, skip_special_tokens=True)
        table = pd.DataFrame({"prompt": columns["prompt"], "completion": completions})
        table["tokens"] = drawn.responses()
        table = reward.score(completions, columns["job_id"], columns["position"]).join(table)
        table["batch"] = batch
        table["seconds"] = (time.perf_counter() - began) / len(table)
        write_atomic(parts[batch], partial(table.to_parquet, index=False))
    return pd.concat(map(pd.read_parquet, parts), ignore_index=True)
