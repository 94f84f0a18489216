"""The policy and its value head as one module, and what makes its passes cheaper in time or memory."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch
import torch.nn.functional as F
from peft import PeftModel
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from autorefine_lib.errors import InputError

Result = TypeVar("Result")


class Actor(nn.Module):
    """Policy and value head. Whatever runs the weights goes through `forward`, where DDP and FSDP do their part."""

    def __init__(self, model: PreTrainedModel, value_head: nn.Module | None = None):
        super().__init__()
        self.model, self.value_head = model, value_head

    def forward(self, work: Callable[..., Result], *args, **options) -> Result:
        """`work(model, *args, value_head=value_head, **options)`, for instance `scoring.score` or `sampling.sample`."""
        return work(self.model, *args, value_head=self.value_head, **options)


@contextmanager
def reference_actor(actor: nn.Module, frozen: Actor | None) -> Iterator[nn.Module]:
    """The model before training: the frozen copy if there is one, else the actor's with its adapter switched off."""
    if frozen is not None:
        yield frozen
    else:
        with next(module for module in actor.modules() if isinstance(module, PeftModel)).disable_adapter():
            yield actor


def check_decoder(model: nn.Module) -> None:
    """InputError for a decoder-only model that `sampling.sample` and `scoring.score` cannot run."""
    plain = model.get_base_model() if isinstance(model, PeftModel) else model
    name, taken = type(plain).__name__, inspect.signature(plain.forward).parameters
    if "position_ids" not in taken:  # padding would shift the positions
        raise InputError(
            f"{name} takes no position_ids, which prompts padded on the left need; choose a model with learned or "
            "rotary positions, or an encoder-decoder"
        )
    if "past_key_values" not in taken:
        raise InputError(f"{name} takes no past_key_values, with which sampling goes on; choose a model with a cache")


def blocks(model: nn.Module) -> list[nn.Module]:
    """The repeated layers of a transformer, encoder's and decoder's alike."""
    return [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]


@contextmanager
def answer_only(model: nn.Module, last: int) -> Iterator[None]:
    """Within it, a decoder's last block works on the last `last` positions only, wherever positions do not mix.

    Nobody reads what it gives out for the prompt; only the prompt's keys and values are needed. Those outputs are 0.
    For dense feed-forward layers in the layout of Llama; other blocks, compiled and checkpointed ones run in full.
    """
    block = next(reversed(blocks(model)), model)  # CTRL and others have no blocks of that class
    layout = {"mlp.down_proj", "self_attn.q_proj", "self_attn.o_proj"} <= {name for name, _ in block.named_modules()}
    if not layout or "forward" in vars(block) or block._compiled_call_impl is not None:
        yield
        return
    parts = [block.mlp, block.self_attn.q_proj, block.self_attn.o_proj]
    for part in parts:
        part.forward = partial(_padded, part.forward, last)
    try:
        yield
    finally:
        for part in parts:
            del part.forward


def _padded(forward: Callable[[Tensor], Tensor], last: int, hidden: Tensor) -> Tensor:
    return F.pad(forward(hidden[:, -last:]), (0, 0, hidden.shape[1] - last, 0))


def compile_blocks(model: nn.Module) -> None:
    """Have each block compiled by torch.compile at its first pass, in place: names of weights stay as they are.

    Only the blocks, for they share one compilation: half a minute on a CPU whatever the depth. On a CPU it needs a C++
    compiler. Decoding stays eager (`uncompiled`), its shapes being too many and too small to gain.
    """
    for block in blocks(model):
        block.compile()


def uncompiled() -> torch.compiler.set_stance:
    """Within it, compiled blocks run as they were written."""
    return torch.compiler.set_stance("force_eager")


@contextmanager
def checkpointed(model: nn.Module) -> Iterator[None]:
    """Within it, blocks keep their inputs only and are computed again in the backward pass (Chen et al. 2016).

    Transformers' own switch works in training mode only, where dropout would be on too.
    """
    layers = blocks(model)
    for layer in layers:
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward
