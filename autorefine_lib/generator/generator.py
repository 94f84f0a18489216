"""The generator: a language model that rewrites job ads, sentence by sentence or whole.

Any decoder-only instruct model will do, through its chat template. A sentence whose rewrite is refused, and all that
stands between sentences, stays as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jinja2 import TemplateError
from peft import PeftModel
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from tqdm.auto import tqdm
from transformers import LogitsProcessorList, PreTrainedModel, PreTrainedTokenizerBase

from autorefine_lib.generator.actor import rollout_model
from autorefine_lib.generator.answers import clean_answer
from autorefine_lib.generator.prompts import Prompts, check_decoder, encode
from autorefine_lib.generator.sampling import sample
from autorefine_lib.generator.scoring import Scores, score
from autorefine_lib.text import sentences
from autorefine_lib.text.articles import mend_articles
from autorefine_lib.text.faithfulness import by_guard
from autorefine_lib.text.guards import GUARDS
from autorefine_lib.text.rewritable import sentences_to_rewrite

INSTRUCTIONS = {
    "sentence": "Say this sentence of a job advertisement in other words. Keep every fact and its meaning. Answer with "
    "the new sentence only.",
    "ad": "Rewrite this job advertisement in other words. Use only the information that it gives and keep every fact: "
    "title, requirements, numbers, names, pay and place. Answer with the new text only.",
}
"""What the model is asked, by level. They ask for no direction: which wording helps is left to the reward."""
INCLUSIVE = (
    "Rewrite this sentence of a job advertisement so that it is inclusive and welcoming to people of every gender. "
    "Keep every fact and its meaning. Answer with the new sentence only."
)
"""The treatment that an instruction alone can be, measured as a method of its own."""


TEMPERATURE = 0.8
"""Of sampling, in alignment, training and search."""
_BATCH = 64  # answers sampled together


@dataclass(frozen=True)
class Edit:
    """One sentence and what the model made of it."""

    position: int
    """Index into `sentences.split(ad)`, or -1 for a whole ad."""
    source: str
    """As it stood in the ad."""
    rewrite: str
    """The cleaned answer."""
    refused: dict[str, list[str]] = field(default_factory=dict)
    """Reasons by guard why it was refused; empty where it was deployed."""


@dataclass
class Rewrite:
    """One ad as it would be deployed."""

    text: str
    """The rewritten ad."""
    edits: list[Edit] = field(default_factory=list)
    """The sentences that changed."""
    refused: list[Edit] = field(default_factory=list)
    """The rewrites that were refused; their sources stay."""


@dataclass
class Generator:
    """A model, its tokenizer and how it is asked to rewrite."""

    model: PreTrainedModel
    """Decoder-only language model."""
    tokenizer: PreTrainedTokenizerBase
    """Its tokenizer."""
    level: str = "sentence"
    """What one prompt holds: "sentence" or "ad"."""
    max_new_tokens: int = 64
    """Longest completion, in tokens."""
    instruction: str = ""
    """What the model is asked; "" is the neutral one of `INSTRUCTIONS`."""
    origin: str = ""
    """Where `pretrained.load` found it: a name or a folder."""
    base: str = ""
    """The origin of the model below the adapters."""
    logits_processor: LogitsProcessorList | None = None
    """Functions that change the model's scores before a token is chosen, as in `model.generate`."""

    @property
    def add_special_tokens(self) -> bool:
        """Whether the tokenizer adds its own to a prompt; a chat template already holds them."""
        return self.tokenizer.chat_template is None

    def prepare_training(self, lora_rank: int = 0) -> None:
        """Prepare `model` for training, with new LoRA adapters or, at rank 0, of all weights.

        Adapters that it has are merged into the weights first: they are where training starts, and its reference.
        """
        if isinstance(self.model, PeftModel):
            self.model = self.model.merge_and_unload()
        self.base = self.origin
        if not lora_rank:
            # On a GPU checkpoints are loaded in bfloat16, in which small updates are lost to rounding.
            self.model.float()

    def prompt(self, source: str) -> str:
        """What the model reads for `source`, through its chat template where it has one."""
        instruction = self.instruction or INSTRUCTIONS[self.level]
        if self.tokenizer.chat_template is None:
            return f"{instruction}\n\n{source}\n\nRewritten:\n"
        user = {"role": "user", "content": source}
        try:
            return self._chat([{"role": "system", "content": instruction}, user])
        except TemplateError:  # some templates know no system message
            return self._chat([user | {"content": f"{instruction}\n\n{source}"}])

    def _chat(self, messages: list[dict[str, str]]) -> str:
        return self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )

    def episodes(self, job_ids: list[str], ads: list[str]) -> dict[str, list]:
        """Columns job_id, position, source and prompt: one row per text to rewrite.

        `position` is the index into `sentences.split(ad)`, or -1 when the whole ad is one prompt.
        """
        rows = [
            (job_id, position, source, self.prompt(source))
            for job_id, ad in zip(job_ids, ads, strict=True)
            for position, source in ([(-1, ad)] if self.level == "ad" else sentences_to_rewrite(ad))
        ]
        names = ("job_id", "position", "source", "prompt")
        return {name: [row[place] for row in rows] for place, name in enumerate(names)}

    def finish(self, source: str, completion: str, guards: Sequence[str] = GUARDS) -> tuple[str, dict[str, list[str]]]:
        """The text as it would be deployed, and the reasons by guard why the completion was refused, if any.

        What a chat model puts around its answer is taken off, and "a" and "an" before a new word are mended. A refused
        completion leaves the source as it was.
        """
        text = mend_articles(source, clean_answer(source, completion))
        reasons = by_guard(source, text, guards)
        return (source, reasons) if reasons else (text, {})

    def encode(self, prompts: list[str]) -> Prompts:
        """`prompts` as tokens for the model; errors as in `prompts.encode`."""
        return encode(self.tokenizer, self.model, prompts, self.max_new_tokens, self.add_special_tokens)

    def score(self, prompts: list[str], answers: Sequence[list[int]], value_head: nn.Module | None = None) -> Scores:
        """`scoring.score` of the `answers` to `prompts`, each the ids of one, padded on the right."""
        tokens = [torch.tensor(ids, device=self.model.device) for ids in answers]
        padded = pad_sequence(tokens, batch_first=True, padding_value=self.tokenizer.pad_token_id)
        return score(self.model, self.encode(prompts), padded, value_head=value_head)

    def complete(self, sources: list[str], temperature: float = 0.0, seed: int = 0, progress: bool = True) -> list[str]:
        """The model's raw answers, without special tokens. `temperature` 0 takes the likeliest token.

        Above 0 tokens are drawn, by random numbers that are functions of `seed` and of the source's place in the list:
        for several answers to a source, repeat it.

        Raises:
            InputError: a model without position_ids or without a cache.
        """
        # Ads share sentences. The likeliest answer to equal sentences is the same, so each is asked once.
        asked = list(dict.fromkeys(sources)) if temperature == 0 else sources
        # The functions look at the model's own layers, so with them there is no copy.
        model = (self.model if self.logits_processor else rollout_model(self.model, bf16=False)).eval()
        check_decoder(model)
        prompts, tokenizer = [self.prompt(source) for source in asked], self.tokenizer
        uniforms = torch.rand(len(asked), self.max_new_tokens, generator=torch.Generator().manual_seed(seed))
        order = sorted(range(len(asked)), key=lambda i: -len(prompts[i]))  # so that a batch holds little padding
        answers: dict[int, str] = {}
        for first in tqdm(range(0, len(order), _BATCH), desc="generate", disable=not progress):
            rows = order[first : first + _BATCH]
            samples = sample(
                model, self.encode([prompts[i] for i in rows]), tokenizer.eos_token_id, tokenizer.pad_token_id,
                self.max_new_tokens, temperature, uniforms[rows].to(model.device),
                logits_processor=self.logits_processor,
            )  # fmt: skip
            texts = tokenizer.batch_decode(samples.tokens, skip_special_tokens=True)
            answers |= zip(rows, texts, strict=True)
        if temperature != 0:
            return [answers[row] for row in range(len(asked))]
        likeliest = {source: answers[row] for row, source in enumerate(asked)}
        return [likeliest[source] for source in sources]

    def rewrite(self, ads: list[str], progress: bool = True) -> list[Rewrite]:
        """Rewrite `ads` as they would be deployed: each sentence by the likeliest answer, if no guard refuses it.

        Other answers are not tried. Of 105 real sentences whose first answer was refused or the same, and a later one
        sampled and accepted, readers found 12 % wrong, of 289 first answers 3 and 2 % (`reports/faithfulness`).
        """
        episodes = self.episodes([str(index) for index in range(len(ads))], ads)
        return self.assemble(ads, episodes, self.complete(episodes["source"], progress=progress))

    def assemble(self, ads: list[str], episodes: dict[str, list], completions: list[str]) -> list[Rewrite]:
        """Put completions into their ads; `episodes` must come from this generator with job ids "0", "1", …"""
        parts = [sentences.split(ad) if self.level == "sentence" else [ad] for ad in ads]
        rewrites = [Rewrite("") for _ in ads]
        columns = (episodes["job_id"], episodes["position"], episodes["source"], completions)
        for job_id, position, source, completion in zip(*columns, strict=True):
            text, reasons = self.finish(source, completion)
            ad = int(job_id)
            if reasons:
                rewrites[ad].refused.append(Edit(position, source, clean_answer(source, completion), reasons))
            elif text != source:
                rewrites[ad].edits.append(Edit(position, source, text))
            parts[ad][max(position, 0)] = text
        for rewrite, pieces in zip(rewrites, parts, strict=True):
            rewrite.text = sentences.join(pieces)
        return rewrites
