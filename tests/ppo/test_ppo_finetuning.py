"""The whole loop in small: PPO raises the ranking reward of a writer that can choose between wordings."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset
from tiny_models import tiny_model, tiny_tokenizer

from autorefine_lib.errors import InputError
from autorefine_lib.generator.generator import Generator
from autorefine_lib.ppo import ppo_finetuning
from autorefine_lib.ppo.config import PPOConfig
from autorefine_lib.reward.config import RewardConfig
from autorefine_lib.reward.judge import Judge

CANDIDATES = Dataset.from_dict(
    {
        "candidate_id": [f"c{i}" for i in range(12)],
        "text": ["x"] * 12,
        "occupation": ["cook"] * 12,
        "gender": ["female", "male"] * 6,
        "age_band": ["young"] * 6 + ["old"] * 6,
    }
)
JOBS = Dataset.from_dict(
    {"job_id": [f"j{i}" for i in range(8)], "text": ["w3 w4 w5 w6 w7"] * 8, "occupation": ["cook"] * 8}
)


def rank(ads: list[str]) -> np.ndarray:
    """Men lead, unless the ad says w9: that puts the women level with them."""
    order = np.repeat(np.linspace(1, 0, 6), 2)
    women = np.array(CANDIDATES["gender"]) == "female"
    return np.stack([order + women * (0.0 if "w9" in ad.split() else -0.3) for ad in ads])


class Writer(Generator):
    """Rewrites whole ads of the toy language; every completion that is not empty may be deployed."""

    def episodes(self, job_ids, ads):
        return {"job_id": job_ids, "position": [-1] * len(ads), "source": ads, "prompt": ads}

    def finish(self, source, completion, guards=()):
        return (completion, []) if completion else (source, ["is empty"])


def judge() -> Judge:
    return Judge(SimpleNamespace(rank=rank, embed=None), JOBS, CANDIDATES, "gender", 4)


def test_ppo_raises_the_ranking_reward(tmp_path):
    writer = Writer(tiny_model("gpt2"), tiny_tokenizer(), "ad", max_new_tokens=6)
    before = {name: parameter.detach().clone() for name, parameter in writer.model.named_parameters()}
    config = PPOConfig(
        steps=25, batch_size=32, epochs=2, learning_rate=3e-3, kl_coef=0.0, max_new_tokens=6, group_column="job_id"
    )
    jobs = Dataset.from_dict({name: list(JOBS[name]) * 4 for name in ("text", "occupation")})
    jobs = jobs.add_column("job_id", [f"j{i}" for i in range(32)])
    seen = []
    trainer = ppo_finetuning.build_trainer(
        writer, Judge(SimpleNamespace(rank=rank, embed=None), jobs, CANDIDATES, "gender", 4),
        RewardConfig(), config, tmp_path, on_step=lambda row: seen.append(row["step"]),
    )  # fmt: skip
    log = trainer.train()
    assert list(trainer.samples) == ["prompt", "completion", "fairness_reward"] and len(trainer.samples) == 32
    assert seen == log["step"].tolist()
    assert log["reward/mean"].iloc[-5:].mean() > log["reward/mean"].iloc[:5].mean() + 0.1
    assert log["reward/parity"].iloc[-5:].mean() > log["reward/parity"].iloc[:5].mean()
    lead = log["reward/exposure/male"] - log["reward/exposure/female"]
    assert lead.iloc[-5:].mean() < lead.iloc[:5].mean()
    # The other attribute is watched.
    assert {name.split("/")[-1] for name in log if name.startswith("reward/watched/age_band/")} == {"young", "old"}
    assert any(not torch.equal(before[name], parameter) for name, parameter in writer.model.named_parameters())


def test_too_few_texts_for_a_batch_is_one_clear_error():
    writer = Writer(tiny_model("gpt2"), tiny_tokenizer(), "ad")
    with pytest.raises(InputError, match="8 training ads hold 8 texts to rewrite, fewer than batch_size=64"):
        ppo_finetuning.episodes(writer, JOBS, 64)
