"""What a user can get wrong with a trainer: one clear line each, before any training is lost."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset
from tiny_models import tiny_model, tiny_tokenizer

from autorefine_lib.errors import InputError
from autorefine_lib.ppo import checkpoint
from autorefine_lib.ppo.config import PPOConfig
from autorefine_lib.ppo.trainer import PPOTrainer

ROWS = 8
DATA = Dataset.from_dict({"prompt": [f"w{i} w{i + 1}" for i in range(ROWS)], "number": list(range(ROWS))})
CONFIG = PPOConfig(steps=1, batch_size=4, micro_batch_size=4, epochs=1, max_new_tokens=3, shuffle=False, save_every=9)


def constant(completions, **columns):
    return [0.5] * len(completions)


def trainer(folder, reward=constant, data=DATA, config=CONFIG, kind="llama", tokenizer=None, **options):
    return PPOTrainer(tiny_model(kind), tokenizer or tiny_tokenizer(), reward, data, config, folder, **options)


def refused(make, *words, error=InputError):
    """`make()` raises `error` with `words` in its one line; the message."""
    with pytest.raises(error) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message and len(message) < 600, message
    for word in words:
        assert word in message, message
    return message


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(steps=0), ["steps is 0", "at least 1"]),
        (dict(batch_size=0), ["batch_size is 0", "at least 1"]),
        (dict(batch_size=4.0), ["batch_size is 4.0", "whole number"]),
        (dict(minibatches=0), ["minibatches is 0", "at least 1"]),
        (dict(minibatches=3), ["batch_size 4 is not divisible by minibatches 3", "change one"]),
        (dict(micro_batch_size=0), ["micro_batch_size is 0"]),
        (dict(batch_size=16), ["8 rows, fewer than batch_size 16", "lower batch_size"]),
        (dict(learning_rate=-1e-4), ["learning_rate is -0.0001", "0 or more"]),
        (dict(learning_rate=float("nan")), ["learning_rate is nan"]),
        (dict(learning_rate="1e-4"), ["learning_rate is '1e-4'", "number"]),
        (dict(value_learning_rate=-1.0), ["value_learning_rate is -1.0", "None"]),
        (dict(kl_coef=-0.1), ["kl_coef is -0.1", "0 or more"]),
        (dict(kl_target=0.0), ["kl_target is 0.0", "above 0, or None"]),
        (dict(kl_horizon=0), ["kl_horizon is 0", "at least 1"]),
        (dict(clip_ratio=0.0), ["clip_ratio is 0.0", "above 0"]),
        (dict(clip_value=-0.2), ["clip_value is -0.2", "above 0"]),
        (dict(lam=1.5), ["lam is 1.5", "from 0 to 1"]),
        (dict(gamma=-0.1), ["gamma is -0.1", "from 0 to 1"]),
        (dict(temperature=0.0), ["temperature is 0.0", "above 0"]),
        (dict(max_grad_norm=0.0), ["max_grad_norm is 0.0", "above 0"]),
        (dict(max_new_tokens=0), ["max_new_tokens is 0"]),
        (dict(lora_rank=-4), ["lora_rank is -4", "at least 0"]),
        (dict(seed=-1), ["seed is -1", "at least 0"]),
        (dict(group_column="job"), ["no column 'job'", "'prompt', 'number'"]),
    ],
)
def test_parameters(tmp_path, change, words):
    refused(lambda: trainer(tmp_path, config=replace(CONFIG, **change)), *words)
    assert not list(tmp_path.iterdir())


def test_limits_of_the_parameters_are_allowed(tmp_path):
    config = replace(CONFIG, learning_rate=0.0, kl_coef=0.0, lam=0.0, gamma=1.0, max_grad_norm=float("inf"))
    trainer(tmp_path, config=config).train()


@pytest.mark.parametrize(
    "data, words",
    [
        (Dataset.from_dict({"prompt": []}), ["0 rows, fewer than batch_size 4"]),
        (DATA.select(range(3)), ["3 rows, fewer than batch_size 4"]),
        (DATA.rename_column("prompt", "text"), ["no column 'prompt'", "'text', 'number'"]),
        ([{"prompt": "w1"}] * 8, ["list", "datasets.Dataset"]),
        (Dataset.from_dict({"prompt": list(range(8))}), ["prompt 0", "not text"]),
        (Dataset.from_dict({"prompt": [[{"role": "user", "content": "w1"}]] * 8}), ["not text", "apply_chat_template"]),
        (Dataset.from_dict({"prompt": ["w1"] * 7 + [None]}), ["prompt None", "not text"]),
        # The last row: it would come up in the second step only.
        (Dataset.from_dict({"prompt": ["w1"] * 7 + [""]}), ["prompt ''", "no tokens"]),
        (Dataset.from_dict({"prompt": ["w1"] * 7 + ["w2 " * 62]}), ["62 tokens", "65 positions", "has 64", "shorten"]),
    ],
)
def test_data(tmp_path, data, words):
    refused(lambda: trainer(tmp_path, data=data), *words)
    assert not list(tmp_path.iterdir())


def test_the_longest_prompt_that_fits_is_allowed(tmp_path):
    trainer(tmp_path, data=Dataset.from_dict({"prompt": ["w1"] * 7 + ["w2 " * 61]}))


def test_weights_in_half_precision_are_not_trained(tmp_path):
    half = tiny_model("llama").to(torch.bfloat16)
    refused(lambda: PPOTrainer(half, tiny_tokenizer(), constant, DATA, CONFIG, tmp_path), "torch.bfloat16", "bf16=True")
    adapters = PPOTrainer(half, tiny_tokenizer(), constant, DATA, replace(CONFIG, lora_rank=2), tmp_path)
    log = adapters.train()
    assert {p.dtype for p in adapters.parameters} == {torch.float32}
    assert log["policy/kl"][0] == 0 and log["value/loss"][0] > 0


@pytest.mark.parametrize("token", ["eos_token", "pad_token"])
def test_tokenizer_without_a_token_it_needs(tmp_path, token):
    tokenizer = tiny_tokenizer()
    setattr(tokenizer, token, None)
    refused(lambda: trainer(tmp_path, tokenizer=tokenizer), f"no {token}", f"tokenizer.{token} =")
    assert not list(tmp_path.iterdir())


def test_the_tokenizers_pad_side_does_not_matter(tmp_path):
    logs = []
    for side in ("left", "right"):
        tokenizer = tiny_tokenizer()
        tokenizer.padding_side = side
        data = Dataset.from_dict({"prompt": ["w1", "w1 w2 w3", "w5 w6", "w7"]})
        logs.append(trainer(tmp_path / side, data=data, tokenizer=tokenizer).train()["policy/entropy"][0])
    assert logs[0] == logs[1]


def test_the_padding_token_may_be_the_eos(tmp_path):
    """As it is with many decoder-only models: masks come from lengths, not from token ids."""
    columns = ["policy/entropy", "optim/grad_norm", "response/length", "response/eos_rate", "rewards/words/mean"]
    config, logs = replace(CONFIG, max_new_tokens=12), []

    def words(completions):
        return [float(len(completion.split())) for completion in completions]

    for name in ("<pad>", "<eos>"):
        tokenizer = tiny_tokenizer()
        tokenizer.pad_token = name
        data = Dataset.from_dict({"prompt": ["w1", "w1 w2 w3", "w5 w6", "w7"]})
        folder = tmp_path / name.strip("<>")
        logs.append(trainer(folder, words, data=data, tokenizer=tokenizer, config=config).train()[columns])
    assert logs[0]["response/eos_rate"][0] > 0
    pd.testing.assert_frame_equal(*logs)


def test_a_reward_is_called_once_a_step_and_weighted_beside_others(tmp_path):
    calls = []

    def given(prompts, completions, number):
        calls.append(len(prompts))
        return [float(n) for n in number]

    log = trainer(tmp_path, [given, constant], reward_weights=[2.0, -1.0], config=replace(CONFIG, steps=2)).train()
    assert calls == [4, 4]
    assert log["rewards/given/mean"].tolist() == [1.5, 5.5] and log["rewards/constant/mean"].tolist() == [0.5, 0.5]
    assert log["rewards/given/std"][0] == pytest.approx(1.290994) and log["rewards/constant/std"][0] == 0
    assert log["reward/mean"].tolist() == [2.5, 10.5]


@pytest.mark.parametrize(
    "reward, words",
    [
        (None, ["None", "not a function"]),
        ("length", ["'length'", "not a function"]),
        ([constant, 3.0], ["3.0", "not a function"]),
        ([], ["no reward function", "at least one"]),
        ([constant, constant], ["different names", "constant"]),
    ],
)
def test_no_reward_function(tmp_path, reward, words):
    refused(lambda: trainer(tmp_path, reward), *words)


@pytest.mark.parametrize(
    "weights, words",
    [
        ([1.0, 2.0], ["2 reward_weights for 1", "one each"]),
        ([float("nan")], ["reward_weights", "nan", "finite"]),
        ([None], ["reward_weights", "None", "finite"]),
    ],
)
def test_reward_weights(tmp_path, weights, words):
    refused(lambda: trainer(tmp_path, reward_weights=weights), *words)


@pytest.mark.parametrize(
    "values, words",
    [
        ([1.0], ["'bad' returned 1 values for 4 prompts", "one per prompt"]),
        ([[1.0]] * 4, ["returned [1.0] for the prompt 'w0 w1'", "finite number or None"]),
        ([1.0, float("nan"), 1.0, 1.0], ["nan for the prompt 'w1 w2'"]),
        ([1.0, 1.0, float("-inf"), 1.0], ["-inf for the prompt 'w2 w3'"]),
        ([None] * 4, ["None for the prompt 'w0 w1'", "one must apply"]),
        ([1.0, "0.5", 1.0, 1.0], ["'0.5' for the prompt 'w1 w2'"]),
        ([torch.zeros(30, 2), 1.0, 1.0, 1.0], ["for the prompt 'w0 w1'", "finite number"]),
        (None, ["'bad' returned None, a NoneType", "a list with one"]),
        (0.5, ["'bad' returned 0.5, a float", "a list with one"]),
        ({1: 1.0, 2: 1.0, 3: 1.0, 4: 1.0}, ["'bad' returned {1: 1.0,", "a dict", "a list with one"]),
        ("0.12", ["'bad' returned '0.12', a str", "a list with one"]),
        ({0.1, 0.2, 0.3, 0.4}, ["a set", "a list with one"]),
        (torch.tensor(0.5), ["'bad' returned 0.5, a float", "a list with one"]),
        ((value for value in range(4)), ["a generator", "a list with one"]),
        (np.ones((4, 2)), ["for the prompt 'w0 w1'", "finite number"]),
    ],
)
def test_what_a_reward_returns(tmp_path, values, words):
    def bad(prompts, completions):
        return values

    refused(trainer(tmp_path, bad).train, *words)
    assert not checkpoint.found(tmp_path)


@pytest.mark.parametrize(
    "values, mean",
    [
        ((0.0, 1.0, 2.0, None), 1.0),
        (np.array([0.0, 1.0, 2.0, 5.0], np.float32), 2.0),
        (torch.tensor([0.0, 1.0, 2.0, 5.0], requires_grad=True), 2.0),
        ([True, False, np.float64(2), torch.tensor(3)], 1.5),
    ],
    ids=["tuple", "numpy", "torch", "scalars"],
)
def test_what_is_as_good_as_a_list(tmp_path, values, mean):
    def good(prompts, completions):
        return values

    assert trainer(tmp_path, [constant, good]).train()["rewards/good/mean"][0] == mean


def test_an_exception_in_a_reward_is_told_in_one_line(tmp_path):
    def bad(prompts, completions, number):
        if 2 in number:
            raise ValueError("first line\nsecond line")
        return [1.0] * len(prompts)

    refused(trainer(tmp_path, bad).train, "'bad' raised ValueError: first line second line", error=RuntimeError)


def test_a_column_may_be_called_reward(tmp_path):
    def taught(completions, reward):
        return reward

    log = trainer(tmp_path, taught, DATA.rename_column("number", "reward")).train()
    assert log["rewards/taught/mean"][0] == 1.5


@pytest.mark.parametrize("error, words", [(InputError, ["nan for the prompt"]), (RuntimeError, ["raised KeyError"])])
def test_a_reward_that_fails_late_loses_no_step(tmp_path, error, words):
    """The second step gets rows 4 to 7; the first one is in a checkpoint from which a mended reward goes on."""

    def late(prompts, completions):
        if prompts[0] == "w4 w5" and error is RuntimeError:
            raise KeyError("no such job")
        return [float("nan") if prompts[0] == "w4 w5" else 1.0] * len(prompts)

    def mended(prompts, completions):
        return [1.0] * len(prompts)

    mended.__name__ = "late"
    config = replace(CONFIG, steps=2)
    refused(trainer(tmp_path, late, config=config).train, *words, "checkpoint-1", error=error)
    assert [path.name for path in checkpoint.found(tmp_path)] == ["checkpoint-1"]
    log = trainer(tmp_path, mended, config=config).train()
    whole = trainer(tmp_path / "whole", mended, config=config).train()
    assert log["optim/grad_norm"].tolist() == whole["optim/grad_norm"].tolist()
