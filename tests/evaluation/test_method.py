"""A method measured job by job: hand-computed numbers, and the same again from disk."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from autorefine_lib.data import data_prep
from autorefine_lib.errors import InputError
from autorefine_lib.evaluation.method import (
    clear_methods,
    load_method,
    measure_method,
    read_methods,
    read_per_ad,
    saved_methods,
    write_per_ad,
)
from autorefine_lib.report import result_tables
from autorefine_lib.reward.judge import Judge, load_judge

CANDIDATES = Dataset.from_dict(
    {
        "candidate_id": list("abcdefg"),
        "text": list("abcdefg"),
        "occupation": ["nurse"] * 4 + ["cook"] * 3,
        "gender": ["f", "f", "m", "m", "f", "m", "m"],
    }
)
JOBS = Dataset.from_dict(
    {
        "job_id": ["n1", "c1"],
        "title": ["Nurse", "Cook"],
        "text": ["A nurse.", "A cook."],
        "occupation": ["nurse", "cook"],
        "split": ["test", "test"],
    }
)
SCORES = {
    "A nurse.": [0.9, 0.1, 0.8, 0.7, 0.85, 0.0, 0.0],  # ranking a e c d b f g; nurses: a c d b
    "A cook.": [0.9, 0.8, 0.0, 0.0, 0.5, 0.7, 0.6],  # ranking a b f g e c d; cooks: f g e
    "A cook, she leads.": [0.0, 0.0, 0.0, 0.0, 0.9, 0.8, 0.7],  # ranking e f g a b c d
}


def rank(texts: list[str]) -> np.ndarray:
    return np.array([SCORES[text] for text in texts])


def embed(texts: list[str]) -> np.ndarray:
    """The original ads on the first axis, the rewrite at 60 degrees from it."""
    return np.array([[0.5, np.sqrt(0.75)] if "leads" in text else [1.0, 0.0] for text in texts])


@pytest.fixture
def kept() -> list[str]:
    return []


@pytest.fixture
def judge(kept: list[str]) -> Judge:
    return Judge(SimpleNamespace(rank=rank, embed=embed, keep_queries=kept.extend), JOBS, CANDIDATES, "gender", 2)


def test_measure_by_hand(judge: Judge):
    _, quality, _ = judge.measure(["A nurse.", "A cook."])
    # Nurses at ranks 1, 3, 4, 5; the cooks' first is at rank 3. NDCG@2 of the nurse ad: 1 / (1 + 1 / log2(3)).
    assert quality["mrr"].tolist() == pytest.approx([1, 1 / 3])
    assert quality["ndcg"].tolist() == pytest.approx([0.61315, 0], abs=1e-5)
    assert quality["similarity"].tolist() == [1, 1] and not quality["changed"].any()
    assert quality["protected"].tolist() == [0, 0]
    assert quality["overlap"].tolist() == [1, 1] and quality["ndcg_to_original"].tolist() == pytest.approx([1, 1])

    groups, quality, _ = judge.measure(["A nurse.", "A cook, she leads."])
    assert quality["mrr"].tolist() == [1, 1] and quality["ndcg"].tolist() == pytest.approx([0.61315, 1], abs=1e-5)
    assert quality["similarity"].tolist() == pytest.approx([1, 0.5])
    assert quality["changed"].tolist() == [False, True] and quality["protected"].tolist() == [0, 1]
    # The cook's ad selects e and f in the place of a and b: gains of 0.5 and 0.7 in the place of 0.9 and 0.8.
    assert quality["overlap"].tolist() == [1, 0]
    assert quality["ndcg_to_original"].tolist() == pytest.approx([1, (0.5 + 0.44165) / (0.9 + 0.50474)], abs=1e-5)
    cooks = groups[(groups["job_id"] == "c1") & (groups["pool"] == "qualified")].set_index("group")
    assert cooks["selected"].to_dict() == {"f": 1, "m": 1} and cooks["available"].to_dict() == {"f": 1, "m": 2}


def test_run_times_measures_and_saves(judge: Judge, kept: list[str], tmp_path):
    seen = []

    def rewrite(ads: list[str]) -> list[str]:
        seen.extend(ads)
        return ["A nurse.", "A cook, she leads."]

    made = measure_method(tmp_path, judge, "best of N", rewrite, seed=3, seconds=10.0, reward_calls=16, bf16=True)
    assert seen == ["A nurse.", "A cook."] and kept == made.texts
    assert 10 <= made.seconds < 60 and made.reward_calls == 16 and made.seed == 3
    read = load_method(tmp_path, "best of N", 3)
    assert (read.name, read.seed, read.seconds, read.reward_calls) == ("best of N", 3, made.seconds, 16)
    assert read.training_precision == made.training_precision == "bfloat16"
    assert read.texts == ["A nurse.", "A cook, she leads."]
    for table in ("groups", "quality", "selected"):
        pd.testing.assert_frame_equal(getattr(read, table), getattr(made, table), check_dtype=False)
    assert "".join(made.selected["candidate_id"]) == "aeef" and made.selected["selected"].eq(1).all()


def test_what_tables_are_made_of_is_written_without_a_text(judge: Judge, tmp_path):
    measure_method(tmp_path, judge, "original ads", lambda ads: ads)
    for seed in (1, 2):
        measure_method(tmp_path, judge, "PPO", lambda ads: ["A nurse.", "A cook, she leads."], seed, bf16=False)
    methods = read_methods(tmp_path)
    written = write_per_ad(tmp_path, methods)
    assert [path.name for path in written] == ["methods.csv", "groups.parquet", "quality.parquet", "selected.parquet"]
    for path in (*written, *tmp_path.glob("artefacts/methods/*/*/*")):
        found = path.read_text() if path.suffix != ".parquet" else pd.read_parquet(path).to_csv()
        assert ("A cook" in found) == (path.name == "ads.parquet"), path
    again = read_per_ad(tmp_path)
    assert {name: [run.seed for run in runs] for name, runs in again.items()} == {"original ads": [0], "PPO": [1, 2]}
    before, after = (result_tables.rows(found, "d", "f", "m", 2, "", seed=3) for found in (methods, again))
    assert set(before["metric"]) >= {"impact_ratio_by_ad", "overlap", "people_selected"}
    pd.testing.assert_frame_equal(before, after, rtol=1e-6)


@pytest.mark.parametrize(("bf16", "expected"), [(None, ""), (False, "float32"), (True, "bfloat16")])
def test_what_the_training_computed_in_is_saved(judge: Judge, tmp_path, bf16: bool | None, expected: str):
    measure_method(tmp_path, judge, "PPO", lambda ads: ads, bf16=bf16)
    assert load_method(tmp_path, "PPO").training_precision == expected


def test_saved_and_cleared_methods(judge: Judge, tmp_path):
    for name, seed in (("RLOO", 10), ("RLOO", 2), ("aligned, no RL", 0)):
        measure_method(tmp_path, judge, name, lambda ads: ads, seed)
    assert saved_methods(tmp_path) == {"RLOO": [2, 10], "aligned, no RL": [0]}
    clear_methods(tmp_path, "RLOO", "never run")
    assert saved_methods(tmp_path) == {"aligned, no RL": [0]}


def test_rows_evenly_spaced():
    assert data_prep.spread_rows(9, 3).tolist() == [0, 4, 8] and data_prep.spread_rows(3, 0).tolist() == [0, 1, 2]
    assert data_prep.spread_rows(2, 5).tolist() == [0, 1] and data_prep.spread_rows(5, 1).tolist() == [0]
    assert data_prep.spread_rows(6, 3).tolist() == [0, 2, 5], "the nearest row to an even distance, the even one of two"
    for total, most in ((56, 14), (420, 80), (11, 10)):
        rows = data_prep.spread_rows(total, most)
        assert len(set(rows)) == most and rows[0] == 0 and rows[-1] == total - 1


def test_of_split():
    jobs = JOBS.to_pandas().assign(split=["train", "test"])
    assert data_prep.select_split(Dataset.from_pandas(jobs), "test")["job_id"] == ["c1"]
    with pytest.raises(InputError, match="no job has split 'validation', only test, train"):
        data_prep.select_split(Dataset.from_pandas(jobs), "validation")


def test_evaluator_reads_the_run(tmp_path, monkeypatch):
    made = []

    class Recommender:
        def __init__(self, model: str, **options):
            made.append({"model": model} | options)

        def fit(self, candidates: Dataset) -> "Recommender":
            self.fitted = len(candidates)
            return self

        def keep_queries(self, texts: list[str]) -> None:
            self.kept = texts

    monkeypatch.setattr("autorefine_lib.reward.judge.DenseRecommender", Recommender)
    files = {"jobs_path": tmp_path / "jobs.csv", "candidates_path": tmp_path / "people.csv"}
    JOBS.to_pandas().to_csv(files["jobs_path"], index=False)
    CANDIDATES.to_pandas().to_csv(files["candidates_path"], index=False)
    data_prep.prepare(tmp_path / "artefacts/data", "local", **files)
    judge = load_judge(tmp_path, "minilm", "gender", 2)
    embeddings = tmp_path / "artefacts/embeddings"
    assert made == [{"model": "minilm", "cache_dir": embeddings}]
    assert (judge.recommender.fitted, len(judge.jobs), judge.attribute, judge.k) == (7, 2, "gender", 2)
    assert judge.recommender.kept == JOBS["text"]
