"""Embeddings on disk: texts and their vectors in one safetensors file.

A file is written under another name first and then moved, so a call that is killed half-way leaves no broken file.
"""

import json
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from autorefine_lib.errors import InputError
from autorefine_lib.files import write_atomic


def write_vectors(path: Path, vectors: dict[str, np.ndarray]) -> None:
    """Write texts and their vectors, float32 and of one length, atomically. The name must identify the model.

    Raises:
        InputError: the file cannot be written.
    """
    tensors, texts = {"vectors": np.stack(list(vectors.values()))}, {"texts": json.dumps(list(vectors))}
    try:
        write_atomic(path, partial(save_file, tensors, metadata=texts))
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot write the embeddings to {path}: {error}; free some space there") from error


def read_vectors(path: Path) -> dict[str, np.ndarray]:
    """What `write_vectors` wrote to `path`, in the same order; nothing if there is no such file.

    Raises:
        InputError: the file cannot be read, or `write_vectors` did not write it.
    """
    if not path.exists():
        return {}
    try:
        with safe_open(path, "numpy") as file:
            return dict(zip(json.loads(file.metadata()["texts"]), file.get_tensor("vectors"), strict=True))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} holds no embeddings ({error}); delete it and start again") from error
