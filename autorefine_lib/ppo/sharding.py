"""Fully sharded data parallelism: every process keeps a part of each weight, gradient and optimiser state.

Zhao et al. 2023, "PyTorch FSDP" (arXiv 2304.11277), by PyTorch's `fully_shard` (FSDP2); stage 3 of ZeRO (Rajbhandari et
al. 2020) is the same idea. `accelerate launch` only says that it is wanted: its own preparation exists for GPUs alone,
so it could not be tested without, and it cannot wrap a policy together with its value head.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate.utils import parse_flag_from_env
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from autorefine_lib.generator.actor import blocks


def wanted() -> bool:
    """Whether several processes were launched with `distributed_type: FSDP`."""
    return parse_flag_from_env("ACCELERATE_USE_FSDP") and torch.distributed.is_initialized()


def shard(module: nn.Module, device: torch.device) -> None:
    """Cut up the weights of `module`, in place; their names stay. Its parameters are new objects afterwards.

    Blocks come together one after the other when they are needed, the rest for the whole pass. A weight that occurs in
    two places can only come together for both at once: then nothing is done block by block.
    """
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    places = Counter(id(parameter) for _, parameter in module.named_parameters(remove_duplicate=False))
    layers = blocks(module)
    if all(places[id(parameter)] == 1 for layer in layers for parameter in layer.parameters()):
        for layer in layers:
            fully_shard(layer, mesh=mesh)
    # The outermost weights would stay together after a pass, and PEFT switch adapters on and off in the wrong copy.
    fully_shard(module, mesh=mesh, reshard_after_forward=True)


@contextmanager
def together(module: nn.Module) -> Iterator[None]:
    """Within it, every process holds all weights, and may run as many passes as it likes: sampling takes as many as
    the longest response. Without shards it does nothing."""
    parts = [part for part in module.modules() if isinstance(part, FSDPModule)]
    for part in parts:
        part.unshard()
        part.set_reshard_after_forward(False, recurse=False)
    try:
        yield
    finally:
        for part in parts:
            part.set_reshard_after_forward(True, recurse=False)
            part.reshard()


def whole(tensor: Tensor) -> Tensor:
    """All of it, on the CPU; every process must ask for the same tensors in the same order."""
    tensor = tensor.detach()
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).cpu().contiguous()


def cut_as(tensor: Tensor, place: Tensor) -> Tensor:
    """This process's part of a whole `tensor`, if `place`, where it shall go, is cut up."""
    if not isinstance(place, DTensor):
        return tensor
    return distribute_tensor(tensor.to(place.device), place.device_mesh, place.placements)


def whole_state(model: nn.Module) -> dict[str, Tensor] | None:
    """`model.state_dict()` with whole tensors, those that are shared once; None if nothing is cut up."""
    state = model.state_dict(keep_vars=True)
    if not any(isinstance(tensor, DTensor) for tensor in state.values()):
        return None
    distinct = {id(tensor): whole(tensor) for tensor in state.values()}
    return {name: distinct[id(tensor)] for name, tensor in state.items()}
