"""The generator: a language model that rewrites job ads, whole or sentence by sentence.

Any Hugging Face checkpoint will do: a decoder-only one (through its chat template where it has one) or an
encoder-decoder. Small models rewrite one sentence at a time. A sentence whose rewrite is refused, and all that stands
between sentences, stays as it was.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import torch
from peft import PeftModel
from transformers import LogitsProcessorList, PreTrainedModel, PreTrainedTokenizerBase

from autorefine_lib.errors import InputError
from autorefine_lib.generator.sampling import generate
from autorefine_lib.text import sentences, wording
from autorefine_lib.text.articles import mend_articles
from autorefine_lib.text.faithfulness import violations
from autorefine_lib.text.guards import GUARDS

INSTRUCTION = (
    "Rewrite this job advertisement so that qualified people of every gender are equally likely to be recommended for "
    "it. Keep every fact: title, requirements, numbers, names, pay and place. Name no gender, age, race or family "
    "status. Answer with the rewritten text alone."
)


@dataclass
class Rewrite:
    """One ad as it would be deployed, with the sentences that were changed or refused."""

    text: str
    """The rewritten ad."""
    changed: list[tuple[str, str]] = field(default_factory=list)
    """(original, rewritten) for every sentence that changed."""
    refused: list[tuple[str, str, list[str]]] = field(default_factory=list)
    """(original, completion, reasons) for every completion that was refused; its original stays."""


@dataclass
class Generator:
    """A model, its tokenizer and how it is asked to rewrite."""

    model: PreTrainedModel
    """Decoder-only or encoder-decoder language model."""
    tokenizer: PreTrainedTokenizerBase
    """Its tokenizer. The output of an uncased one gets its case back from the source."""
    level: str = "sentence"
    """What one prompt holds: "sentence" (small models) or "ad" (large ones)."""
    restrict_vocabulary: bool = False
    """Whether a completion may only use the source's tokens and the fixed list of ad words."""
    max_new_tokens: int = 56
    """Longest completion, in tokens."""
    logits_processor: LogitsProcessorList | None = None
    """Functions that change the model's scores before a token is chosen, as in `model.generate`."""

    def __post_init__(self) -> None:
        self.uncased = self.tokenizer.tokenize("CASE") == self.tokenizer.tokenize("case")
        self._ad_word_ids = torch.tensor(
            sorted({i for word in wording.ad_words() for i in self.tokenizer(word, add_special_tokens=False).input_ids})
            + [self.tokenizer.eos_token_id]
        )

    @property
    def add_special_tokens(self) -> bool:
        """Whether the tokenizer adds its own to a prompt; a chat template already holds them."""
        return self.model.config.is_encoder_decoder or self.tokenizer.chat_template is None

    @property
    def vocabulary(self) -> Callable[[list[str]], torch.Tensor] | None:
        """The function from prompts to allowed tokens, or None when every token is allowed."""
        return self.allowed_tokens if self.restrict_vocabulary else None

    def prepare_training(self, lora_rank: int = 0) -> None:
        """Prepare `model` for training, with LoRA adapters or, at rank 0, without: trained weights are in float32.

        Raises:
            InputError: adapters for the embedded generator.
        """
        if lora_rank and self.restrict_vocabulary:
            raise InputError(
                f"lora_rank={lora_rank} does not fit the embedded generator, whose encoder and decoder share their "
                "weights; use lora_rank=0, or another generator"
            )
        if lora_rank or isinstance(self.model, PeftModel):
            return  # the base keeps its type, and PEFT keeps adapters in float32
        # On a GPU checkpoints are loaded in bfloat16, in which small updates are lost to rounding.
        self.model.float()

    def allowed_tokens(self, prompts: list[str]) -> torch.Tensor:
        """Boolean [prompts, vocabulary]: the prompt's own tokens, the ad words and the end of sequence."""
        allowed = torch.zeros(len(prompts), len(self.tokenizer), dtype=torch.bool)
        allowed[:, self._ad_word_ids] = True
        for row, ids in zip(allowed, self.tokenizer(prompts, add_special_tokens=False).input_ids, strict=True):
            row[ids] = True
        return allowed

    def prompt(self, source: str) -> str:
        """What the model reads for `source`: the source itself for an encoder-decoder, a request for other models."""
        if self.model.config.is_encoder_decoder:
            return source
        request = f"{INSTRUCTION}\n\n{source}"
        if self.tokenizer.chat_template is None:
            return f"{request}\n\nRewritten:\n"
        messages = [{"role": "user", "content": request}]
        return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    def episodes(self, job_ids: list[str], ads: list[str]) -> dict[str, list]:
        """Columns job_id, position, source and prompt: one row per text to rewrite.

        `position` is the index into `sentences.split(ad)`, or -1 when the whole ad is one prompt. A sentence without a
        listed phrase is left out, because the aligned model copies it.
        """
        rows = []
        for job_id, ad in zip(job_ids, ads, strict=True):
            if self.level == "ad":
                rows.append((job_id, -1, ad))
                continue
            for position, sentence in enumerate(sentences.split(ad)):
                if position % 2 == 0 and sentences.rewritable(sentence) and wording.find(sentence):
                    rows.append((job_id, position, sentence))
        return {
            "job_id": [row[0] for row in rows],
            "position": [row[1] for row in rows],
            "source": [row[2] for row in rows],
            "prompt": [self.prompt(row[2]) for row in rows],
        }

    def finish(self, source: str, completion: str, guards: Sequence[str] = GUARDS) -> tuple[str, list[str]]:
        """The text as it would be deployed, and the reasons why the completion was refused, if any.

        "a" and "an" before a new word are mended first. A refused completion leaves the source as it was. `guards` are
        those that it must pass.
        """
        text = restore_case(source, completion, self.tokenizer) if self.uncased else completion.strip()
        text = mend_articles(source, text)
        reasons = violations(source, text, guards)
        return (source, reasons) if reasons else (text, [])

    def complete(self, sources: list[str], temperature: float = 0.0, seed: int = 0, progress: bool = True) -> list[str]:
        """The model's raw answers. `temperature` 0 takes the likeliest token; above 0 tokens are drawn with `seed`."""
        # Ads share sentences. The likeliest answer to equal sentences is the same, so each is asked once.
        asked = list(dict.fromkeys(sources)) if temperature == 0 else sources
        answers = generate(
            self.model,
            self.tokenizer,
            [self.prompt(source) for source in asked],
            max_new_tokens=self.max_new_tokens,
            temperature=temperature,
            batch_size=128 if self.level == "sentence" else 64,  # a sentence is short, and its model small
            seed=seed,
            add_special_tokens=self.add_special_tokens,
            progress=progress,
            logits_processor=self.logits_processor,
        )
        if temperature != 0:
            return answers
        likeliest = dict(zip(asked, answers, strict=True))
        return [likeliest[source] for source in sources]

    def rewrite(self, ads: list[str], temperature: float = 0.0, seed: int = 0, progress: bool = True) -> list[Rewrite]:
        """Rewrite `ads` as they would be deployed."""
        episodes = self.episodes([str(index) for index in range(len(ads))], ads)
        return self.assemble(ads, episodes, self.complete(episodes["source"], temperature, seed, progress))

    def assemble(self, ads: list[str], episodes: dict[str, list], completions: list[str]) -> list[Rewrite]:
        """Put completions into their ads; `episodes` must come from this generator with job ids "0", "1", …"""
        parts = [sentences.split(ad) if self.level == "sentence" else [ad] for ad in ads]
        rewrites = [Rewrite("") for _ in ads]
        columns = (episodes["job_id"], episodes["position"], episodes["source"], completions)
        for job_id, position, source, completion in zip(*columns, strict=True):
            text, reasons = self.finish(source, completion)
            ad = int(job_id)
            if reasons:
                rewrites[ad].refused.append((source, completion, reasons))
            elif text != source:
                rewrites[ad].changed.append((source, text))
            parts[ad][max(position, 0)] = text
        for rewrite, pieces in zip(rewrites, parts, strict=True):
            rewrite.text = sentences.join(pieces)
        return rewrites


def restore_case(source: str, completion: str, tokenizer: PreTrainedTokenizerBase) -> str:
    """Give an uncased `completion` the case and spacing of `source`, by aligning their tokens.

    Shared tokens come from the source as they are. New words take the case of the words that they replace (Title, UPPER
    or lower), and the sentence starts as the source does.
    """
    encoded = tokenizer(source, add_special_tokens=False, return_offsets_mapping=True)
    spans, old = encoded.offset_mapping, encoded.input_ids
    new = tokenizer(completion, add_special_tokens=False).input_ids
    if not old or not new:
        return completion
    text = ""
    for kind, i, i_end, j, j_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "delete":
            continue
        gap = source[spans[i - 1][1] : spans[i][0]] if 0 < i < len(spans) else " "
        if kind == "equal":
            piece = source[spans[i][0] : spans[i_end - 1][1]]
        else:
            replaced = source[spans[i][0] : spans[i_end - 1][1]] if i_end > i else ""
            # The capital at the start of a sentence says nothing about the words that replace it.
            model = replaced.partition(" ")[2] if i == 0 and not replaced.isupper() else replaced
            # WordPiece puts spaces around a hyphen: "close - knit".
            piece = _with_case_of(model, re.sub(r"(?<=\w) - (?=\w)", "-", tokenizer.decode(new[j:j_end])))
            gap = "" if piece.startswith("##") else gap if kind == "replace" else " "
            piece = piece.removeprefix("##")
        text += (gap if text else "") + piece
    return text[:1].upper() + text[1:] if source[:1].isupper() else text


def _with_case_of(model: str, text: str) -> str:
    words = [word for word in model.split() if word[:1].isalpha()]
    if words and all(word.isupper() and len(word) > 1 for word in words):
        return text.upper()
    if words and all(word[:1].isupper() for word in words):
        return text.title()
    return text
