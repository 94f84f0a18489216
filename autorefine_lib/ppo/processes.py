"""Several processes that train one model: who works on which rows, and how the parts come together again.

Process r of n samples and scores rows r, r + n, r + 2n, ... of every batch and minibatch; afterwards all processes know
the whole batch. With one process every function returns what it was given.
"""

from collections.abc import Callable
from dataclasses import fields

import torch
import torch.nn.functional as F
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import ProjectConfiguration, broadcast_object_list
from torch import Tensor, nn

from autorefine_lib.errors import InputError
from autorefine_lib.generator.sampling import Samples
from autorefine_lib.ppo import sharding, zero


def accelerator(folder, trackers: list[str]) -> Accelerator:
    """As `accelerate launch` has set it up, or one process; on the first GPU where there is one, else on the CPU.

    DDP must expect weights without a gradient, such as a pooler's or those of a value head that is not in the loss.

    Raises:
        InputError: launched with DeepSpeed where it is not installed, or in a way that is not supported.
    """
    zero.launched()
    ddp = DistributedDataParallelKwargs(find_unused_parameters=True)
    project = ProjectConfiguration(str(folder), logging_dir=str(folder / "tensorboard"))
    on_cpu = not torch.cuda.is_available()
    return Accelerator(cpu=on_cpu, log_with=trackers or None, project_config=project, kwargs_handlers=[ddp])


class Processes:
    """The rows of one process among all."""

    def __init__(self, accelerator: Accelerator):
        self.accelerator = accelerator
        self.count, self.rank = accelerator.num_processes, accelerator.process_index

    def check(self, minibatch_size: int) -> None:
        """InputError unless every process gets the same number of rows of a minibatch."""
        if minibatch_size % self.count:
            raise InputError(
                f"a minibatch of {minibatch_size} rows cannot be shared equally by {self.count} processes; choose "
                "batch_size / minibatches divisible by their number"
            )

    def prepare(
        self, actor: nn.Module, adam: torch.optim.AdamW, max_grad_norm: float
    ) -> tuple[nn.Module, torch.optim.Optimizer | zero.ZeroOptimizer]:
        """Both as they are to be used: by ZeRO, by FSDP, which has cut `actor` up before, or by DDP or one process."""
        if zero.wanted():
            return actor, zero.ZeroOptimizer(actor, adam, max_grad_norm)
        return (actor, adam) if sharding.wanted() else self.accelerator.prepare(actor, adam)

    def own(self, rows: Tensor) -> Tensor:
        """The part of `rows` that is this process's."""
        return rows[self.rank :: self.count]

    def together(self, own: Tensor) -> Tensor:
        """Undo `own` for results `[own rows, ...]`: `[all rows, ...]`, known to every process."""
        if self.count == 1:
            return own
        parts = self.accelerator.gather(own.contiguous())
        return parts.unflatten(0, (self.count, -1)).transpose(0, 1).flatten(0, 1)

    def samples(self, own: Samples, columns: int, pad_token_id: int) -> Samples:
        """The samples of all processes, whose own may be `columns` long at most."""
        if self.count == 1:
            return own
        whole = {}
        for field in fields(own):
            value = getattr(own, field.name)
            if value is not None and value.dim() == 2:
                padding = pad_token_id if field.name == "tokens" else 0
                value = F.pad(value, (0, columns - value.shape[1]), value=padding)
            whole[field.name] = None if value is None else self.together(value)
        used = int(whole["mask"].sum(1).max())
        return Samples(**{n: v[:, :used] if v is not None and v.dim() == 2 else v for n, v in whole.items()})

    def sum(self, values: Tensor) -> Tensor:
        """Elementwise sum over the processes."""
        return self.accelerator.reduce(values, "sum")

    def any(self, happened: bool) -> bool:
        """Whether it happened in one process at least."""
        return happened if self.count == 1 else bool(self.sum(torch.tensor(int(happened), device=self.device)))

    def from_main(self, work: Callable[[], object]) -> object:
        """What `work()` returns in the main process, or the exception that it raises there, in every process."""
        if self.count == 1:
            return work()
        message: list[object] = [None]
        if self.accelerator.is_main_process:
            try:
                message = [work()]
            except Exception as error:
                message = [error]
        broadcast_object_list(message)
        if isinstance(message[0], Exception):
            raise message[0]
        return message[0]

    @property
    def device(self) -> torch.device:
        return self.accelerator.device
