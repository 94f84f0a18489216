"""Sampling with the KV cache and log-probabilities: one loop for PPO's rollouts and for deployment.

It exists beside `model.generate` because it reads what prompts share once, returns the log-probability and the value of
each sampled token without a second pass, and drops finished rows from the batch.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import LogitsProcessorList, PreTrainedModel, StaticCache

from autorefine_lib.errors import InputError
from autorefine_lib.generator.prefill import position_ids, prefill, response_head
from autorefine_lib.generator.prompts import Prompts
from autorefine_lib.generator.scoring import temper

BLOCK = 256
"""Tokens of the vocabulary that `draw` sums up before it looks at single ones."""


@dataclass(frozen=True)
class Samples:
    """Sampled responses, each tensor `[batch, time]` unless said otherwise."""

    tokens: Tensor
    """Ids, the EOS included, then padding."""
    mask: Tensor
    """True on sampled tokens, False on padding."""
    logprobs: Tensor
    """Of the sampled tokens at the sampling temperature (at 1 when greedy); 0 on padding."""
    values: Tensor
    """Of the value head; 0 on padding, and everywhere without a head."""
    finished: Tensor
    """`[batch]`, True where the EOS was sampled within the limit."""

    def responses(self) -> list[list[int]]:
        """The ids of each row without padding."""
        return [tokens[mask].tolist() for tokens, mask in zip(self.tokens, self.mask, strict=True)]


@torch.no_grad()
def sample(
    model: PreTrainedModel,
    prompts: Prompts,
    eos_token_id: int,
    pad_token_id: int,
    max_new_tokens: int,
    temperature: float = 1.0,
    uniforms: Tensor | None = None,
    value_head: nn.Module | None = None,
    logits_processor: LogitsProcessorList | None = None,
) -> Samples:
    """Sample one response to each prompt, until its EOS or `max_new_tokens`.

    `temperature` 0 takes the likeliest token. For half precision, call it under `torch.autocast`; the log-probabilities
    are fp32 in any case, and those after `logits_processor`, which gets what is written so far and the scores before
    the temperature, as in `model.generate`.

    The token of row i at place t is where the cumulated probabilities pass `uniforms[i, t]` (`[batch, max_new_tokens]`,
    in [0, 1), not needed at temperature 0): one random number a token instead of one for every word, and the same
    response whichever rows share the batch.

    Raises:
        InputError: there are no `uniforms`, though `temperature` is above 0.
        FloatingPointError: the model's scores are not finite; found at the end, for a look at each token costs time.
    """
    if temperature == 0:
        uniforms = None
    elif uniforms is None:
        raise InputError(f"temperature={temperature} needs uniforms; give [batch, max_new_tokens], or temperature=0")
    device, batch = prompts.input_ids.device, len(prompts.input_ids)
    start = prefill(model, prompts)
    inputs, mask, columns = start.inputs, start.mask, start.mask.shape[1]
    # Allocated once: a cache that grows by a column a step is copied as a whole every time.
    cache = KVCache(config=model.config, max_cache_len=columns + max_new_tokens)
    for number, layer in enumerate(start.cache.layers if start.cache else []):
        cache.update(layer.keys, layer.values, number)
    positions = position_ids(mask)[:, -inputs.shape[1] :]
    mask = torch.cat([mask, mask.new_ones(batch, max_new_tokens)], 1)
    tokens = torch.full((batch, max_new_tokens), pad_token_id, device=device)
    logprobs = torch.zeros(batch, max_new_tokens, device=device)
    values = torch.zeros_like(logprobs)
    lengths = torch.full((batch,), max_new_tokens, device=device)
    finished = torch.zeros(batch, dtype=torch.bool, device=device)
    live = torch.arange(batch, device=device)  # rows of the batch that the cache still holds
    with response_head(model, last=1) as features:
        for t in range(max_new_tokens):
            output = model(
                input_ids=inputs,
                # Up to the token that is fed: recurrent layers take the last columns for those of their input.
                attention_mask=mask[:, : columns + t],
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
            )
            logits = output.logits[:, -1]
            if logits_processor is not None:
                written = torch.cat([prompts.input_ids[live], tokens[live, :t]], 1)
                logits = logits_processor(written, logits.float())
            logits = temper(logits, temperature or 1.0)
            probabilities = torch.softmax(logits, -1)
            index = logits.argmax(-1, keepdim=True) if uniforms is None else draw(probabilities, uniforms[live, t])
            chosen = index.squeeze(1)
            # A finished row that is still in the batch goes on producing tokens, which are not kept.
            going = ~finished[live]
            rows = live[going]
            tokens[rows, t] = chosen[going]
            logprobs[rows, t] = probabilities.gather(1, index).log().squeeze(1)[going]
            if value_head is not None:
                values[rows, t] = value_head(features.hidden)[:, 0][going]
            ended = rows[chosen[going] == eos_token_id]
            finished[ended] = True
            lengths[ended] = t + 1
            going = ~finished[live]
            remaining = int(going.sum())
            if remaining == 0:
                break
            inputs, positions = chosen[:, None], positions[:, -1:] + 1
            # Copying the cache costs about as much as a step, so it waits until a quarter of the rows are done.
            if remaining <= 0.75 * len(live):
                kept = going.nonzero().squeeze(1)
                cache.reorder_cache(kept)
                live, inputs, mask, positions = live[kept], inputs[kept], mask[kept], positions[kept]
    if not logprobs.isfinite().all():
        bad = float(logprobs[~logprobs.isfinite()][0])
        raise FloatingPointError(f"a sampled token has log-probability {bad}, not a finite one; check the weights")
    used = int(lengths.max())
    sampled = torch.arange(used, device=device) < lengths[:, None]
    return Samples(tokens[:, :used], sampled, logprobs[:, :used], values[:, :used], finished)


class KVCache(StaticCache):
    """Keys and values in one precision: under autocast rotary positions leave the keys in fp32, the values are bf16."""

    def update(self, keys: Tensor, values: Tensor, *args: object, **kwargs: object) -> tuple[Tensor, Tensor]:
        """As in `StaticCache`."""
        return super().update(keys.to(values.dtype), values, *args, **kwargs)


def draw(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """Tokens `[rows, 1]` by inversion: the first whose cumulated probability exceeds the row's number in [0, 1).

    First a block of the vocabulary is found, then the token in it: only these short sums are cumulated, in float64,
    so that no token of probability 0 is ever chosen and the rest costs one pass in float32.
    """
    blocks = F.pad(probabilities, (0, -probabilities.shape[1] % BLOCK)).unflatten(1, (-1, BLOCK))
    block, place = _invert(blocks.sum(-1), uniforms.double()[:, None])
    inside = blocks.gather(1, block[:, :, None].expand(-1, -1, BLOCK)).squeeze(1)
    token, _ = _invert(inside, place)
    return (block * BLOCK + token).clamp_(max=probabilities.shape[1] - 1)


def _invert(weights: Tensor, fractions: Tensor) -> tuple[Tensor, Tensor]:
    """The place in `weights` `[rows, n]` where a fraction of their sum falls, and the fraction in it: `[rows, 1]`."""
    cumulated = weights.double().cumsum(-1)
    wanted = fractions * cumulated[:, -1:]
    # NaN falls behind all; `sample` finds it at the end.
    found = torch.searchsorted(cumulated, wanted, right=True).clamp_(max=weights.shape[1] - 1)
    return found, (1 - (cumulated.gather(1, found) - wanted) / weights.gather(1, found)).clamp(0, 1 - 1e-9)


def precision(model: PreTrainedModel, bf16: bool) -> AbstractContextManager:
    """Autocast to bfloat16 on the model's device, or nothing."""
    return torch.autocast(model.device.type, torch.bfloat16) if bf16 else nullcontext()
