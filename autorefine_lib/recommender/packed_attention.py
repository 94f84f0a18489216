"""Attention over texts of any lengths that lie one behind the other in one sequence, with no padding between them.

What FlashAttention's variable-length kernels do on some GPUs, with plain batched products on any device. On two Zen 4
cores in bfloat16 it embeds a quarter more ads a second than transformers' own attention, SDPA, on texts grouped by
length: the products of one head are faster there than SDPA's, and the layers between get batches of a useful size.
"""

from collections.abc import Iterator
from itertools import groupby

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel

_IN_RANGE = 80.0
"""Scores within it neither overflow in exp nor vanish, in sums over thousands of tokens."""

_BIDIRECTIONAL = ("bert", "roberta", "xlm-roberta")
"""Kinds of models whose tokens see the whole text, at positions that are given from outside."""


def use(model: PreTrainedModel) -> bool:
    """Have `model` attend by `_attend` from now on, if it is of a kind that can; returns whether it is."""
    if model.config.model_type not in _BIDIRECTIONAL:
        return False
    AttentionInterface.register("packed", _attend)
    model.set_attn_implementation("packed")
    return True


@torch.inference_mode()
def encode(model: PreTrainedModel, texts: list[list[int]]) -> Iterator[Tensor]:
    """Last hidden states of tokenised texts, which come sorted by length.

    Yields:
        For each length in turn [texts of that length, tokens, width].
    """
    lengths = [(length, len(list(group))) for length, group in groupby(len(text) for text in texts)]
    tokens = torch.tensor([token for text in texts for token in text], device=model.device)
    # The first position is not 0 where the padding token's number stands before it, as in RoBERTa's models.
    first = (model.embeddings.padding_idx + 1) if model.config.model_type != "bert" else 0
    positions = torch.cat([torch.arange(length).repeat(number) for length, number in lengths]).to(model.device) + first
    hidden = model(input_ids=tokens[None], position_ids=positions[None], lengths=lengths).last_hidden_state[0]
    parts = hidden.split([length * number for length, number in lengths])
    for part, (length, number) in zip(parts, lengths, strict=True):
        yield part.view(number, length, -1)


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: None, scaling: float, lengths: list, **_
) -> tuple[Tensor, None]:
    """transformers' attention interface, for `lengths`: (tokens of a text, number of such texts) in their order.

    Args:
        query, key, value: [1, heads, tokens, head dimension].

    Returns:
        [1, tokens, heads, head dimension], and no weights.
    """
    sizes = [length * number for length, number in lengths]
    # beta=0: what is added counts for nothing, only the scaling within the product does.
    nothing, mixed = query.new_zeros(()), []
    for (length, number), *parts in zip(lengths, *(x[0].split(sizes, 1) for x in (query, key, value)), strict=True):
        q, k, v = (part.unflatten(1, (number, length)).flatten(0, 1) for part in parts)
        scores = torch.baddbmm(nothing, q, k.transpose(1, 2), beta=0, alpha=scaling)
        mixed.append(_mix(scores, v).unflatten(0, (-1, number)).flatten(1, 2))
    return torch.cat(mixed, 1).transpose(0, 1)[None], None


def _mix(scores: Tensor, values: Tensor) -> Tensor:
    """softmax(scores) @ values: [texts * heads, tokens, head dimension]."""
    if scores.dtype != torch.bfloat16 or not scores.is_cpu:
        return torch.bmm(scores.softmax(-1), values)
    # PyTorch's softmax first looks for each row's largest score, so that exp stays in range. In bfloat16 on CPUs that
    # takes longer than all the rest, and one look at all scores tells that they are in range as they are.
    if max(map(abs, scores.aminmax())) > _IN_RANGE:
        far = scores.abs().amax((1, 2)) > _IN_RANGE  # these alone: nobody's rounding depends on its company
        scores[far] = scores[far].log_softmax(-1)
    weights = scores.exp_()
    return torch.bmm(weights, values) / weights.sum(-1, keepdim=True)
