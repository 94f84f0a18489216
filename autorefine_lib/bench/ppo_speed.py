"""How fast a PPO step is, on a randomly initialised Llama of a given size, whatever the machine has downloaded.

The workload is that of the last PPO trainer that TRL had (1.12.0): full fine-tuning, a reward that costs nothing, no
response that stops early, so every run does the same work.
"""

import resource
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from autorefine_lib.errors import InputError
from autorefine_lib.ppo.config import PPOConfig
from autorefine_lib.ppo.trainer import PPOTrainer


@dataclass(frozen=True)
class Workload:
    """Sizes of the model and of a step."""

    hidden: int = 256
    """Width of the model; its feed-forward layers are 2.75 times as wide."""
    layers: int = 4
    heads: int = 4
    vocab: int = 4096
    prompt: int = 96
    """Tokens of every prompt."""
    response: int = 96
    """Tokens of every response."""
    batch: int = 32
    """Responses in a step."""
    minibatches: int = 1
    epochs: int = 4
    steps: int = 5
    """Steps of which the first is not counted."""
    seed: int = 0


def measure(
    work: Workload, micro_batch: int = 8, compile: bool = False, bf16: bool = False, lora_rank: int = 0
) -> dict:
    """Run `work` and return its figures: medians over the steps after the first, peak memory of this process.

    A step lasts from the end of the one before to its own, metrics and log included. Its phases add up to it, but for
    `rest_s`, which is given where it is a hundredth of the step or more.
    `limit_seconds_per_step` is what the multiplications of a step would take at the speed of one large matrix product
    on this machine: no implementation of the same arithmetic in fp32 can be faster.
    """
    for name, value in asdict(work).items():
        if value < (0 if name == "seed" else 4 if name == "vocab" else 1):
            raise InputError(f"{name} is {value}; a bench needs at least {4 if name == 'vocab' else 1}")
    if work.hidden % (2 * work.heads):
        raise InputError(f"hidden {work.hidden} is not divisible by twice the {work.heads} heads; change one")
    torch.manual_seed(work.seed)
    model, tokenizer = _model(work), _tokenizer(work)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ids = torch.randint(3, work.vocab, (4 * work.batch, work.prompt)).tolist()
    prompts = Dataset.from_dict({"prompt": [" ".join(f"t{i}" for i in row) for row in ids]})
    config = PPOConfig(
        steps=work.steps, batch_size=work.batch, minibatches=work.minibatches, epochs=work.epochs,
        micro_batch_size=micro_batch, max_new_tokens=work.response, learning_rate=1e-5, save_every=work.steps,
        compile=compile, bf16=bf16, lora_rank=lora_rank, report_to="", seed=work.seed,
    )  # fmt: skip
    rows: list[dict[str, float]] = []
    ends: list[float] = []

    def ended(row: dict[str, float]) -> None:
        rows.append(row)
        ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        trainer = PPOTrainer(model, tokenizer, _no_reward, prompts, config, folder, on_step=ended)
        limit = multiplications(model, work) / matmul_rate(device)
        ends.append(time.perf_counter())
        trainer.train(resume=False)
    taken = [(end - start, row) for start, end, row in zip(ends[:-1], ends[1:], rows, strict=True)]
    counted = sorted(taken[1:] or taken, key=lambda pair: pair[0])
    step = statistics.median(seconds for seconds, _ in counted)
    # Of the step in the middle, or of both, so that they add up to it.
    middle = [row for _, row in counted[(len(counted) - 1) // 2 : len(counted) // 2 + 1]]
    phases = {
        name: statistics.mean(row[f"seconds/{name}"] for row in middle)
        for name in ("rollout", "reference", "reward", "update")
    }
    rest = step - sum(phases.values())
    return {
        "engine": "autorefine PPOTrainer",
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        **{name: value for name, value in asdict(work).items() if name not in ("heads", "seed")},
        "seconds_per_step": round(step, 3),
        "episodes_per_s": round(work.batch / step, 3),
        "response_tokens_per_s": round(work.batch * work.response / step, 1),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        **{f"{name}_s": round(seconds, 3) for name, seconds in phases.items()},
        **({"rest_s": round(rest, 3)} if rest >= 0.01 * step else {}),
        "limit_seconds_per_step": round(limit, 3),
        "micro_batch": micro_batch, "compile": compile, "bf16": bf16, "lora_rank": lora_rank,
        **({"peak_gpu_mib": torch.cuda.max_memory_allocated() >> 20} if device == "cuda" else {}),
    }  # fmt: skip


def multiplications(model: LlamaForCausalLM, work: Workload) -> float:
    """Floating-point operations of the matrix products of a step in full fine-tuning: 2 a weight and token, forward.

    Rollout and reference are one forward pass over all tokens each, an epoch is a forward and a backward pass of twice
    its size; the output layer sees the tokens of the response only. Left out is attention itself.
    """
    head = model.lm_head.weight.numel()
    trunk = sum(p.numel() for p in model.model.layers.parameters())
    forward = 2 * work.batch * ((work.prompt + work.response) * trunk + work.response * head)
    return forward * (2 + 3 * work.epochs)


def matmul_rate(device: str) -> float:
    """Floating-point operations a second in a product of two 2048 x 2048 matrices, fp32."""
    matrix = torch.randn(2048, 2048, device=device)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        (matrix @ matrix).sum().item()
        seconds.append(time.perf_counter() - began)
    return 2 * 2048**3 / min(seconds)


def _model(work: Workload) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=work.vocab, hidden_size=work.hidden, intermediate_size=int(work.hidden * 2.75),
        num_hidden_layers=work.layers, num_attention_heads=work.heads, num_key_value_heads=work.heads,
        max_position_embeddings=2 * (work.prompt + work.response), pad_token_id=0, bos_token_id=1, eos_token_id=1,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def _tokenizer(work: Workload) -> PreTrainedTokenizerFast:
    """Words t3, t4, ...; its EOS is a token that the model does not have."""
    words = {"<pad>": 0, "<unk>": 2, **{f"t{i}": i for i in range(3, work.vocab)}, "<eos>": work.vocab}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", padding_side="left"
    )


def _no_reward(prompts: list[str], completions: list[str]) -> list[float]:
    return [0.0] * len(prompts)
