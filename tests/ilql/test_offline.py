"""The cache of candidates is what PPO's first step would sample, pass after pass; it goes on where it was stopped."""

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
from autorefine_lib.reward.config import RewardConfig

REWARD = RewardConfig()


def writer() -> Writer:
    return Writer(tiny_model("gpt2"), tiny_tokenizer(), "ad", max_new_tokens=6)


def collect(run_dir, samples=2, batch_size=8, seed=3) -> pd.DataFrame:
    return offline.collect(run_dir, writer(), judge(), "toy", REWARD, samples, seed, batch_size=batch_size)


def test_the_first_batch_is_that_of_ppo(tmp_path):
    data = collect(tmp_path)
    generator = writer()
    trainer = PPOTrainer(
        generator.model, generator.tokenizer, ppo_finetuning.ranking_reward(generator, judge(), REWARD),
        ppo_finetuning.episodes(generator, JOBS, 8),
        PPOConfig(steps=1, batch_size=8, max_new_tokens=6, temperature=0.8, group_column="job_id", seed=3),
        tmp_path / "ppo",
    )  # fmt: skip
    trainer.train()
    first = data[data["batch"] == 0]
    assert first["prompt"].tolist() == trainer.samples["prompt"].tolist()
    assert first["completion"].tolist() == trainer.samples["completion"].tolist()
    np.testing.assert_allclose(first["reward"], trainer.samples["fairness_reward"])


def test_every_text_is_sampled_as_often_as_asked(tmp_path):
    data = collect(tmp_path, samples=3, batch_size=5)
    assert data["batch"].tolist() == sorted([*range(5)] * 5)[:24], "the last batch is the smaller one"
    assert (data["job_id"].value_counts() == 3).all() and len(data["job_id"].unique()) == 8
    assert {
        "job_id",
        "position",
        "source",
        "prompt",
        "completion",
        "tokens",
        "text",
        "reasons",
        "changed",
        "reward",
    } <= {*data.columns}
    assert {"selection", "projection", "hard", "mrr_loss", "ndcg_loss", "protected", "setting"} <= {*data.columns}
    assert (data["seconds"] > 0).all() and data["reward"].std() > 0
    decoded = writer().tokenizer.batch_decode([row.tolist() for row in data["tokens"]], skip_special_tokens=True)
    assert decoded == data["completion"].tolist()
    assert all(1 <= len(row) <= 6 and (len(row) == 6 or row[-1] == 1) for row in data["tokens"])


@pytest.mark.parametrize("last", [0, 1, 3])
def test_what_was_stopped_goes_on_from_its_last_whole_batch(tmp_path, monkeypatch, last: int):
    whole = collect(tmp_path / "whole", samples=2, batch_size=4)
    calls, score = [], ppo_finetuning.RankingReward.score

    def stopped(self, *arguments) -> pd.DataFrame:
        calls.append(1)
        if len(calls) > last:
            raise KeyboardInterrupt
        return score(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ppo_finetuning.RankingReward, "score", stopped)
        with pytest.raises(KeyboardInterrupt):
            collect(tmp_path / "parts", samples=2, batch_size=4)
    parts = [path for path in (tmp_path / "parts").rglob("*") if path.is_file()]
    assert len(parts) == last, "whole files, and nothing beside them"
    written = {path: path.stat().st_mtime_ns for path in parts}
    again = collect(tmp_path / "parts", samples=2, batch_size=4)
    pd.testing.assert_frame_equal(again.drop(columns="seconds"), whole.drop(columns="seconds"))
    assert all(path.stat().st_mtime_ns == time for path, time in written.items()), "nothing is sampled twice"
    pd.testing.assert_frame_equal(collect(tmp_path / "parts", samples=2, batch_size=4), again)


def test_bad_numbers_are_one_clear_error(tmp_path):
    with pytest.raises(InputError, match="samples=0 is below 1"):
        collect(tmp_path, samples=0)
    assert not list(tmp_path.glob("*"))


def test_a_batch_is_at_most_all_texts(tmp_path):
    data = collect(tmp_path, samples=1, batch_size=1000)
    assert set(data["batch"]) == {0} and not data.duplicated(["job_id", "position"]).any()
