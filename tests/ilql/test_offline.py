"""Offline data are what PPO's first step would sample, rewarded once a batch and kept on disk."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_ppo_finetuning import JOBS, Writer, judge
from tiny_models import tiny_model, tiny_tokenizer

from autorefine_lib.errors import InputError
from autorefine_lib.ilql import offline
from autorefine_lib.ppo import ppo_finetuning
from autorefine_lib.ppo.config import PPOConfig
from autorefine_lib.ppo.trainer import PPOTrainer
from autorefine_lib.reward.ad_value import RewardConfig

REWARD = RewardConfig(w_meaning=0.0)


def writer() -> Writer:
    return Writer(tiny_model("t5"), tiny_tokenizer(), "ad", max_new_tokens=6)


def collect(path, calls=16, batch_size=8, temperature=0.8, seed=3) -> pd.DataFrame:
    return offline.collect(writer(), judge(), REWARD, calls, batch_size, temperature, seed, False, path)


def test_the_first_batch_is_that_of_ppo(tmp_path):
    data = collect(tmp_path / "data.parquet")
    generator = writer()
    trainer = PPOTrainer(
        generator.model, generator.tokenizer, ppo_finetuning.ranking_reward(generator, judge(), REWARD),
        ppo_finetuning.episodes(generator, JOBS, 8),
        PPOConfig(steps=1, batch_size=8, max_new_tokens=6, temperature=0.8, group_column="job_id", seed=3), tmp_path,
    )  # fmt: skip
    trainer.train()
    first = data[data["batch"] == 0]
    assert first["prompt"].tolist() == trainer.samples["prompt"].tolist()
    assert first["completion"].tolist() == trainer.samples["completion"].tolist()
    np.testing.assert_allclose(first["reward"], trainer.samples["fairness_reward"])


def test_the_table_and_its_file(tmp_path):
    path = tmp_path / "folder/data.parquet"
    data = collect(path)
    assert list(data.columns) == [
        "job_id", "position", "source", "prompt", "completion", "tokens", "reward", "batch", "seconds",
    ]  # fmt: skip
    assert len(data) == 16 and data["batch"].tolist() == [0] * 8 + [1] * 8
    assert (data["seconds"] > 0).all() and data["reward"].std() > 0
    decoded = writer().tokenizer.batch_decode([row.tolist() for row in data["tokens"]], skip_special_tokens=True)
    assert decoded == data["completion"].tolist()
    assert all(1 <= len(row) <= 6 and (len(row) == 6 or row[-1] == 1) for row in data["tokens"])
    assert data.loc[data["batch"] == 0, "completion"].tolist() != data.loc[data["batch"] == 1, "completion"].tolist()
    again = offline.collect(SimpleNamespace(), None, REWARD, 16, 8, 0.8, 3, False, path)
    pd.testing.assert_frame_equal(again, data)


def test_bad_numbers_are_one_clear_error(tmp_path):
    path = tmp_path / "data.parquet"
    with pytest.raises(InputError, match="calls=20 is not a positive multiple of batch_size=8"):
        collect(path, calls=20)
    with pytest.raises(InputError, match="temperature=0.0 samples nothing new"):
        collect(path, temperature=0.0)
    with pytest.raises(InputError, match="fewer than batch_size=16"):
        collect(path, batch_size=16)
    assert not path.exists()
