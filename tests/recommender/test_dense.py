"""The dense recommender: the packaged MiniLM on a few hand-written texts, and its vectors on disk."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from tiny_models import tiny_tokenizer
from transformers import BertConfig, BertModel

from autorefine_lib.errors import InputError
from autorefine_lib.models import minilm
from autorefine_lib.recommender import dense
from autorefine_lib.recommender.dense import DenseRecommender, read_vectors, write_vectors

BIOS = ["She flies airliners.", "He keeps the books of a bakery.", "She paints houses.", "He is a nurse."]
ADS = ["We are looking for a nurse for our ward.", "Accountant wanted for our office in town, five days a week."]


def candidates(texts: list[str] = BIOS) -> Dataset:
    return Dataset.from_dict({"text": texts})


def embed_anew(model: DenseRecommender, texts: list[str]) -> np.ndarray:
    model._queries.clear()
    return model.embed(texts)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory) -> DenseRecommender:
    return DenseRecommender(cache_dir=tmp_path_factory.mktemp("cache")).fit(candidates())


def test_ranks_the_fitting_candidate_first(fitted):
    scores = fitted.rank(ADS)
    assert scores.shape == (2, 4) and scores.dtype == np.float32
    assert scores.argmax(1).tolist() == [3, 1]


def test_scores_are_cosines(fitted):
    vectors = fitted.embed(BIOS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.diag(fitted.rank(BIOS)), 1, atol=1e-5)


def test_equals_a_plain_encode_to_rounding(fitted):
    plain = SentenceTransformer(str(minilm.folder()), trust_remote_code=False).encode(ADS + BIOS)
    np.testing.assert_allclose(embed_anew(fitted, ADS + BIOS), plain, atol=1e-6)


def test_vector_does_not_depend_on_company_order_memory_or_batch(fitted, monkeypatch):
    long = " ".join(BIOS) * 20  # more tokens than the model reads
    of_one_length = [f"{name} is a nurse." for name in ("She", "He", "Mary", "Tom", "Anna", "Paul", "Jane")]
    texts = [*ADS, *BIOS, long, *of_one_length]
    alone = np.concatenate([embed_anew(fitted, [text]) for text in texts])
    np.testing.assert_array_equal(embed_anew(fitted, texts), alone)
    np.testing.assert_array_equal(fitted.embed(texts), alone)
    np.testing.assert_array_equal(embed_anew(fitted, texts[::-1] + texts), np.concatenate([alone[::-1], alone]))
    monkeypatch.setattr(dense, "_TEXTS_PER_BATCH", 3)
    np.testing.assert_array_equal(embed_anew(fitted, texts), alone)


def test_vector_does_not_depend_on_the_number_of_threads(fitted):
    before = torch.get_num_threads()
    vectors = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            vectors.append(embed_anew(fitted, BIOS + ADS))
            with ThreadPoolExecutor(1) as later:
                assert torch.get_num_threads() == later.submit(torch.get_num_threads).result() == threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(vectors[0], vectors[1])
    np.testing.assert_array_equal(vectors[0], vectors[2])


def test_an_error_in_one_batch_is_the_callers(monkeypatch, fitted):
    def fail(_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(fitted, "_embed_batch", fail)
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="out of memory"):
        embed_anew(fitted, ADS)
    assert torch.get_num_threads() == before


def test_a_training_in_half_precision_around_it_changes_nothing(fitted):
    expected = embed_anew(fitted, ADS)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(embed_anew(fitted, ADS), expected)


def test_weights_saved_in_half_precision_are_computed_with_in_float32(tmp_path):
    config = BertConfig(
        vocab_size=len(tiny_tokenizer()), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).bfloat16().save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    recommender = DenseRecommender(str(tmp_path))
    assert {weight.dtype for weight in recommender._model.parameters()} == {torch.float32}
    assert recommender.embed(["w1 w2"]).dtype == np.float32


def test_texts_with_a_prompt_are_not_padded_either(fitted, monkeypatch):
    seen = []
    model = DenseRecommender()
    model._model.prompts, model._model.default_prompt_name = {"query": "query: "}, "query"
    forward = type(model._model).forward
    monkeypatch.setattr(
        type(model._model),
        "forward",
        lambda self, x, **rest: seen.append(x["attention_mask"]) or forward(self, x, **rest),
    )
    vectors = model.embed(BIOS)
    assert seen and all(bool(mask.all()) for mask in seen)
    assert not np.allclose(vectors, fitted.embed(BIOS), atol=1e-3)


def test_candidates_are_read_from_disk_the_second_time(fitted, monkeypatch):
    def fail(*_):
        raise AssertionError("embedded again")

    again = DenseRecommender(cache_dir=fitted.cache_dir)
    monkeypatch.setattr(again, "_embed_new", fail)
    again.fit(candidates())
    np.testing.assert_array_equal(again._candidates, fitted._candidates)
    with pytest.raises(AssertionError, match="embedded again"):
        again.fit(candidates(BIOS[::-1]))


def test_candidates_with_the_same_text_have_the_same_vector(tmp_path):
    for _ in range(2):  # embedded, and read from the disk
        again = DenseRecommender(cache_dir=tmp_path).fit(candidates([*BIOS, BIOS[0]]))
        np.testing.assert_array_equal(again._candidates[0], again._candidates[4])
        assert again.rank(ADS).shape == (2, 5)


def test_memory_of_queries_is_bounded(monkeypatch):
    monkeypatch.setattr(dense, "_REMEMBERED", 2)
    model = DenseRecommender()
    first = model.embed(BIOS)
    assert list(model._queries) == BIOS[-2:]
    np.testing.assert_array_equal(model.embed(BIOS), first)


def test_kept_vectors_are_there_in_the_next_process(tmp_path):
    first = DenseRecommender(cache_dir=tmp_path)
    first.keep_queries(ADS)
    first.embed(BIOS)
    again = DenseRecommender(cache_dir=tmp_path)
    assert list(again._queries) == ADS
    np.testing.assert_array_equal(again.embed(ADS), first.embed(ADS))
    first.keep_queries(BIOS)
    assert list(DenseRecommender(cache_dir=tmp_path)._queries) == ADS + BIOS
    # Other weights have a file of their own.
    assert not DenseRecommender("wordllama", cache_dir=tmp_path)._queries
    DenseRecommender(cache_dir=tmp_path / "new").keep_queries([])
    assert not (tmp_path / "new").exists()
    DenseRecommender().keep_queries(ADS)  # without a folder in memory only


def test_no_ads_give_no_rows(fitted):
    assert fitted.rank([]).shape == (0, 4)


def test_rank_before_fit_says_so():
    with pytest.raises(InputError, match="call fit"):
        DenseRecommender().rank(ADS)


def test_unknown_model_says_how_to_get_it(tmp_path):
    with pytest.raises(InputError, match="hf download .*nothing-here") as error:
        DenseRecommender(str(tmp_path / "nothing-here"))
    assert "\n" not in str(error.value)


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
