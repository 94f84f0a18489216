"""Stage two, notebook 04: PPO against the ranking reward."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from datasets import Dataset

from autorefine_lib.data.schema import attribute_columns
from autorefine_lib.errors import InputError
from autorefine_lib.generator.generator import Generator
from autorefine_lib.ppo.config import PPOConfig
from autorefine_lib.ppo.trainer import PPOTrainer
from autorefine_lib.provenance import library_hash
from autorefine_lib.reward.config import RewardConfig
from autorefine_lib.reward.judge import Judge
from autorefine_lib.reward.reward import RankingReward


def episodes(generator: Generator, jobs: Dataset, batch_size: int) -> Dataset:
    """The PPO data set: one row per text to rewrite, columns job_id, position, source, prompt.

    Raises:
        InputError: fewer rows than one batch.
    """
    rows = Dataset.from_dict(generator.episodes(list(jobs["job_id"]), list(jobs["text"])))
    if len(rows) < batch_size:
        found = f"the {len(jobs)} training ads hold {len(rows)} texts to rewrite"
        raise InputError(f"{found}, fewer than batch_size={batch_size}; lower batch_size or give more ads")
    return rows


def training_key(run_dir: Path, *settings: object) -> str:
    """Short hash of all that a training depends on: data, aligned generator, settings, library.

    Checkpoints lie under it, so that a changed run never goes on from those of another.
    """
    digest = hashlib.sha256(f"{settings} {library_hash()}".encode())
    for path in sorted([*run_dir.glob("artefacts/data/*.parquet"), *run_dir.glob("artefacts/models/aligned/*")]):
        if path.suffix != ".md":  # the model card names the commit
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def ranking_reward(generator: Generator, judge: Judge, config: RewardConfig) -> RankingReward:
    """The reward of every optimiser: what a completion of `generator` changes in the ranking for the judge's jobs.

    The groups of the candidates' other attributes are watched: they earn nothing, but their exposures are logged.
    """
    watched = [name for name in attribute_columns(judge.candidates) if name != judge.attribute]
    return RankingReward(judge, partial(generator.finish, guards=config.guards), config, watched)


def build_trainer(
    generator: Generator,
    judge: Judge,
    reward_config: RewardConfig,
    config: PPOConfig,
    output_dir: Path,
    on_step: Callable[[dict[str, float]], None] | None = None,
) -> PPOTrainer:
    """The trainer of `generator.model`, in place, by the ranking reward on the judge's (training) jobs.

    `trainer.rewards` holds the `RankingReward`, whose `refresh` takes the gaps anew. `train` resumes from the newest
    checkpoint in `output_dir`. `on_step` is called with the log row after every step.

    Raises:
        InputError: too few texts for a batch.
    """
    generator.prepare_training(config.lora_rank)
    reward = ranking_reward(generator, judge, reward_config)
    data = episodes(generator, judge.jobs, config.batch_size // config.generations)
    trainer = PPOTrainer(generator.model, generator.tokenizer, reward, data, config, output_dir, on_step=on_step)
    generator.model = trainer.model  # with its adapters, before on_step looks at it
    return trainer
