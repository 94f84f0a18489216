"""Scoring of given responses: the log-probability, entropy and value of every token, in one pass."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from autorefine_lib.generator.prefill import position_ids, prefill, response_head
from autorefine_lib.generator.prompts import Prompts


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
    model: nn.Module, prompts: Prompts, tokens: Tensor, temperature: float = 1.0, value_head: nn.Module | None = None
) -> Scores:
    """Log-probability, entropy and value of every token of the responses `tokens` `[batch, time]`.

    Padding stands on the right of the responses, where causal attention never looks at it. The model must take
    `position_ids` (all with learned or rotary positions do).
    """
    start = prefill(model, prompts)
    inputs = torch.cat([start.inputs, tokens[:, :-1]], 1)
    mask = torch.cat([start.mask, torch.ones_like(tokens[:, :-1])], 1)
    with response_head(model, last=tokens.shape[1]) as features:
        output = model(
            input_ids=inputs,
            attention_mask=mask,
            position_ids=position_ids(mask)[:, -inputs.shape[1] :],
            past_key_values=start.cache,
            use_cache=start.cache is not None,
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
