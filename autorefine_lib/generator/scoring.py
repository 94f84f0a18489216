"""Scoring with a Hugging Face model: prompts to tokens, and the log-probability and value of every token of a response.

Every forward pass of PPO, in sampling and in scoring, goes through `restricted_head`. It evaluates the output layer
only on the positions and token ids that are needed, and hands the layer's input to the value head. A batch may use
1,500 of the 30,000 tokens of a vocabulary, so this saves most of the work of a small model.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from autorefine_lib.errors import InputError

FORBIDDEN = -1e9
"""Logit of a token that the vocabulary of a row forbids: finite, so that 0 * log 0 in the entropy is 0, not NaN."""


@dataclass(frozen=True)
class Prompts:
    """A batch of tokenized prompts, padded on the left for decoder-only models, on the right for the others."""

    input_ids: Tensor
    """`[batch, prompt]`"""
    attention_mask: Tensor
    """`[batch, prompt]`, 1 on tokens, 0 on padding."""
    token_ids: Tensor | None = None
    """`[union]`, ascending: the tokens that some row may emit; None for the whole vocabulary."""
    allowed: Tensor | None = None
    """`[batch, union]`, True where the row may emit the token; None for no restriction."""

    def rows(self, index: Tensor) -> "Prompts":
        """Some of the rows, without the padding that only the others needed."""
        mask = self.attention_mask[index]
        columns = mask.any(0).nonzero().squeeze(1)
        kept = slice(int(columns[0]), int(columns[-1]) + 1)
        allowed = None if self.allowed is None else self.allowed[index]
        return Prompts(self.input_ids[index, kept], mask[:, kept], self.token_ids, allowed)


def encode(
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
    prompts: list[str],
    max_new_tokens: int,
    vocabulary: Callable[[list[str]], Tensor | None] | None = None,
    add_special_tokens: bool = True,
) -> Prompts:
    """Tokenize prompts for `model` and look up the tokens that each may be answered with.

    `vocabulary(prompts)` returns a bool tensor `[batch, vocabulary size]`, or None for no restriction; EOS is always
    allowed. The side of the padding is chosen here, whatever the tokenizer says.

    Raises:
        InputError: no EOS or padding token; a prompt that is no text, empty, or longer than the model's context; more
            new tokens than the decoder has positions; a vocabulary of another shape or type.
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
    joined = "encoder" in model.config.to_dict()
    source, answer = (model.config.encoder, model.config.decoder) if joined else (model.config, model.config)
    # T5 has relative positions and therefore no such field.
    context, places = (getattr(config, "max_position_embeddings", None) for config in (source, answer))
    needed = int(lengths.max()) + (0 if encoder_decoder else max_new_tokens)
    if context is not None and needed > context:
        longest = prompts[int(lengths.argmax())]
        raise InputError(
            f"a prompt of {int(lengths.max())} tokens ({longest[:60]!r}...) needs {needed} positions but the model has "
            f"{context}; shorten the prompt or lower max_new_tokens"
        )
    if places is not None and max_new_tokens > places:
        raise InputError(f"max_new_tokens is {max_new_tokens} but the model has {places} positions; lower it")
    allowed = None if vocabulary is None else vocabulary(prompts)
    if allowed is None:
        return Prompts(encoded.input_ids, encoded.attention_mask)
    words = model.get_output_embeddings().weight.shape[0]
    if not isinstance(allowed, Tensor) or allowed.dtype != torch.bool:
        found = allowed.dtype if isinstance(allowed, Tensor) else type(allowed).__name__
        raise InputError(f"vocabulary returned {found}; return a bool tensor of shape {(len(prompts), words)}, or None")
    if allowed.dim() != 2 or len(allowed) != len(prompts) or not tokenizer.eos_token_id < allowed.shape[1] <= words:
        raise InputError(
            f"vocabulary returned shape {tuple(allowed.shape)}; return {(len(prompts), words)}: a row a prompt, a "
            "column a token (the last ones may be missing, but not the EOS)"
        )
    allowed = allowed.to(model.device).clone()
    allowed[:, tokenizer.eos_token_id] = True
    token_ids = allowed.any(0).nonzero().squeeze(1)
    return Prompts(encoded.input_ids, encoded.attention_mask, token_ids, allowed[:, token_ids])


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
        encode(tokenizer, model, prompts[first : first + 1000], max_new_tokens, None, add_special_tokens)


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
    """What `restricted_head` saw last."""

    hidden: Tensor | None = None
    """Input of the output layer, `[batch, last, hidden]`."""


@contextmanager
def restricted_head(model: PreTrainedModel, token_ids: Tensor | None, last: int) -> Iterator[Features]:
    """Within it, `model(...).logits` covers the last `last` positions and, in order, `token_ids` only.

    The rows of the weight (tied or not) and of the bias are gathered, so gradients reach them if they are trainable.
    An output layer that is not a plain `nn.Linear` (one with LoRA) is evaluated in full and cut afterwards.
    """
    head = model.get_output_embeddings()
    plain = type(head) is nn.Linear
    # Gathered once, not once a decoding step; in training once a forward pass, for each has its own graph.
    gathered: dict[int, Tensor] = {}

    def cut(tensor: Tensor | None) -> Tensor | None:
        if tensor is None or token_ids is None:
            return tensor
        if torch.is_grad_enabled() and tensor.requires_grad:
            return tensor[token_ids]
        return gathered.setdefault(id(tensor), tensor.detach()[token_ids])

    features = Features()

    def forward(hidden: Tensor) -> Tensor:
        features.hidden = hidden[:, -last:]
        if plain:
            return F.linear(features.hidden, cut(head.weight), cut(head.bias))
        logits = type(head).forward(head, features.hidden)
        return logits if token_ids is None else logits[..., token_ids]

    # BART and its relatives add a bias of the size of the vocabulary after the output layer.
    biased = [m for m in model.modules() if "final_logits_bias" in m._buffers] if token_ids is not None else []
    full = [m.final_logits_bias for m in biased]
    head.forward = forward
    for module, bias in zip(biased, full, strict=True):
        module.final_logits_bias = bias[:, token_ids]
    try:
        yield features
    finally:
        del head.forward
        for module, bias in zip(biased, full, strict=True):
            module.final_logits_bias = bias


def decoder_start(model: PreTrainedModel) -> int:
    """The token every answer of an encoder-decoder starts after; InputError when the configuration has none."""
    start = model.config.decoder_start_token_id
    if start is None:
        raise InputError("model.config.decoder_start_token_id is not set; for BERT2BERT set tokenizer.cls_token_id")
    return start


def position_ids(attention_mask: Tensor) -> Tensor:
    """Positions counted from the first real token, as left padding needs them: `[batch, time]`."""
    return (attention_mask.cumsum(1) - 1).clamp(min=0)


def restrict(logits: Tensor, allowed: Tensor | None, temperature: float) -> Tensor:
    """Logits in fp32 over temperature, forbidden tokens at `FORBIDDEN`; the last dimension is the vocabulary.

    `allowed` is `[batch, union]` for logits of `[batch, union]` or `[batch, time, union]`.
    """
    logits = logits.float()
    if temperature != 1:
        logits = logits / temperature
    if allowed is None:
        return logits
    return logits.masked_fill(~(allowed if logits.dim() == 2 else allowed[:, None]), FORBIDDEN)


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
    with restricted_head(model, prompts.token_ids, last=time) as features:
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
    logits = restrict(output.logits, prompts.allowed, temperature)
    if prompts.token_ids is None:
        index = tokens
    else:
        # The padding token need not be in the union; its place is masked by the caller.
        index = torch.searchsorted(prompts.token_ids, tokens.contiguous()).clamp(max=len(prompts.token_ids) - 1)
    logprobs, entropy = token_scores(logits, index)
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
