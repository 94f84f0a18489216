"""Embeddings built in shards: killed half-way, gone on with, the same bytes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autorefine_lib.errors import InputError
from autorefine_lib.recommender import embedding_store

TEXTS = [f"text {number}" for number in range(50)]

KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_embedding_store import TEXTS, embed
from autorefine_lib import embedding_store

calls = []
def dies(texts):
    calls.append(texts)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return embed(texts)

embedding_store.build(Path(sys.argv[1]), TEXTS, 8, dies, shard=8)
"""


def embed(texts: list[str]) -> np.ndarray:
    return np.stack([np.full(8, float(text.split()[1]), np.float32) + np.arange(8, dtype=np.float32) for text in texts])


def test_killed_half_way_it_goes_on_to_the_same_bytes(tmp_path):
    embedding_store.build(tmp_path / "whole.npy", TEXTS, 8, embed)
    path = tmp_path / "killed.npy"
    words = [sys.executable, "-c", KILLED, str(path), str(Path(__file__).parent)]
    assert subprocess.run(words, capture_output=True, env=os.environ).returncode == -signal.SIGKILL
    assert not path.exists()
    asked = []
    vectors = embedding_store.build(path, TEXTS, 8, lambda texts: asked.extend(texts) or embed(texts), shard=8)
    assert asked == TEXTS[16:], "two shards of 8 were recorded"
    assert isinstance(vectors, np.memmap)
    np.testing.assert_array_equal(vectors, embed(TEXTS))
    assert path.read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert {each.name for each in tmp_path.iterdir()} - {"killed.npy.lock", "whole.npy.lock"} == {
        "killed.npy",
        "whole.npy",
    }


def test_is_read_the_second_time(tmp_path):
    first = embedding_store.build(tmp_path / "a.npy", TEXTS, 8, embed)
    again = embedding_store.build(tmp_path / "a.npy", TEXTS, 8, lambda _: pytest.fail("embedded again"))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("record", ["", "{}", '{"rows": 16, "shape": [9, 8]}', '{"rows": 16, "shape": [50, 8]}'])
def test_remains_of_no_use_are_begun_again(tmp_path, record):
    (tmp_path / "a.npy.rows").write_text(record)
    (tmp_path / "a.npy.partial").write_bytes(b"not an array")
    np.testing.assert_array_equal(embedding_store.build(tmp_path / "a.npy", TEXTS, 8, embed), embed(TEXTS))


def test_wrong_vectors_texts_and_shards_are_refused(tmp_path):
    for texts, shard, make, message in (
        ([], 8, embed, "0 texts"),
        (TEXTS, 0, embed, "shards of 0"),
        (TEXTS, 8, lambda texts: embed(texts)[:, :4], "float32 \\(8, 4\\)"),
        (TEXTS, 8, lambda texts: embed(texts).astype(float), "float64"),
    ):
        with pytest.raises(InputError, match=message):
            embedding_store.build(tmp_path / "b.npy", texts, 8, make, shard)
    np.save(tmp_path / "c.npy", np.zeros((3, 8), np.float32))
    with pytest.raises(InputError, match="not float32 \\(50, 8\\); delete it"):
        embedding_store.build(tmp_path / "c.npy", TEXTS, 8, embed)


def test_texts_are_kept_one_after_the_other(tmp_path):
    path = tmp_path / "folder" / "queries.sqlite"
    assert embedding_store.kept(path, 8, 10) == {}
    embedding_store.keep(path, dict(zip(TEXTS[:3], embed(TEXTS[:3]), strict=True)))
    embedding_store.keep(path, dict(zip(TEXTS[2:5], embed(TEXTS[2:5]) + 1, strict=True)))
    read = embedding_store.kept(path, 8, 10)
    assert list(read) == TEXTS[:5]
    np.testing.assert_array_equal(read[TEXTS[2]], embed(TEXTS[2:3])[0])  # the first to come stays
    np.testing.assert_array_equal(read[TEXTS[3]], embed(TEXTS[3:4])[0] + 1)
    assert list(embedding_store.kept(path, 8, 2)) == TEXTS[3:5]


def test_a_file_of_kept_texts_that_is_none_is_refused(tmp_path):
    path = tmp_path / "queries.sqlite"
    embedding_store.keep(path, {"text": np.zeros(4, np.float32)})
    with pytest.raises(InputError, match="another size than 8; delete it"):
        embedding_store.kept(path, 8, 10)
    path.write_bytes(b"no database, but long enough to be looked at as one" * 20)
    with pytest.raises(InputError, match="delete it"):
        embedding_store.kept(path, 8, 10)
    with pytest.raises(InputError, match="cannot write the embeddings"):
        embedding_store.keep(path, {"text": np.zeros(8, np.float32)})
