"""Each optimiser raises a known reward, by the very function that PPO takes and with as many calls as asked for.

DPO learns which of two rewrites the reward prefers, and moves the adapters alone.
"""

from collections import Counter
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset
from test_ppo_finetuning import CANDIDATES, JOBS, Writer, judge, rank
from tiny_models import tiny_model, tiny_tokenizer

from autorefine_lib.errors import InputError
from autorefine_lib.generator.generator import Generator
from autorefine_lib.others import other_optimisers
from autorefine_lib.ppo import ppo_finetuning
from autorefine_lib.ppo.config import PPOConfig
from autorefine_lib.reward.config import RewardConfig
from autorefine_lib.reward.judge import Judge

METHODS = {name: partial(other_optimisers.train_by_group, name) for name in other_optimisers.GROUP_METHODS}
SMALL = PPOConfig(
    steps=2, batch_size=16, generations=4, minibatches=2, micro_batch_size=4, learning_rate=3e-3, kl_coef=0.003,
    lora_rank=4,
)  # fmt: skip


def training_judge() -> Judge:
    jobs = Dataset.from_dict({name: list(JOBS[name]) * 4 for name in ("text", "occupation")})
    jobs = jobs.add_column("job_id", [f"j{i}" for i in range(32)])
    return Judge(SimpleNamespace(rank=rank, embed=None), jobs, CANDIDATES, "gender", 4)


def writer(kind: str = "gpt2") -> Writer:
    return Writer(tiny_model(kind, seed=1), tiny_tokenizer(), "ad", max_new_tokens=6)


@pytest.mark.parametrize("name", METHODS)
def test_group_methods_raise_the_ranking_reward(name: str):
    seen = []
    config = replace(SMALL, steps=10, batch_size=32, minibatches=1, micro_batch_size=32)
    log = METHODS[name](writer(), training_judge(), RewardConfig(), config, seen.append)
    assert log["reward/mean"].iloc[-3:].mean() > log["reward/mean"].iloc[:2].mean() + 0.1
    assert log["reward/parity"].iloc[-1] > log["reward/parity"].iloc[0] + 0.1
    assert log["step"].tolist() == list(range(1, 11)) and log["reward_calls"].tolist() == list(range(32, 321, 32))
    assert log["kl/response"].iloc[0] == pytest.approx(0, abs=1e-5) and log["kl/response"].iloc[-1] > 0.1
    assert [row["step"] for row in seen] == log["step"].tolist()
    assert {"policy/entropy", "response/length", "optim/grad_norm", "seconds/step"} <= set(log)
    assert not log.isna().to_numpy().any()


def test_one_function_serves_ppo_grpo_and_rloo(monkeypatch, tmp_path):
    calls = []

    def fairness(prompts, completions, *, job_id, position, **columns):
        calls.append(Counter(job_id))
        assert len(prompts) == len(completions) == len(position) == 16
        return [float("w9" in text) for text in completions]

    for module in (ppo_finetuning, other_optimisers):
        monkeypatch.setattr(module, "ranking_reward", lambda *_: fairness)
    config = PPOConfig(steps=2, batch_size=16, epochs=1, max_new_tokens=6)
    ppo = ppo_finetuning.build_trainer(writer(), training_judge(), RewardConfig(), config, tmp_path).train()
    logs = [method(writer(), training_judge(), RewardConfig(), SMALL) for method in METHODS.values()]
    assert len(calls) == 6, "one call a step, with the whole batch"
    assert all(set(of_jobs.values()) == {1} for of_jobs in calls[:2])
    assert all(set(of_jobs.values()) == {4} for of_jobs in calls[2:]), "all rewrites of a text are in one call"
    assert all("rewards/fairness/mean" in log for log in (ppo, *logs))


def test_the_sentences_of_an_ad_stay_together(monkeypatch):
    class Sentences(Writer):
        def episodes(self, job_ids, ads):
            rows = [(job, place, ad) for job, ad in zip(job_ids, ads, strict=True) for place in (0, 2)]
            columns = {"job_id": [r[0] for r in rows], "position": [r[1] for r in rows], "source": [r[2] for r in rows]}
            return columns | {"prompt": columns["source"]}

    batches = []

    def reward(completions, job_id, position, **columns):
        batches.append(list(dict.fromkeys(zip(job_id, position, strict=True))))
        return [0.0] * len(completions)

    monkeypatch.setattr(other_optimisers, "ranking_reward", lambda *_: reward)
    METHODS["RLOO"](Sentences(tiny_model("gpt2"), tiny_tokenizer(), max_new_tokens=6), judge(), RewardConfig(), SMALL)
    assert len(batches) == 2 and all([place for _, place in batch] == [0, 2, 0, 2] for batch in batches)
    assert len({job for batch in batches for job, _ in batch}) == 4


@pytest.mark.parametrize("name", METHODS)
def test_lora_trains_adapters_alone(name: str):
    made = writer("llama")
    before = {name: parameter.detach().clone() for name, parameter in made.model.named_parameters()}
    METHODS[name](made, training_judge(), RewardConfig(), replace(SMALL, lora_rank=2, steps=3, batch_size=64))
    assert set(made.model.peft_config) == {"default"}, "TRL's reference adapter is gone"
    after = dict(made.model.get_base_model().named_parameters())
    for name, parameter in before.items():
        module, _, kind = name.rpartition(".")
        torch.testing.assert_close(after.get(name, after.get(f"{module}.base_layer.{kind}")), parameter)
    assert any("lora_B" in name and p.abs().sum() > 0 for name, p in after.items())
    assert "forward" not in vars(made.model.get_base_model()), "TRL's own forward is gone"


@pytest.mark.parametrize("lora_rank", [0, 2])
@pytest.mark.parametrize("name", ["PPO", "reward-weighted", *METHODS])
def test_what_is_trained_is_in_float32_though_loaded_in_bfloat16(name: str, lora_rank: int, tmp_path):
    made = writer("llama")
    made.model.bfloat16()
    if name == "PPO":
        config = PPOConfig(steps=1, batch_size=16, epochs=1, max_new_tokens=6, lora_rank=lora_rank)
        ppo_finetuning.build_trainer(made, training_judge(), RewardConfig(), config, tmp_path)
    elif name == "reward-weighted":
        other_optimisers.reward_weighted(made, offline_data(made, 16), batch_size=16, lora_rank=lora_rank)
    else:
        config = replace(SMALL, lora_rank=lora_rank, kl_coef=0.003 * bool(lora_rank))
        METHODS[name](made, training_judge(), RewardConfig(), config)
    kinds = {trained: {p.dtype for p in made.model.parameters() if p.requires_grad == trained} for trained in (0, 1)}
    assert kinds == {0: {torch.bfloat16} if lora_rank else set(), 1: {torch.float32}}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"steps": 0}, "steps is 0; allowed: a whole number, at least 1"),
        ({"generations": 5}, "batch_size 16 is not divisible by generations 5"),
        ({"minibatches": 3}, "batch_size / generations 4 is not divisible by minibatches 3"),
        ({"micro_batch_size": 5}, "micro_batch_size=5 does not divide a minibatch of 8 rows"),
        ({"lora_rank": 0}, "lora_rank=0: the reference is the model without its adapters; choose 8 or 16"),
        ({"batch_size": 256}, "hold 8 texts to rewrite, fewer than batch_size=64"),
    ],
)
def test_batches_that_do_not_fit_are_one_clear_error(changed: dict, message: str):
    with pytest.raises(InputError, match=message):
        METHODS["GRPO"](writer(), judge(), RewardConfig(), replace(SMALL, **changed))


def test_an_unknown_optimiser_is_one_clear_error():
    other_optimisers.check_names({"GRPO": 1e-5, "DPO": 1e-5})
    with pytest.raises(InputError, match="optimisers holds 'grpo'; allowed: DPO, RLOO, GRPO"):
        other_optimisers.check_names(["RLOO", "grpo"])


def offline_data(made: Writer, rows: int) -> pd.DataFrame:
    """Sampled completions, rewarded for every w9 in them."""
    prompts = [JOBS["text"][0]] * rows
    texts = made.complete(prompts, temperature=1.0, seed=0, progress=False)
    tokens = [made.tokenizer(text).input_ids + [1] for text in texts]
    reward = [float("w9" in text.split()) for text in texts]
    ids = {"job_id": "j1", "position": 0}
    return pd.DataFrame({"prompt": prompts, "completion": texts, "tokens": tokens, "reward": reward}).assign(**ids)


def test_nothing_accepted_is_one_clear_error():
    with pytest.raises(InputError, match="no rewrite was accepted"):
        other_optimisers.reward_weighted(writer(), pd.DataFrame({"reward": []}), batch_size=0)


def test_reward_weighting_makes_the_rewarded_likelier():
    made = writer()
    data = offline_data(made, 512)
    share = data["reward"].mean()
    assert 0.02 < share < 0.5
    log = other_optimisers.reward_weighted(made, data, epochs=3, batch_size=64, learning_rate=3e-3, temperature=0.5)
    assert offline_data(made, 256)["reward"].mean() > 2 * share
    assert len(log) == 24 and log["loss"].iloc[-1] < log["loss"].iloc[0]


def test_reward_weights_by_hand():
    made = writer()
    data = offline_data(made, 4).assign(reward=[9.0, 5.0, 5.0, 1.0], position=[0, 0, 2, 2])
    # Advantages 2, -2, 2 and -2 whatever their sentence pays, of deviation 2, so z is 1 and -1.
    weights = np.exp([1.0, -1.0, 1.0, -1.0])
    log = other_optimisers.reward_weighted(made, data, epochs=1, batch_size=4, micro_batch_size=3, learning_rate=0.0)
    assert log["effective_batch"].item() == pytest.approx(weights.sum() ** 2 / (weights**2).sum(), rel=1e-5)
    capped = other_optimisers.reward_weighted(made, data, epochs=1, batch_size=4, max_weight=0.1, learning_rate=0.0)
    assert capped["effective_batch"].item() == pytest.approx(4), "all are above the limit and weigh the same"
    likelihood = other_optimisers._log_likelihood(made, data).detach()
    assert log["loss"].item() == pytest.approx(-(likelihood.numpy() * weights).sum() / weights.sum(), rel=1e-4)


def test_too_little_offline_data_is_one_clear_error():
    with pytest.raises(InputError, match="4 rewrites are fewer than batch_size=128"):
        other_optimisers.reward_weighted(writer(), offline_data(writer(), 4))


def test_pairs_are_the_best_and_the_worst_accepted_rewrite_of_a_sentence():
    rows = [
        ("j1", 0, "p1", "good", [], 0.3), ("j1", 0, "p1", "bad", [], -0.1), ("j1", 0, "p1", "middle", [], 0.1),
        ("j1", 0, "p1", "refused", ["lost number '5'"], 9.0), ("j1", 2, "p2", "alone", [], 0.2),
        ("j2", 0, "p3", "nearly", [], 0.20), ("j2", 0, "p3", "the same", [], 0.20),
    ]  # fmt: skip
    cache = pd.DataFrame(rows, columns=["job_id", "position", "prompt", "completion", "reasons", "reward"])
    pairs = other_optimisers.preference_pairs(cache[cache["reasons"].str.len() == 0])
    assert pairs.drop(columns="margin").to_numpy().tolist() == [["p1", "good", "bad"]]
    assert pairs["margin"].iloc[0] == pytest.approx(0.4)


def test_the_chosen_answer_becomes_likelier_and_the_base_stays():
    generator = Generator(tiny_model("llama"), tiny_tokenizer(), max_new_tokens=6)
    before = {name: p.detach().clone() for name, p in generator.model.named_parameters()}
    pairs = pd.DataFrame({"prompt": ["w1 w2 "] * 8, "chosen": ["w4 w5"] * 8, "rejected": ["w6 w7"] * 8})
    log = other_optimisers.dpo(
        generator, pairs, epochs=10, batch_size=4, micro_batch_size=2, learning_rate=1e-2, lora_rank=4
    )
    assert log["loss"].iloc[0] == pytest.approx(torch.log(torch.tensor(2.0)).item(), abs=1e-3)
    assert log["loss"].iloc[-1] < 0.3 and log["rewards/accuracies"].iloc[-1] == 1
    assert list(generator.model.peft_config) == ["default"]
    for name, p in generator.model.get_base_model().named_parameters():
        if "lora" not in name:
            assert torch.equal(p, before[name.replace("base_layer.", "")])


@pytest.mark.parametrize("pairs, rank, problem", [(0, 4, "no two accepted"), (1, 0, "lora_rank=0")])
def test_what_cannot_be_trained_is_refused(pairs, rank, problem):
    table = pd.DataFrame({"prompt": ["w1"], "chosen": ["w2"], "rejected": ["w3"]}).head(pairs)
    with pytest.raises(InputError, match=problem):
        other_optimisers.dpo(Generator(tiny_model("llama"), tiny_tokenizer()), table, lora_rank=rank)
