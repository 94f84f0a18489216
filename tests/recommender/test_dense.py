"""The recommender: the packaged MiniLM on a few hand-written texts."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.recommender import dense
from autorefine_lib.recommender.dense import DenseRecommender

BIOS = ["She flies airliners.", "He keeps the books of a bakery.", "She paints houses.", "He is a nurse."]
ADS = ["We are looking for a nurse for our ward.", "Accountant wanted for our office in town, five days a week."]


def candidates(texts: list[str] = BIOS) -> Dataset:
    return Dataset.from_dict({"text": texts})


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


def test_vector_does_not_depend_on_company_order_or_memory(fitted):
    together = fitted._embed_unique(ADS + BIOS + ADS)
    for text, vector in zip(ADS + BIOS + ADS, together, strict=True):
        np.testing.assert_array_equal(fitted._embed_unique([text])[0], vector)
    np.testing.assert_array_equal(fitted.embed(ADS), together[:2])
    np.testing.assert_array_equal(fitted.embed(ADS), together[:2])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_vector_does_not_depend_on_the_number_of_threads(monkeypatch, precision):
    monkeypatch.setattr(dense, "_TOKENS_PER_BATCH", 16)  # several batches
    model, before = DenseRecommender(precision=precision), torch.get_num_threads()
    try:
        vectors = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            vectors.append(model._embed_unique(BIOS + ADS))
            with ThreadPoolExecutor(1) as later:
                assert torch.get_num_threads() == later.submit(torch.get_num_threads).result() == threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(*vectors)


def test_an_error_in_one_batch_is_the_callers(monkeypatch, fitted):
    def fail(_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(fitted, "_encode", fail)
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="out of memory"):
        fitted._embed_unique(ADS)
    assert torch.get_num_threads() == before


def test_bfloat16_stays_close_to_float32():
    texts = BIOS + ADS
    vectors = [DenseRecommender(precision=precision).embed(texts) for precision in ("float32", "bfloat16")]
    assert (vectors[0] * vectors[1]).sum(1).min() > 1 - 1e-3


def test_candidates_are_read_from_disk_the_second_time(fitted, monkeypatch):
    def fail(*_):
        raise AssertionError("embedded again")

    again = DenseRecommender(cache_dir=fitted.cache_dir)
    monkeypatch.setattr(again, "_embed_unique", fail)
    again.fit(candidates())
    assert isinstance(again._candidates, np.memmap)
    np.testing.assert_array_equal(again._candidates, fitted._candidates)
    with pytest.raises(AssertionError, match="embedded again"):
        again.fit(candidates(BIOS[::-1]))


def test_memory_of_queries_is_bounded(monkeypatch):
    monkeypatch.setattr(dense, "_REMEMBERED", 2)
    model = DenseRecommender()
    first = model.embed(BIOS)
    assert list(model._queries) == BIOS[-2:]
    np.testing.assert_array_equal(model.embed(BIOS), first)


def test_kept_vectors_are_there_in_the_next_process(monkeypatch, tmp_path):
    def fail(*_):
        raise AssertionError("embedded again")

    first = DenseRecommender(cache_dir=tmp_path)
    first.keep(ADS)
    first.embed(BIOS)
    again = DenseRecommender(cache_dir=tmp_path)
    assert list(again._queries) == ADS
    np.testing.assert_array_equal(again.embed(ADS), first.embed(ADS))
    # Other weights have a file of their own.
    assert not DenseRecommender(cache_dir=tmp_path, max_seq_length=32)._queries
    DenseRecommender().keep(ADS)  # without a folder in memory only


def test_no_ads_give_no_rows(fitted):
    assert fitted.rank([]).shape == (0, 4)


def test_rank_before_fit_says_so():
    with pytest.raises(InputError, match="call fit"):
        DenseRecommender().rank(ADS)


def test_no_candidates_are_refused(fitted):
    with pytest.raises(InputError, match="0 rows"):
        DenseRecommender().fit(candidates([]))


def test_unknown_model_says_how_to_get_it(tmp_path):
    with pytest.raises(InputError, match="hf download .*nothing-here") as error:
        DenseRecommender(str(tmp_path / "nothing-here"))
    assert "\n" not in str(error.value)


def test_full_disk_is_one_line(monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("autorefine_lib.recommender.embedding_store.write_text", full)
    with pytest.raises(InputError, match="No space left"):
        DenseRecommender(cache_dir=tmp_path).fit(candidates())
