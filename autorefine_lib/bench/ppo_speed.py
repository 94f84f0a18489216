"""How fast a PPO step is, on a randomly initialised Llama of a given size, whatever the machine has downloaded.

The workload is that of the last PPO trainer that TRL had (1.12.0): full fine-tuning, a reward that costs nothing, no
response that stops early, so every run does the same work.
"""

import resource
import tempfile
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from autorefine_lib.ppo.config import PPOConfig
from autorefine_lib.ppo.trainer import PPOTrainer

HEADS = 4
PHASES = ("rollout", "reference", "reward", "update")


@dataclass(frozen=True)
class Workload:
    """Sizes of the model and of a step. The defaults are those of `reports/ppo/bench.json`."""

    hidden: int = 256
    """Width of the model, a multiple of 8; its feed-forward layers are 2.75 times as wide."""
    layers: int = 4
    vocab: int = 4096
    prompt: int = 96
    """Tokens of every prompt."""
    response: int = 96
    """Tokens of every response."""
    batch: int = 32
    """Responses in a step, all in one gradient step an epoch."""
    epochs: int = 4
    steps: int = 5
    """Steps of which the first is not counted."""
    micro_batch: int = 8
    """Rows in a forward and backward pass."""
    bf16: bool = False
    """Whether the training computes in bfloat16."""


def measure_ppo(work: Workload) -> dict[str, Any]:
    """Run `work` and return its figures: medians over the steps after the first, peak memory of this process.

    A step lasts from the end of the one before to its own, metrics and log included. Its phases and `rest_s` add up to
    it.
    """
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ids = torch.randint(3, work.vocab, (4 * work.batch, work.prompt)).tolist()
    prompts = Dataset.from_dict({"prompt": [" ".join(f"t{i}" for i in row) for row in ids]})
    config = PPOConfig(
        steps=work.steps, batch_size=work.batch, epochs=work.epochs, micro_batch_size=work.micro_batch, bf16=work.bf16,
        max_new_tokens=work.response, learning_rate=1e-5, save_every=work.steps, report_to="",
    )  # fmt: skip
    rows, ends = [], []

    def note_end(row: dict[str, float]) -> None:
        rows.append(row)
        ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        trainer = PPOTrainer(
            _make_model(work), _make_tokenizer(work), _give_no_reward, prompts, config, folder, on_step=note_end
        )
        ends.append(time.perf_counter())
        trainer.train(resume=False)
    log = pd.DataFrame(rows).assign(step=np.diff(ends))
    counted = (log[1:] if len(log) > 1 else log).sort_values("step")
    # The step in the middle, or the mean of both, so that its phases add up to it.
    middle = counted[(len(counted) - 1) // 2 : len(counted) // 2 + 1].mean()
    phases = {f"{name}_s": middle[f"seconds/{name}"] for name in PHASES}
    step = middle["step"]
    seconds = phases | {"rest_s": step - sum(phases.values())}
    figures = {
        "engine": "autorefine PPOTrainer",
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        **asdict(work),
        "seconds_per_step": round(step, 3),
        "episodes_per_s": round(work.batch / step, 3),
        "response_tokens_per_s": round(work.batch * work.response / step, 1),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        **{name: round(value, 3) for name, value in seconds.items()},
    }
    return figures | ({"peak_gpu_mib": torch.cuda.max_memory_allocated() >> 20} if device == "cuda" else {})


def _make_model(work: Workload) -> LlamaForCausalLM:
    """A Llama of that size with random weights."""
    config = LlamaConfig(
        vocab_size=work.vocab, hidden_size=work.hidden, intermediate_size=int(work.hidden * 2.75),
        num_hidden_layers=work.layers, num_attention_heads=HEADS, num_key_value_heads=HEADS,
        max_position_embeddings=2 * (work.prompt + work.response), pad_token_id=0, bos_token_id=1, eos_token_id=1,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def _make_tokenizer(work: Workload) -> PreTrainedTokenizerFast:
    """Words t3, t4, ...; its EOS is a token that the model does not have."""
    words = {"<pad>": 0, "<unk>": 2, **{f"t{i}": i for i in range(3, work.vocab)}, "<eos>": work.vocab}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", padding_side="left"
    )


def _give_no_reward(prompts: list[str], completions: list[str]) -> list[float]:
    return [0.0] * len(prompts)
