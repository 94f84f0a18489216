"""Several processes by Accelerate's DDP: each works on its share of a batch's rows, and then all know the whole batch.

Process r of n samples and scores the r-th of n equal parts. DDP adds up the gradients, so the update is that of one
process. With one process every function gives back what it was given.
"""

from pathlib import Path

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import DistributedType, ProjectConfiguration
from torch import Tensor

from autorefine_lib.errors import InputError
from autorefine_lib.generator.sampling import Samples

SUPPORTED = DistributedType.NO, DistributedType.MULTI_GPU, DistributedType.MULTI_CPU


def make_accelerator(folder: Path, trackers: list[str]) -> Accelerator:
    """As `accelerate launch` has set it up, or one process; on GPUs where there are any, else on the CPU.

    DDP must expect weights without a gradient, such as those of a pooler or of a value head that is not in the loss.

    Raises:
        InputError: launched for anything but DDP.
    """
    ddp = DistributedDataParallelKwargs(find_unused_parameters=True)
    project = ProjectConfiguration(str(folder), logging_dir=str(folder / "tensorboard"))
    accelerator = Accelerator(
        cpu=not torch.cuda.is_available(),
        mixed_precision="no",  # `PPOConfig.bf16` says where autocast is on
        log_with=trackers or None,
        project_config=project,
        kwargs_handlers=[ddp],
    )
    if accelerator.distributed_type not in SUPPORTED:
        raise InputError(
            f"launched with distributed_type {accelerator.distributed_type.value}; allowed: one process or DDP "
            "(MULTI_GPU, MULTI_CPU); take env/accelerate/ddp.yaml, and lora_rank or bf16 where memory is short"
        )
    return accelerator


def check_share(accelerator: Accelerator, minibatch_size: int) -> None:
    """InputError unless every process gets the same number of rows of a minibatch."""
    if minibatch_size % (processes := accelerator.num_processes):
        wanted = "choose batch_size / minibatches divisible by their number"
        raise InputError(f"a minibatch of {minibatch_size} rows cannot be shared by {processes} processes; {wanted}")


def take_share(accelerator: Accelerator, rows: Tensor) -> Tensor:
    """The part of `rows` that this process works on."""
    return rows.chunk(accelerator.num_processes)[accelerator.process_index]


def gather_samples(accelerator: Accelerator, samples: Samples, pad_token_id: int) -> Samples:
    """The samples of all processes, whose longest responses differ in length."""
    if accelerator.num_processes == 1:
        return samples
    whole = {}
    for name, part in vars(samples).items():
        padded = accelerator.pad_across_processes(part, dim=1, pad_index=pad_token_id if name == "tokens" else 0)
        whole[name] = accelerator.gather(padded.to(part.dtype).contiguous())
    return Samples(**whole)
