"""Atomic, complete training checkpoints without pickle: tensors as safetensors, everything else as JSON.

A checkpoint is the folder `checkpoint-<step>`, written under another name and renamed when complete, so a killed run
never leaves half a one. It holds what training changes: frozen weights come from the model the caller passes. Random
states are not among it, because every random number is a function of seed and step (`Batches`).
"""

import hashlib
import json
import os
import shutil
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim import Optimizer

from autorefine_lib.errors import InputError
from autorefine_lib.files import write_folder


def folder(output_dir: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return output_dir / f"checkpoint-{step}"


def trainable(modules: dict[str, nn.Module]) -> dict[str, torch.Tensor]:
    """`{module.parameter: tensor}` of every parameter that requires a gradient, shared ones once."""
    return {f"{m}.{n}": p for m, module in modules.items() for n, p in module.named_parameters() if p.requires_grad}


def save(output_dir: Path, step: int, modules: dict[str, nn.Module], optimizer: Optimizer, state: dict) -> Path:
    """Write `checkpoint-<step>`: weights, optimizer and `state` (JSON); keep the newest two.

    Raises:
        FloatingPointError: a weight is not finite; nothing is written then.
    """
    weights = {name: parameter.detach().cpu().contiguous() for name, parameter in trainable(modules).items()}
    for name, weight in weights.items():
        if not weight.isfinite().all():
            raise FloatingPointError(f"{name} is not finite")
    optimizer_state = optimizer.state_dict()
    tensors = {f"{i}.{k}": v.cpu() for i, entry in optimizer_state["state"].items() for k, v in entry.items()}
    state = state | {"param_groups": optimizer_state["param_groups"]}

    def write(place: Path) -> None:
        save_file(weights, place / "weights.safetensors")
        save_file(tensors, place / "optimizer.safetensors")
        (place / "state.json").write_text(json.dumps(state))

    for unfinished in output_dir.glob(".checkpoint-*"):
        shutil.rmtree(unfinished)
    written = write_folder(folder(output_dir, step), write)
    delete(*found(output_dir)[:-2])
    return written


def delete(*paths: Path) -> None:
    """Remove checkpoints, such that a process killed meanwhile leaves all of one or nothing."""
    for path in paths:
        doomed = path.with_name(f".{path.name}")
        os.replace(path, doomed)
        shutil.rmtree(doomed)


def found(output_dir: Path) -> list[Path]:
    """The complete checkpoints, oldest first."""
    return sorted(output_dir.glob("checkpoint-[0-9]*"), key=_step)


def _step(path: Path) -> int:
    return int(path.name.removeprefix("checkpoint-"))


def fingerprint(texts: list[str]) -> str:
    """Their number and a hash of them, by which a run knows its data again."""
    return f"{len(texts)} texts, SHA-256 {hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:12]}"


def last_good(output_dir: Path) -> str:
    """For the message of a run that failed: from where it can go on."""
    paths = found(output_dir)
    if not paths:
        return "nothing was saved before, start again with a lower save_every"
    return f"the last good state is in {paths[-1]}, from which train() goes on with step {_step(paths[-1]) + 1}"


def load_newest(output_dir: Path, modules: dict[str, nn.Module], optimizer: Optimizer, config: dict) -> dict:
    """Restore weights and optimizer of the newest checkpoint in place; returns its `state`, empty where there is none.

    Raises:
        InputError: it was written with another `config`, but for what a run may go on with; or it belongs to another
            model or another choice of trainable parameters.
    """
    if not (paths := found(output_dir)):
        return {}
    path = paths[-1]
    state = json.loads((path / "state.json").read_text())
    # The configuration is compared first: after it, a mismatch in shapes can only be another model.
    for name, value in config.items():
        saved = state["config"].get(name)
        if name not in ("steps", "save_every", "report_to", "max_grad_norm") and saved != value:
            raise InputError(
                f"{path} was written with {name}={saved!r}, not {value!r}; "
                "change it back, choose another output_dir or train(resume=False)"
            )
    parameters, weights = trainable(modules), load_file(path / "weights.safetensors")
    if {n: p.shape for n, p in parameters.items()} != {n: w.shape for n, w in weights.items()}:
        raise InputError(f"{path} is of another model or LoRA rank; choose another output_dir or resume=False")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(weights[name])
    moments: dict[int, dict[str, torch.Tensor]] = defaultdict(dict)
    for name, tensor in load_file(path / "optimizer.safetensors").items():
        index, key = name.split(".")
        moments[int(index)][key] = tensor
    optimizer.load_state_dict({"state": moments, "param_groups": state["param_groups"]})
    return state


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """Within it, the first Ctrl-C only sets the event, so that a step can end; the second one interrupts."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event  # signals can only be caught on the main thread
        return

    def handle(*_: object) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
