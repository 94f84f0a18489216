"""Scoring with a Hugging Face model: prompts to tokens, and the log-probability and value of every token of a response.

Every forward pass of PPO, in sampling and in scoring, goes through `response_head`. It evaluates the output layer only
on the positions of the response, and hands the layer's input to the value head. A small model with a large vocabulary
spends a fifth of its work in this layer, and the logits of a prompt would take more memory than all else.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from autorefine_lib.errors import InputError


@dataclass(frozen=True)
class Prompts:
    """A batch of tokenized prompts, padded on the left for decoder-only models, on the right for the others."""

    input_ids: Tensor
    """`[batch, prompt]`"""
    attention_mask: Tensor
    """`[batch, prompt]`, 1 on tokens, 0 on padding."""

    def rows(self, index: Tensor) -> "Prompts":
        """Some of the rows, without the padding that only the others needed."""
        mask = self.attention_mask[index]
        columns = mask.any(0).nonzero().squeeze(1)
        kept = slice(int(columns[0]), int(columns[-1]) + 1)
        return Prompts(self.input_ids[index, kept], mask[:, kept])


def encode(
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
    prompts: list[str],
    max_new_tokens: int,
    add_special_tokens: bool = True,
) -> Prompts:
    """Tokenize prompts for `model`; the side of the padding is chosen here, whatever the tokenizer says.

    Raises:
        InputError: no EOS or padding token; a prompt that is no text, empty, or longer than the model's context; more
            new tokens than the decoder has positions.
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
    encoder_decoder = model.config.is_encoder_decoder
    encoded = tokenizer(
        prompts,
        padding=True,
        padding_side="right" if encoder_decoder else "left",
        add_special_tokens=add_special_tokens,
        return_tensors="pt",
    ).to(model.device)
    lengths = encoded.attention_mask.sum(1)
    if not (lengths > 0).all():
        raise InputError(f"prompt {prompts[int(lengths.argmin())]!r} has no tokens; remove it, or give it a text")
    # T5 has relative positions and therefore no such field.
    context = getattr(model.config, "max_position_embeddings", None)
    needed = int(lengths.max()) + (0 if encoder_decoder else max_new_tokens)
    if context is not None and needed > context:
        longest = prompts[int(lengths.argmax())]
        raise InputError(
            f"a prompt of {int(lengths.max())} tokens ({longest[:60]!r}...) needs {needed} positions but the model has "
            f"{context}; shorten the prompt or lower max_new_tokens"
        )
    if context is not None and max_new_tokens > context:
        raise InputError(f"max_new_tokens is {max_new_tokens} but the model has {context} positions; lower it")
    return Prompts(encoded.input_ids, encoded.attention_mask)


def check_prompts(
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
    prompts: list[str],
    max_new_tokens: int,
    add_special_tokens: bool = True,
) -> None:
    """The InputError of the first prompt that `encode` would refuse, before it stops a run in the middle.

    Also of a decoder-only model that cannot be sampled from, or not with padding on the left.
    """
    if not model.config.is_encoder_decoder:
        check_decoder(model)
    for first in range(0, len(prompts), 1000):
        encode(tokenizer, model, prompts[first : first + 1000], max_new_tokens, add_special_tokens)


def check_decoder(model: nn.Module) -> None:
    """InputError for a decoder-only model that `sampling.sample` and `score` cannot run."""
    plain = model.get_base_model() if isinstance(model, PeftModel) else model
    name, taken = type(plain).__name__, inspect.signature(plain.forward).parameters
    if "position_ids" not in taken:  # padding would shift the positions
        raise InputError(
            f"{name} takes no position_ids, which prompts padded on the left need; choose a model with learned or "
            "rotary positions, or an encoder-decoder"
        )
    if "past_key_values" not in taken:
        raise InputError(f"{name} takes no past_key_values, with which sampling goes on; choose a model with a cache")


@dataclass
class Features:
    """What `response_head` saw last."""

    hidden: Tensor | None = None
    """Input of the output layer, `[batch, last, hidden]`."""


@contextmanager
def response_head(model: PreTrainedModel, last: int) -> Iterator[Features]:
    """Within it, `model(...).logits` covers the last `last` positions only."""
    features = Features()

    def cut(module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        features.hidden = inputs[0][:, -last:]
        return features.hidden

    hook = model.get_output_embeddings().register_forward_pre_hook(cut)
    try:
        yield features
    finally:
        hook.remove()


def decoder_start(model: PreTrainedModel) -> int:
    """The token every answer of an encoder-decoder starts after; InputError when the configuration has none."""
    start = model.config.decoder_start_token_id
    if start is None:
        raise InputError("model.config.decoder_start_token_id is not set; give the token that answers start after")
    return start


def position_ids(attention_mask: Tensor) -> Tensor:
    """Positions counted from the first real token, as left padding needs them: `[batch, time]`."""
    return (attention_mask.cumsum(1) - 1).clamp(min=0)


def temper(logits: Tensor, temperature: float) -> Tensor:
    """Logits in fp32 over temperature."""
    logits = logits.float()
    return logits if temperature == 1 else logits / temperature


class Scores(NamedTuple):
    """Of given responses, each `[batch, time]`; what stands on padding has no meaning."""

    logprobs: Tensor
    entropy: Tensor
    values: Tensor
    """0 without a value head."""


def score(
    model: PreTrainedModel,
    prompts: Prompts,
    tokens: Tensor,
    temperature: float = 1.0,
    value_head: nn.Module | None = None,
) -> Scores:
    """Log-probability, entropy and value of every token of the responses `tokens` `[batch, time]`, in one pass.

    Padding stands on the right of the responses, where causal attention never looks at it. Decoder-only models must
    take `position_ids` (all with learned or rotary positions do).
    """
    time = tokens.shape[1]
    with response_head(model, last=time) as features:
        if model.config.is_encoder_decoder:
            start = torch.full_like(tokens[:, :1], decoder_start(model))
            output = model(
                input_ids=prompts.input_ids,
                attention_mask=prompts.attention_mask,
                decoder_input_ids=torch.cat([start, tokens[:, :-1]], 1),
                use_cache=False,
            )
        else:
            mask = torch.cat([prompts.attention_mask, torch.ones_like(tokens[:, :-1])], 1)
            output = model(
                input_ids=torch.cat([prompts.input_ids, tokens[:, :-1]], 1),
                attention_mask=mask,
                position_ids=position_ids(mask),
                use_cache=False,
            )
    logprobs, entropy = token_scores(temper(output.logits, temperature), tokens)
    return Scores(logprobs, entropy, torch.zeros_like(logprobs) if value_head is None else value_head(features.hidden))


def token_scores(logits: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """(logits `[..., vocabulary]`, tokens `[...]`) to the tokens' log-probabilities and the entropies, `[...]`.

    The entropies are only logged, so they have no gradient: no further tensor of the size of the logits is kept for
    them.
    """
    logprobs = logits.log_softmax(-1)
    with torch.no_grad():
        entropy = -torch.linalg.vecdot(logprobs.exp(), logprobs)
    return logprobs.gather(-1, tokens[..., None]).squeeze(-1), entropy
