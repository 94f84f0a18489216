"""Embeddings on disk: of a fixed list of texts in one memory-mapped file, made in shards, so that after a kill the next
call goes on; and of texts that come one after the other, in an SQLite file that grows."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
from filelock import FileLock
from tqdm.auto import tqdm

from autorefine_lib.errors import InputError
from autorefine_lib.files import write_text

SHARD = 8192
"""Texts embedded between two records of progress: under a minute of MiniLM on two cores."""


def build(
    path: Path, texts: list[str], dimension: int, embed: Callable[[list[str]], np.ndarray], shard: int = SHARD
) -> np.ndarray:
    """The vectors of `texts` as a memory map of the .npy file `path`, which is made if it is not there.

    The file grows as `path`.partial, and a record beside it says how many rows are on the disk. A call after a kill
    begins with the first shard that is not recorded, and ends with the same bytes as a call that was let be. Of several
    processes one builds and the others wait. `path` must name the texts and the model, by a hash: nothing else is
    checked.

    Args:
        dimension: numbers in a vector.
        embed: texts to float32 [texts, dimension].
        shard: texts in a call of `embed`, at least 1.

    Raises:
        InputError: no texts, a shard of 0, vectors of another shape or type, or no space for the file.
    """
    if not texts or shard < 1:
        raise InputError(f"{len(texts)} texts in shards of {shard}: give at least one text, and shards of at least 1")
    path, shape = Path(path), (len(texts), dimension)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not path.exists():
                _build(path, texts, shape, embed, shard)
        vectors = np.load(path, mmap_mode="r")
    except OSError as error:
        raise InputError(f"cannot write the embeddings to {path}: {error}; free some space there") from error
    if vectors.shape != shape or vectors.dtype != np.float32:
        raise InputError(f"{path} holds {vectors.dtype} {vectors.shape}, not float32 {shape}; delete it and go on")
    return vectors


def _build(path: Path, texts: list[str], shape: tuple[int, int], embed: Callable, shard: int) -> None:
    partial, record = path.with_name(f"{path.name}.partial"), path.with_name(f"{path.name}.rows")
    done = _recorded(partial, record, shape)
    if not done:
        # Space for all of it now: a memory map that finds the disk full later ends the process without a word.
        with partial.open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file,
                {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape},
            )
            for start in range(0, shape[0], shard):
                file.write(bytes(4 * shape[1] * min(shard, shape[0] - start)))
    vectors = np.load(partial, mmap_mode="r+")
    with tqdm(total=len(texts), initial=done, desc="Embedding candidates", unit="text") as bar:
        for start in range(done, len(texts), shard):
            batch = texts[start : start + shard]
            made = np.asarray(embed(batch))
            if made.shape != (len(batch), shape[1]) or made.dtype != np.float32:
                raise InputError(f"embed gave {made.dtype} {made.shape}, not float32 {(len(batch), shape[1])}")
            vectors[start : start + len(batch)] = made
            vectors.flush()  # To the disk before the record says so.
            write_text(record, json.dumps({"rows": start + len(batch), "shape": shape}))
            bar.update(len(batch))
    partial.replace(path)
    record.unlink()


def _recorded(partial: Path, record: Path, shape: tuple[int, int]) -> int:
    """Rows that an earlier call has written; 0 where it left nothing of use."""
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        whole = np.load(partial, mmap_mode="r").shape == shape and content["shape"] == list(shape)
        return content["rows"] if whole else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def keep(path: Path, vectors: dict[str, np.ndarray]) -> None:
    """Add texts and their float32 vectors to the SQLite file `path`, all or none of them; those it has stay.

    Several processes may add at once. `path` must name the model, by a hash.

    Raises:
        InputError: the file cannot be written, or is none of ours.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=60)) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS vectors (text TEXT PRIMARY KEY, vector BLOB NOT NULL)")
            rows = ((text, np.asarray(vector, np.float32).tobytes()) for text, vector in vectors.items())
            connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
    except (OSError, sqlite3.Error) as error:
        raise InputError(f"cannot write the embeddings to {path}: {error}; free some space, or delete it") from error


def kept(path: Path, dimension: int, most: int) -> dict[str, np.ndarray]:
    """The `most` texts that `keep` added last, with their vectors of `dimension` numbers; none if there is no `path`.

    Raises:
        InputError: the file cannot be read, is none of ours, or its vectors are of another size.
    """
    if not path.exists():
        return {}
    try:
        with closing(sqlite3.connect(path, timeout=60)) as connection:
            rows = connection.execute(
                "SELECT text, vector FROM vectors ORDER BY rowid DESC LIMIT ?", (most,)
            ).fetchall()
    except sqlite3.Error as error:
        raise InputError(f"{path} holds no embeddings ({error}); delete it and go on") from error
    vectors = {text: np.frombuffer(vector, np.float32) for text, vector in reversed(rows)}
    if any(len(vector) != dimension for vector in vectors.values()):
        raise InputError(f"{path} holds vectors of another size than {dimension}; delete it and go on")
    return vectors
