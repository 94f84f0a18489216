"""Notebook 01's steps: saved data read back the same, described by hand-computed numbers."""

import pytest
from datasets import Dataset

from autorefine_lib.data import data_prep
from autorefine_lib.errors import InputError


def test_prepare_and_read(tmp_path):
    loaded = data_prep.prepare(tmp_path, "embedded", jobs_per_occupation=1, candidates_per_occupation=8)
    jobs, candidates = data_prep.read_data(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["about.json", "candidates.parquet", "jobs.parquet"]
    assert jobs.to_dict() == loaded.jobs.to_dict() and candidates.to_dict() == loaded.candidates.to_dict()


def test_the_label_says_synthetic_or_names_the_files(tmp_path):
    data_prep.prepare(tmp_path / "embedded", jobs_per_occupation=1, candidates_per_occupation=8)
    assert data_prep.read_label(tmp_path / "embedded") == "embedded (synthetic)"
    jobs, candidates = data_prep.read_data(tmp_path / "embedded")
    files = {"jobs_path": tmp_path / "ads.csv", "candidates_path": tmp_path / "people.csv"}
    jobs.to_pandas().to_csv(files["jobs_path"], index=False)
    candidates.to_pandas().to_csv(files["candidates_path"], index=False)
    data_prep.prepare(tmp_path / "local", "local", **files)
    assert data_prep.read_label(tmp_path / "local") == "local: ads.csv, people.csv"


def test_read_before_prepare(tmp_path):
    with pytest.raises(InputError, match="run notebook 01_data_prep first"):
        data_prep.read_data(tmp_path)
    with pytest.raises(InputError, match="run notebook 01_data_prep first"):
        data_prep.read_label(tmp_path)


def test_descriptions_by_hand():
    jobs = Dataset.from_dict(
        {
            "job_id": ["1", "2", "3"],
            "text": ["We seek a rock star.", "A warm communicator is wanted here.", "One two"],
            "occupation": ["nurse", "poet", "poet"],
            "split": ["train", "train", "test"],
        }
    )
    table = data_prep.describe_jobs(jobs)
    assert table.index.tolist() == ["train", "test"]
    assert table.loc["train"].tolist() == [2, 2, 5.5, 0.5, 0.0, 0.5]
    candidates = Dataset.from_dict({"occupation": ["nurse"] * 4, "gender": ["female", "female", "female", "male"]})
    table = data_prep.describe_candidates(candidates)
    assert table.loc["nurse"].to_dict() == {"female": 3, "male": 1, "share_female": 0.75, "share_male": 0.25}
