"""What a trainer adds to a language model: a value head, LoRA adapters, and the reference that it is compared with."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import PreTrainedModel, PrinterCallback, Trainer

from autorefine_lib.errors import InputError

QUIET: dict[str, Any] = dict(
    gradient_checkpointing=False, save_strategy="no", report_to="none", dataloader_pin_memory=False
)
"""Settings of every trainer of TRL here: nothing is saved or reported."""


def run_trainer(trainer: Trainer) -> PreTrainedModel | PeftModel:
    """The model of a trainer of TRL, trained, without what the trainer has put on it."""
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    model = trainer.model.eval()
    adapted = isinstance(model, PeftModel)
    if adapted and "ref" in model.peft_config:
        model.delete_adapter("ref")
    # A forward of TRL's own; a copy of the model would still call the original through it.
    vars(model.get_base_model() if adapted else model).pop("forward", None)
    return model


class ValueHead(nn.Module):
    """Two layers on the trunk's last hidden state, which they do not train: `[..., width]` -> `[...]`, 0 at the start.

    The head is in float32, whatever the trunk is loaded in.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        width = model.get_output_embeddings().weight.shape[1]
        self.hidden = nn.Linear(width, width)
        self.out = nn.Linear(width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.to(model.device)

    def forward(self, hidden: Tensor) -> Tensor:
        """The value of each state."""
        return self.out(torch.tanh(self.hidden(hidden.detach().float()))).float().squeeze(-1)


def add_lora(model: PreTrainedModel, rank: int, alpha: float = 32.0) -> PreTrainedModel | PeftModel:
    """`model` with LoRA adapters (Hu et al. 2021) on all linear layers, which alone are trainable.

    Its modules are wrapped in place. With `rank` 0 it stays as it is.
    """
    if not rank:
        return model
    return get_peft_model(model, LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules="all-linear"))


def trained_parameters(model: PreTrainedModel) -> list[nn.Parameter]:
    """The parameters that require a gradient.

    Raises:
        InputError: there are none, or they are in half precision.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise InputError("no parameter of the model requires a gradient; unfreeze some or set lora_rank")
    if half := {parameter.dtype for parameter in parameters} & {torch.bfloat16, torch.float16}:
        raise InputError(
            f"weights to be trained are {half.pop()}, which rounds small updates away; load the model with "
            "dtype=torch.float32 and set bf16=True, or train adapters (lora_rank), which are fp32"
        )
    return parameters


def frozen_copy(model: PreTrainedModel) -> PreTrainedModel | None:
    """A copy for reference that shares the memory of what is not trained; None for a model with adapters."""
    if isinstance(model, PeftModel):
        return None
    shared = {id(p): p for p in model.parameters() if not p.requires_grad}
    return copy.deepcopy(model, shared).requires_grad_(False).eval()


def rollout_model(model: PreTrainedModel, bf16: bool) -> PreTrainedModel:
    """What to sample from: on a CPU a copy of the model with its adapters merged, in bfloat16 if asked, else the model.

    Token by token a CPU waits for the weights, which are half as large in bfloat16, and for the small products of
    adapters.
    """
    bf16 = bf16 and model.dtype == torch.float32
    if model.device.type != "cpu" or not (bf16 or isinstance(model, PeftModel)):
        return model
    model = copy.deepcopy(model)
    model = model.merge_and_unload() if isinstance(model, PeftModel) else model
    return model.to(torch.bfloat16) if bf16 else model


@contextmanager
def reference_model(model: PreTrainedModel, frozen: PreTrainedModel | None) -> Iterator[PreTrainedModel]:
    """The model before training: its frozen copy if there is one, else the model with its adapter switched off."""
    if frozen is not None:
        yield frozen
    else:
        with model.disable_adapter():
            yield model
