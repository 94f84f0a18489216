"""ZeRO: every process keeps all weights, but a part of the optimiser's state and, at stage 2, of the gradients.

Rajbhandari et al. 2020, "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models" (arXiv 1910.02054), by
DeepSpeed, which is imported only where it is wanted. Passes run on the module itself, the engine takes gradients and
steps: its own forward would switch autocast off. `accelerate launch` only says which stage is wanted, for Accelerate's
preparation steps inside the backward pass, before anyone could look at the gradient.
"""

import os
from importlib.util import find_spec

import torch
from accelerate.utils import parse_flag_from_env
from torch import Tensor, nn

from autorefine_lib.errors import InputError

STAGE = "ACCELERATE_DEEPSPEED_ZERO_STAGE"
MOMENTS = "exp_avg", "exp_avg_sq"
LIMITS = {
    STAGE: (("1", "2"), "for 3 use FSDP (env/accelerate/fsdp.yaml), for 0 DDP (env/accelerate/ddp.yaml)"),
    "ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE": (("none",), "leave it out, or use lora_rank"),
    "ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE": (("none",), "leave it out, or use lora_rank"),
    "ACCELERATE_DEEPSPEED_CONFIG_FILE": ((), "give zero_stage instead, as in env/accelerate/deepspeed.yaml"),
    "ACCELERATE_MIXED_PRECISION": (("no",), "leave it out, or set bf16 in PPOConfig"),
}
"""What `accelerate launch` hands over: which values are allowed, and what to do about others."""


def launched() -> bool:
    """Whether DeepSpeed was asked for.

    Raises:
        InputError: in a way that is not supported, or it is not installed.
    """
    if not parse_flag_from_env("ACCELERATE_USE_DEEPSPEED"):
        return False
    for name, (allowed, advice) in LIMITS.items():
        value = os.environ.get(name)
        if value is not None and value not in allowed:
            option, choice = name.removeprefix("ACCELERATE_").lower(), " or ".join(allowed) or "nothing"
            raise InputError(f"launched with {option} {value!r}; allowed with DeepSpeed: {choice}; {advice}")
    if find_spec("deepspeed") is None:
        raise InputError("launched with DeepSpeed, which is not installed; `pip install deepspeed` or use FSDP or DDP")
    return True


def wanted() -> bool:
    """Whether several processes were launched with `distributed_type: DEEPSPEED`."""
    return launched() and torch.distributed.is_initialized()


class ZeroOptimizer:
    """To the trainer and its checkpoints an Adam of one process; behind it each process steps its part.

    Moments exist from the start, so that a checkpoint can be loaded before the first step. Those of a weight that
    never gets a gradient stay zero and do not move it.
    """

    def __init__(self, actor: nn.Module, adam: torch.optim.AdamW, max_grad_norm: float):
        import deepspeed

        # DeepSpeed puts one flat part in place of a group's parameters; the trainer and its checkpoints go by these.
        self.param_groups = [dict(group) for group in adam.param_groups]
        # Sizes must be given, but the loop decides when a gradient is complete.
        sizes = {"train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 1}
        # 128 MiB of fp32 at a time; the default is 2 GB.
        buckets = {"reduce_bucket_size": 2**25, "allgather_bucket_size": 2**25}
        zero = {"zero_optimization": {"stage": int(os.environ.get(STAGE, "2")), **buckets}}
        config = {**sizes, **zero, "gradient_clipping": max_grad_norm}
        self.engine, *_ = deepspeed.initialize(model=actor, optimizer=adam, config=config, dist_init_required=False)
        self.adam, self.zero = adam, self.engine.optimizer
        for part in self._parts():
            step = torch.zeros((), device=part.device)
            adam.state[part] = {"step": step} | {moment: torch.zeros_like(part) for moment in MOMENTS}
        self.zero._lazy_init_hp_params_optimizer_state()

    def zero_grad(self) -> None:
        self.zero.zero_grad()

    def backward(self, loss: Tensor, last: bool) -> None:
        """Add to the gradients, complete after the `last` part of a minibatch; averaged over the processes."""
        self.engine.set_gradient_accumulation_boundary(last)
        self.engine.backward(loss)

    def norm(self) -> Tensor:
        """Of the complete gradient, before it is clipped in `step`; infinite if anything in it is not finite."""
        return self.zero.scaled_global_norm()

    def step(self) -> None:
        for group, own in zip(self.adam.param_groups, self.param_groups, strict=True):
            group["lr"] = own["lr"]
        self.engine.step()

    def state_dict(self) -> dict:
        """As `torch.optim.AdamW` in one process would give it; all must ask, for the parts are put together."""
        from deepspeed.utils import safe_get_full_optimizer_state

        state: dict[int, dict[str, Tensor]] = {}
        groups = []
        for own, part in zip(self.param_groups, self._parts(), strict=True):
            numbers = range(len(state), len(state) + len(own["params"]))
            for number, parameter in zip(numbers, own["params"], strict=True):
                moments = {moment: safe_get_full_optimizer_state(parameter, moment).cpu() for moment in MOMENTS}
                state[number] = {"step": self.adam.state[part]["step"].clone(), **moments}
            groups.append({**own, "params": list(numbers)})
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, saved: dict) -> None:
        """To be called when the weights have been loaded: the parts of them that are stepped follow."""
        from deepspeed.utils import safe_set_full_optimizer_state

        self.zero.refresh_fp32_params()
        for own, part, group in zip(self.param_groups, self._parts(), saved["param_groups"], strict=True):
            # A weight that has not had a gradient yet has no entry.
            entries = [saved["state"].get(number, {}) for number in group["params"]]
            self.adam.state[part]["step"].fill_(max(float(entry.get("step", 0)) for entry in entries))
            for parameter, entry in zip(own["params"], entries, strict=True):
                for moment in MOMENTS:
                    value = entry.get(moment, torch.zeros_like(parameter))
                    safe_set_full_optimizer_state(parameter, value.to(parameter.device), moment)

    def _parts(self) -> list[Tensor]:
        """What this process keeps and steps of each group, one flat tensor."""
        return [part for group in self.adam.param_groups for part in group["params"]]


def backward(optimizer, loss: Tensor, last: bool) -> None:
    """`loss.backward()`, or DeepSpeed's, which must know whether it is the `last` one before a step."""
    if isinstance(optimizer, ZeroOptimizer):
        optimizer.backward(loss, last)
    else:
        loss.backward()


def clip_gradients(optimizer, parameters: list[nn.Parameter], max_norm: float) -> Tensor:
    """The norm before clipping; DeepSpeed, which keeps the gradients, clips them when it steps."""
    if isinstance(optimizer, ZeroOptimizer):
        return optimizer.norm()
    return nn.utils.clip_grad_norm_(parameters, max_norm)
