"""Stage one: supervised alignment teaches the generator to rewrite at all, without a direction.

The paper's three stages are align, perturb and deploy. Here the model learns from pairs of ad sentences in
which listed phrases were replaced by a random alternative of the same meaning, and from plain copies; which
alternative helps is left to reinforcement learning. Encoder-decoders train with transformers' Trainer,
decoder-only models with TRL's SFTTrainer.
"""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainingArguments
from trl import SFTConfig, SFTTrainer

from autorefine_lib.align.pairs import alignment_pairs
from autorefine_lib.data import corpus
from autorefine_lib.files import write_csv
from autorefine_lib.generator import bert2bert, pretrained
from autorefine_lib.generator.generator import Generator
from autorefine_lib.generator.scoring import response_head
from autorefine_lib.text import wording

SHIPPED_STAGES = ((48_000, 0.35, 4e-4), (22_400, 0.10, 2.5e-4))
"""Pairs, share of template sentences and learning rate of the two stages that made the shipped weights."""


@dataclass
class AlignConfig:
    """How the supervised stage trains."""

    epochs: float = 1.0
    """Passes over the pairs."""
    batch_size: int = 32
    """Pairs per update."""
    learning_rate: float = 4e-4
    """Peak learning rate; it warms up over 3 % of the updates and decays to zero along a cosine."""
    bf16: bool = True
    """Whether to compute in bfloat16 (weights stay in float32)."""
    seed: int = 0
    """Order of the pairs."""


def align(generator: Generator, pairs: Dataset, config: AlignConfig, output_dir: Path) -> pd.DataFrame:
    """Train `generator.model` in place on `pairs` (columns source, target); returns step, loss and learning rate."""
    generator.prepare_training()
    arguments = dict(
        output_dir=str(output_dir),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.03,
        adam_beta2=0.98,
        bf16=config.bf16,
        use_cpu=not torch.cuda.is_available(),
        seed=config.seed,
        logging_steps=20,
        logging_first_step=True,
        save_strategy="no",
        report_to="none",
    )
    if generator.model.config.is_encoder_decoder:
        trainer = _PairTrainer(
            generator.model,
            TrainingArguments(**arguments, train_sampling_strategy="group_by_length", remove_unused_columns=False),
            train_dataset=_tokenized(generator, pairs),
            data_collator=_Collator(
                generator.tokenizer, generator.model.config.decoder_start_token_id, generator.vocabulary
            ),
        )
    else:
        prompts = [generator.prompt(source) for source in pairs["source"]]
        completions = [target + generator.tokenizer.eos_token for target in pairs["target"]]
        trainer = SFTTrainer(
            generator.model,
            SFTConfig(**arguments, completion_only_loss=True),
            train_dataset=Dataset.from_dict({"prompt": prompts, "completion": completions}),
            processing_class=generator.tokenizer,
        )
    trainer.train()
    generator.model.eval()
    log = pd.DataFrame(trainer.state.log_history)
    return log.loc[log["loss"].notna(), ["step", "loss", "learning_rate"]]


def _tokenized(generator: Generator, pairs: Dataset) -> Dataset:
    """Token ids of both sides; a target ends with the end of sequence and has no other special token."""
    tokenizer = generator.tokenizer
    sources = tokenizer([generator.prompt(source) for source in pairs["source"]]).input_ids
    targets = tokenizer(list(pairs["target"]), add_special_tokens=False).input_ids
    labels = [target + [tokenizer.eos_token_id] for target in targets]
    return Dataset.from_dict({"input_ids": sources, "labels": labels, "prompt": list(pairs["source"])})


@dataclass
class _Collator:
    """Pads pairs to a batch; shifts labels right into decoder inputs; adds the allowed tokens of each row."""

    tokenizer: PreTrainedTokenizerBase
    start_token_id: int
    vocabulary: Callable[[list[str]], torch.Tensor] | None

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        batch = dict(self.tokenizer.pad({"input_ids": [row["input_ids"] for row in rows]}, return_tensors="pt"))
        labels = [torch.tensor(row["labels"]) for row in rows]
        batch["labels"] = torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=-100)
        shifted = batch["labels"].roll(1, dims=1)
        shifted[:, 0] = self.start_token_id
        batch["decoder_input_ids"] = shifted.masked_fill(shifted == -100, self.tokenizer.pad_token_id)
        if self.vocabulary:
            allowed = self.vocabulary([row["prompt"] for row in rows])
            # What a target needs is always allowed, or its loss would be infinite.
            allowed.scatter_(1, batch["labels"].clamp(min=0), True)
            batch["allowed"] = allowed
        return batch


class _PairTrainer(Trainer):
    """Cross-entropy over the allowed tokens only, so that training and sampling see the same distribution."""

    def compute_loss(
        self,
        model: PreTrainedModel,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """The loss of a batch, with the logits where `return_outputs`; the interface is that of `Trainer`."""
        allowed, labels = inputs.pop("allowed", None), inputs.pop("labels")
        if allowed is None:
            logits = model(**inputs).logits
        else:
            ids = allowed.any(dim=0).nonzero().squeeze(1)
            with response_head(model, last=labels.shape[1]):
                logits = model(**inputs).logits[..., ids]
            logits = logits.float().masked_fill(~allowed[:, None, ids], float("-inf"))
            labels = torch.where(labels < 0, labels, torch.searchsorted(ids, labels.clamp(min=0)))
        loss = F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=-100)
        return (loss, {"logits": logits}) if return_outputs else loss


def pairs(generator: Generator, jobs: Dataset, n: int, seed: int = 0) -> Dataset:
    """Alignment pairs (columns source, target) for `generator`.

    Sentence by sentence: `n` synthetic pairs of `alignment_pairs`, made of the project's own text alone. Whole
    ads: the texts of `jobs`, each with its listed phrases swapped at random, repeated until there are `n`.
    """
    if generator.level == "sentence":
        return Dataset.from_pandas(alignment_pairs(corpus.CorpusConfig(), n, seed), preserve_index=False)
    rng = random.Random(seed)
    sources = list(itertools.islice(itertools.cycle(jobs["text"]), n))
    targets = [wording.swap(text, rng, probability=0.7) for text in sources]
    return Dataset.from_dict({"source": sources, "target": targets})


def make_shipped(folder: Path) -> None:
    """Make the aligned weights that come with the package: templates first, then mostly practice sentences.

    Two supervised stages from the warm start, about half an hour on two CPU cores. Writes trained.safetensors (half
    precision) and log.csv; `resources/aligned/README.md` is the model card.
    """
    generator = pretrained.load(pretrained.EMBEDDED)
    logs = []
    for seed, (n, template_share, rate) in enumerate(SHIPPED_STAGES):
        data = alignment_pairs(corpus.CorpusConfig(), n, seed, template_share)
        settings = AlignConfig(learning_rate=rate, seed=seed)
        data = Dataset.from_pandas(data, preserve_index=False)
        logs.append(align(generator, data, settings, folder / f"stage-{seed}"))
    bert2bert.save_trained(generator.model, folder / "trained.safetensors")
    write_csv(folder / "log.csv", pd.concat(logs, keys=range(len(logs)), names=["stage"]).reset_index("stage"))


def evaluate(generator: Generator, sources: list[str], temperature: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """How well the generator rewrites `sources`, one row each.

    Columns: source, completion, text (as it would be deployed), reasons (why the completion was refused; empty when
    clean), copied (the text is the source), phrases (listed phrases in the source), replaced (how many of them went).
    """
    rows = []
    for source, completion in zip(sources, generator.complete(sources, temperature, seed), strict=True):
        text, reasons = generator.finish(source, completion)
        listed = [found.phrase for found in wording.find(source)]
        gone = [phrase for phrase in listed if phrase not in text.lower()]
        rows.append((source, completion, text, "; ".join(reasons), text == source, len(listed), len(gone)))
    columns = ["source", "completion", "text", "reasons", "copied", "phrases", "replaced"]
    return pd.DataFrame(rows, columns=columns)


def summary(evaluated: pd.DataFrame) -> dict[str, float]:
    """Shares of `evaluate`'s rows: clean completions, texts left as they were, and listed phrases replaced."""
    return {
        "clean": float((evaluated["reasons"] == "").mean()),
        "unchanged": float(evaluated["copied"].mean()),
        "phrases_replaced": float(evaluated["replaced"].sum() / max(1, evaluated["phrases"].sum())),
    }
