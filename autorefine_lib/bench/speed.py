"""Speed on this machine after an untimed warm-up: ranking, rewriting synthetic ads, PPO steps.

A PPO step is that of the default generator: SmolLM2 with LoRA on sentences of real work, a reward for nothing. The
sentences are O*NET task statements of 15 to 25 words, each rewritten several times. `model.generate` answers the
prompts of the last step in the same run, with the same adapters, limit and precision, for comparison.
"""

import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import Dataset

from autorefine_lib import provenance
from autorefine_lib.data import corpus, onet
from autorefine_lib.errors import InputError
from autorefine_lib.generator import deploy, pretrained
from autorefine_lib.generator.generator import Generator
from autorefine_lib.generator.prompts import encode
from autorefine_lib.generator.sampling import precision
from autorefine_lib.ppo.config import PPOConfig
from autorefine_lib.ppo.trainer import PPOTrainer
from autorefine_lib.recommender.dense import DenseRecommender

WHAT = ("rank", "rewrite", "ppo")
ADS, CANDIDATES = 64, 500
PHASES = ("rollout", "reference", "reward", "update")
SIZES = ("batch_size", "generations", "epochs", "steps", "micro_batch_size", "max_new_tokens", "lora_rank", "bf16")
"""Parameters of PPO that stand beside its figures."""


def measure(what: str, bf16: bool = False) -> dict[str, Any]:
    """Measure one of WHAT; returns the figures with machine, commit and versions.

    Args:
        what: "rank" (candidates and ads a second), "rewrite" (ads a minute), "ppo" (`measure_ppo`).
        bf16: whether "ppo" trains in bfloat16.

    Raises:
        InputError: `what` is none of WHAT.
    """
    if what not in WHAT:
        raise InputError(f"bench '{what}': one of {', '.join(WHAT)}")
    ppo = partial(measure_ppo, replace(WORKLOAD, bf16=bf16))
    measured: dict[str, Callable[[], dict]] = {"rank": _measure_ranking, "rewrite": _measure_rewriting, "ppo": ppo}
    about = {"machine": provenance.device(), "commit": provenance.commit(), "versions": provenance.versions_line()}
    return {"what": what, **measured[what](), **about}


def _per_second(things: int, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return round(things / (time.perf_counter() - began), 1)


def _make_texts() -> tuple[list[str], list[str]]:
    """Ads of all occupations, half of them to warm up with, and biographies."""
    return corpus.make_jobs()["text"][::3][: 2 * ADS].tolist(), corpus.make_candidates()["text"][:CANDIDATES].tolist()


def _measure_ranking() -> dict[str, float]:
    ads, people = _make_texts()
    recommender, candidates = DenseRecommender(), Dataset.from_dict({"text": people})
    recommender.embed(ads[:ADS])
    return {
        "candidates_per_second": _per_second(len(people), lambda: recommender.fit(candidates)),
        "ads_per_second": _per_second(ADS, lambda: recommender.rank(ads[ADS:])),
    }


def _measure_rewriting() -> dict[str, float]:
    """Of whole ads by the default policy, as `autorefine rewrite` does it, with its guards and reasons."""
    generator, texts = pretrained.load("rewarded"), _make_texts()[0]
    ads = [(str(number), text) for number, text in enumerate(texts)]
    list(deploy.rewrite_ads(generator, ads[:2]))
    timed = ads[ADS:]
    return {
        "ads": len(timed),
        "words_per_ad": round(sum(len(text.split()) for _, text in timed) / len(timed)),
        "threads": torch.get_num_threads(),
        "ads_per_minute": _per_second(60 * len(timed), lambda: list(deploy.rewrite_ads(generator, timed))),
    }


WORKLOAD = PPOConfig(
    steps=3, batch_size=128, generations=4, epochs=2, micro_batch_size=8, max_new_tokens=64, lora_rank=16, report_to=""
)
"""Steps of 128 responses, four to a prompt, of which the first is not counted. With 8 rows in a pass the peak memory is
about 3.3 GB, with 32 it is 7.5 GB."""


def measure_ppo(config: PPOConfig, generator: Generator | None = None) -> dict[str, Any]:
    """Train `generator` (SmolLM2) and return the figures: medians over the steps after the first, peak memory.

    A step lasts from the end of the one before to its own, metrics and log included. Its phases and `rest_s` add up to
    it. Tokens are counted to the end of each response.
    """
    generator = generator or pretrained.load(pretrained.EMBEDDED)
    config = replace(config, add_special_tokens=generator.add_special_tokens)
    tasks = [task for tasks in onet.read_tasks().values() for task in tasks if 15 <= len(task.split()) <= 25]
    sentences = tasks[: 2 * config.batch_size // config.generations]
    prompts = Dataset.from_dict({"prompt": [generator.prompt(sentence) for sentence in sentences]})
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        trainer = PPOTrainer(
            generator.model, generator.tokenizer, lambda completions: [0.0] * len(completions), prompts, config, folder,
            on_step=lambda row: rows.append(row | {"end": time.perf_counter()}),
        )  # fmt: skip
        began = time.perf_counter()
        trainer.train(resume=False)
    log = pd.DataFrame(rows)
    log["step"] = np.diff(log["end"], prepend=began)
    middle = (log[1:] if len(log) > 1 else log).median()
    phases = {f"{name}_s": middle[f"seconds/{name}"] for name in PHASES}
    step = middle["step"]
    seconds = phases | {"rest_s": step - sum(phases.values())}
    figures = {
        "threads": torch.get_num_threads(),
        **{name: getattr(config, name) for name in SIZES},
        "seconds_per_step": round(step, 3),
        "episodes_per_s": round(config.batch_size / step, 3),
        "rollout_tokens_per_s": round(config.batch_size * middle["response/length"] / phases["rollout_s"], 1),
        "generate_tokens_per_s": round(_measure_generate(trainer), 1),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        **{name: round(value, 3) for name, value in seconds.items()},
    }
    return figures | ({"peak_gpu_mib": torch.cuda.max_memory_allocated() >> 20} if torch.cuda.is_available() else {})


def _measure_generate(trainer: PPOTrainer) -> float:
    """Tokens a second of `model.generate` on the prompts of the trainer's last step."""
    model, tokenizer, config = trainer.model, trainer.tokenizer, trainer.config
    texts = trainer.samples["prompt"].tolist()
    prompts = encode(tokenizer, model, texts, config.max_new_tokens, config.add_special_tokens)
    began = time.perf_counter()
    with precision(model, config.bf16):
        ids = model.generate(
            input_ids=prompts.input_ids, attention_mask=prompts.attention_mask, max_new_tokens=config.max_new_tokens,
            do_sample=True, top_k=0, top_p=1.0, eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )[:, prompts.input_ids.shape[1] :]  # fmt: skip
    seconds = time.perf_counter() - began
    ends = (ids == tokenizer.eos_token_id).long()
    return int((ends.cumsum(1) - ends == 0).sum()) / seconds
