"""Embeddings on disk: what is written is read again, and a call that is killed leaves no broken file."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from autorefine_lib.recommender.dense import read_vectors, write_vectors

TEXTS = ["one", "two\nlines", "Pflegekräfte – 25 €", ""]
VECTORS = {text: np.arange(3, dtype=np.float32) + place for place, text in enumerate(TEXTS)}

KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from autorefine_lib.recommender import dense

def dies(tensors, path, metadata):
    Path(path).write_bytes(b"half of it")
    os.kill(os.getpid(), signal.SIGKILL)

dense.save_file = dies
dense.write_vectors(Path(sys.argv[1]), {"one": np.zeros(3, np.float32)})
"""


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "folder" / "a.safetensors"
    assert read_vectors(path) == {}
    write_vectors(path, VECTORS)
    read = read_vectors(path)
    assert list(read) == TEXTS
    for text in TEXTS:
        assert read[text].dtype == np.float32
        np.testing.assert_array_equal(read[text], VECTORS[text])


@pytest.mark.parametrize("before", [{}, VECTORS])
def test_a_call_that_is_killed_half_way_leaves_no_broken_file(tmp_path, before):
    path = tmp_path / "a.safetensors"
    if before:
        write_vectors(path, before)
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)]).returncode == -signal.SIGKILL
    assert list(read_vectors(path)) == list(before)
    write_vectors(path, VECTORS)
    assert list(read_vectors(path)) == TEXTS
