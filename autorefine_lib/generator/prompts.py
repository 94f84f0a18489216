"""Prompts as tokens: padded for the model, and refused before a run starts where the model cannot take them."""

import inspect
from dataclasses import dataclass

from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from autorefine_lib.errors import InputError


@dataclass(frozen=True)
class Prompts:
    """A batch of tokenized prompts, padded on the left."""

    input_ids: Tensor
    """`[batch, prompt]`"""
    attention_mask: Tensor
    """`[batch, prompt]`, 1 on tokens, 0 on padding."""

    def rows(self, index: Tensor) -> "Prompts":
        """Some of the rows, without the padding that only the others needed."""
        first = self.attention_mask.shape[1] - int(self.attention_mask[index].sum(1).max())
        return Prompts(self.input_ids[index, first:], self.attention_mask[index, first:])


def encode(
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
    prompts: list[str],
    max_new_tokens: int,
    add_special_tokens: bool = True,
) -> Prompts:
    """Tokenize prompts for `model`; they are padded on the left, whatever the tokenizer says.

    Raises:
        InputError: no EOS or padding token; a prompt that is no text, empty, or longer than the model's context with
            the new tokens.
    """
    for prompt in prompts:
        if not isinstance(prompt, str):
            raise InputError(
                f"prompt {str(prompt)[:60]} is a {type(prompt).__name__}, not text; render chat messages with "
                "tokenizer.apply_chat_template(messages, tokenize=False)"
            )
    for name in ("eos_token", "pad_token"):
        if getattr(tokenizer, name) is None:
            raise InputError(f"the tokenizer has no {name}; set one, for instance tokenizer.{name} = '[SEP]'")
    encoded = tokenizer(
        prompts, padding=True, padding_side="left", add_special_tokens=add_special_tokens, return_tensors="pt"
    ).to(model.device)
    lengths = encoded.attention_mask.sum(1)
    if not (lengths > 0).all():
        raise InputError(f"prompt {prompts[int(lengths.argmin())]!r} has no tokens; remove it, or give it a text")
    # Models with relative positions have no such field.
    context = getattr(model.config, "max_position_embeddings", None)
    needed = int(lengths.max()) + max_new_tokens
    if context is not None and needed > context:
        longest = prompts[int(lengths.argmax())]
        raise InputError(
            f"a prompt of {int(lengths.max())} tokens ({longest[:60]!r}...) needs {needed} positions but the model has "
            f"{context}; shorten the prompt or lower max_new_tokens"
        )
    return Prompts(encoded.input_ids, encoded.attention_mask)


def begin_once(tokenizer: PreTrainedTokenizerBase, prompts: list[str]) -> list[str]:
    """The prompts without the first token of a chat template where the tokenizer puts one of its own before it.

    TRL's trainers tokenize a prompt as any text, so a model whose texts begin with a token would see it twice.
    """
    twice = [tokenizer.bos_token_id] * 2
    return [p.removeprefix(tokenizer.bos_token) if tokenizer(p).input_ids[:2] == twice else p for p in prompts]


def check_decoder(model: nn.Module) -> None:
    """InputError for a model that `sampling.sample` and `score` cannot run, such as an encoder-decoder."""
    plain = model.get_base_model() if isinstance(model, PeftModel) else model
    name, taken = type(plain).__name__, inspect.signature(plain.forward).parameters
    if "position_ids" not in taken:  # padding would shift the positions
        raise InputError(
            f"{name} takes no position_ids, which prompts padded on the left need; choose a decoder-only model with "
            "learned or rotary positions"
        )
    if "past_key_values" not in taken:
        raise InputError(f"{name} takes no past_key_values, with which sampling goes on; choose a model with a cache")
