"""Stage one: the model learns to paraphrase, without a direction.

The paper's three stages are align, perturb and deploy. A small instruct model that is asked to reword a sentence often
invents, explains or copies. So it first learns from demonstrations that were written for this project, and then from
its own answers under the same neutral instruction: what the guards accept and what is no near-copy joins the training
set (rejection sampling fine-tuning; Yuan et al., 2023, arXiv 2308.01825). LoRA adapters learn it through TRL's
SFTTrainer. Which wording helps is left to reinforcement learning.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from datasets import Dataset
from peft import PeftModel
from trl import SFTConfig, SFTTrainer

from autorefine_lib import resources
from autorefine_lib.files import write_csv
from autorefine_lib.generator import actor, answers
from autorefine_lib.generator.generator import Generator
from autorefine_lib.generator.prompts import begin_once
from autorefine_lib.text.word_diff import changed_share

LEAST_CHANGED = 0.15
"""Share of changed content words from which a rewrite is no near-copy."""


@dataclass
class AlignConfig:
    """How the supervised stage samples and trains."""

    rounds: int = 2
    """Times that the model samples and learns from itself, after the demonstrations."""
    samples: int = 6
    """Answers to each sentence in a round."""
    temperature: float = 0.8
    """Of sampling."""
    per_source: int = 2
    """Most pairs kept of one sentence."""
    epochs: float = 2.0
    """Passes over the pairs."""
    batch_size: int = 16
    """Pairs per update."""
    learning_rate: float = 5e-4
    """Peak learning rate; it decays to zero along a cosine."""
    lora_rank: int = 8
    """Rank of the adapters on all linear layers."""
    seed: int = 0
    """Of sampling and of the order of the pairs."""


def align(generator: Generator, sentences: list[str], config: AlignConfig, folder: Path) -> pd.DataFrame:
    """Align `generator.model` in place on the demonstrations and on its own accepted rewrites of `sentences`.

    Round 0 learns the demonstrations. Each further round samples from the model of the one before, and its adapters go
    on learning from the demonstrations and all pairs found so far. Writes `folder`/samples-<round>.csv; returns the log
    with columns round, pairs, step, loss and learning_rate.
    """
    shown = pd.DataFrame(resources.load("demonstrations")["pairs"]).rename(columns={"rewrite": "text"})
    pairs, found, logs = shown, [], []
    for number in range(config.rounds + 1):
        if number:
            sampled = evaluate(generator, sentences * config.samples, config.temperature, config.seed + number)
            write_csv(folder / f"samples-{number}.csv", sampled)
            found.append(sampled)
            pairs = pd.concat([shown, select_pairs(pd.concat(found), config.per_source)])[["source", "text"]]
        log = fine_tune(generator, pairs, config, folder)
        logs.append(log.assign(round=number, pairs=len(pairs)))
    return pd.concat(logs, ignore_index=True)


def select_pairs(sampled: pd.DataFrame, per_source: int) -> pd.DataFrame:
    """The rows of `evaluate` that are accepted and no near-copies, at most `per_source` of a sentence.

    Those that change the most come first, each text once.
    """
    good = sampled[(sampled["refused"] == "") & (sampled["changed"] >= LEAST_CHANGED)]
    good = good.drop_duplicates(["source", "text"]).sort_values("changed", ascending=False, kind="stable")
    return good.groupby("source", sort=False).head(per_source).sort_index().reset_index(drop=True)


def fine_tune(generator: Generator, pairs: pd.DataFrame, config: AlignConfig, folder: Path) -> pd.DataFrame:
    """Train adapters of `generator.model` on `pairs` (columns source, text); returns the log.

    A model without adapters gets new ones; those that a call before this one trained are trained further.
    """
    if not isinstance(generator.model, PeftModel):
        generator.prepare_training(config.lora_rank)
        generator.model = actor.add_lora(generator.model, config.lora_rank, 2 * config.lora_rank)
    arguments = SFTConfig(
        output_dir=str(folder / "trainer"),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.05,
        bf16=False,
        use_cpu=not torch.cuda.is_available(),
        completion_only_loss=True,
        seed=config.seed,
        logging_steps=5,
        logging_first_step=True,
        **actor.QUIET,
    )
    prompts = begin_once(generator.tokenizer, [generator.prompt(source) for source in pairs["source"]])
    completions = [text + generator.tokenizer.eos_token for text in pairs["text"]]
    data = Dataset.from_dict({"prompt": prompts, "completion": completions})
    trainer = SFTTrainer(generator.model, arguments, train_dataset=data, processing_class=generator.tokenizer)
    generator.model = actor.run_trainer(trainer)
    log = pd.DataFrame(trainer.state.log_history)
    return log.loc[log["loss"].notna(), ["step", "loss", "learning_rate"]]


def evaluate(generator: Generator, sources: list[str], temperature: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """How the generator rewrites `sources`, one row each.

    Columns: source, completion, text (the cleaned answer), refused (the guards that refuse it, separated by spaces),
    reasons (in words), changed (share of content words that are new, `word_diff.changed_share`; 0 where refused).
    """
    rows = []
    for source, completion in zip(sources, generator.complete(sources, temperature, seed), strict=True):
        text, refused = generator.finish(source, completion)
        shown = answers.clean_answer(source, completion) if refused else text
        reasons = "; ".join(reason for of_guard in refused.values() for reason in of_guard)
        changed = 0.0 if refused else changed_share(source, text)
        rows.append((source, completion, shown, " ".join(refused), reasons, changed))
    return pd.DataFrame(rows, columns=["source", "completion", "text", "refused", "reasons", "changed"])


def summary(evaluated: pd.DataFrame) -> dict[str, float]:
    """Of `evaluate`'s rows: accepted and changed shares, median change of those changed, distinct 4-grams.

    `distinct_4grams` is the number of different 4-grams of words over that of all, within the answers to one source,
    averaged (Li et al., 2016, arXiv 1510.03055): 1 where no two answers share four words.
    """
    accepted = evaluated["refused"] == ""
    changed = evaluated.loc[accepted & (evaluated["changed"] > 0), "changed"]
    grams = evaluated.groupby("source")["text"].agg(_distinct_4grams)
    return {
        "accepted": float(accepted.mean()),
        "accepted_and_changed": len(changed) / max(1, len(evaluated)),
        "median_change": float(changed.median()) if len(changed) else 0.0,
        "distinct_4grams": float(grams.mean()),
    }


def guard_rates(evaluated: pd.DataFrame) -> pd.Series:
    """Share of the rows that each guard refuses, the largest first; a row may be refused by several."""
    return evaluated["refused"].str.split().explode().dropna().value_counts() / max(1, len(evaluated))


def _distinct_4grams(texts: pd.Series) -> float:
    grams = [tuple(words[i : i + 4]) for words in texts.str.lower().str.split() for i in range(len(words) - 3)]
    return len(set(grams)) / max(1, len(grams))
