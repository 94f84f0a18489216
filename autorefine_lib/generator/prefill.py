"""Prefill: what the prompts of a batch share is read once, in sampling and in scoring, with and without gradients.

A chat template and its instruction are the same in every prompt, and PPO samples several responses to each of them.
Their keys and values are computed once and handed to all rows; gradients flow back through the shared part, so losses
are those of a pass over every row in full. A whole step of PPO takes about half the time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from autorefine_lib.generator.prompts import Prompts


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


def position_ids(attention_mask: Tensor) -> Tensor:
    """Positions counted from the first real token, as left padding needs them: `[batch, time]`."""
    return (attention_mask.cumsum(1) - 1).clamp(min=0)


@dataclass
class Prefilled:
    """What responses to prompts start from."""

    inputs: Tensor
    """`[batch, columns]`: the ids that the model has yet to read before it can tell a response's first token."""
    mask: Tensor
    """`[batch, all columns]`, 1 on tokens: of what is read and of `inputs`."""
    cache: DynamicCache | None = None
    """Keys and values of what is read."""


def prefill(model: PreTrainedModel, prompts: Prompts) -> Prefilled:
    """Read `prompts`: equal ones once, and the tokens that all of them begin with once.

    Models with a recurrent state or a sliding window are left to read their prompts in full with the responses.
    """
    rows = torch.cat([prompts.input_ids * prompts.attention_mask, prompts.attention_mask], 1)
    distinct, copies = rows.unique(dim=0, return_inverse=True)
    ids, mask = distinct.chunk(2, dim=1)
    cache = DynamicCache(config=model.config)
    if not all(type(layer) is DynamicLayer for layer in cache.layers):
        return Prefilled(prompts.input_ids, prompts.attention_mask)
    # The last token is read with the response, whose first token it predicts.
    ids, lengths = ids[:, :-1], mask[:, :-1].sum(1)
    first = ids.shape[1] - lengths
    aligned = ids.gather(1, first[:, None] + torch.arange(int(lengths.min()), device=ids.device))
    shared = int((aligned == aligned[:1]).all(0).cumprod(0).sum())
    seen = torch.ones(1, shared, dtype=mask.dtype, device=ids.device)
    if shared:
        _read(model, aligned[:1, :shared], seen, cache)
    own = int(lengths.max()) - shared
    places = torch.arange(own, device=ids.device)
    seen = torch.cat([seen.expand(len(ids), -1), (places >= own - (lengths - shared)[:, None]).to(mask.dtype)], 1)
    cache.batch_select_indices(torch.zeros(len(ids), dtype=torch.long, device=ids.device))
    if own:
        _read(model, ids[:, -own:], seen, cache)
    cache.batch_select_indices(copies)
    seen = torch.cat([seen[copies], torch.ones_like(copies)[:, None]], 1)
    return Prefilled(prompts.input_ids[:, -1:], seen, cache if seen.shape[1] > 1 else None)


def _read(model: PreTrainedModel, ids: Tensor, mask: Tensor, cache: DynamicCache) -> None:
    """Add keys and values of `ids`, the last columns of `mask`, to the cache."""
    positions = position_ids(mask)[:, -ids.shape[1] :]
    with response_head(model, last=1):
        model(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True)
