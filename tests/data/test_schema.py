"""The schema: good data passes unchanged, each mistake gets one line that names it."""

import pandas as pd
import pytest
from datasets import Dataset

from autorefine_lib.data import schema
from autorefine_lib.errors import InputError


def good_jobs():
    return pd.DataFrame(
        {
            "job_id": [1, 2, 3],
            "title": ["Nurse", "Nurse", "Poet"],
            "text": ["We want a nurse.", "A nurse is wanted.", "Write poems."],
            "occupation": ["nurse", "nurse", "poet"],
            "split": ["train", "validation", "test"],
            "company": ["A", "B", "C"],
        }
    )


def good_candidates():
    return pd.DataFrame(
        {
            "candidate_id": ["a", "b", "c", "d"],
            "text": ["She is a nurse.", "He is a nurse.", "She writes.", "He writes."],
            "occupation": ["nurse", "nurse", "poet", "poet"],
            "gender": ["female", "male", "female", "male"],
        }
    )


def test_good_data_pass_and_keep_further_columns():
    jobs = schema.check_jobs(good_jobs(), "jobs")
    assert jobs.column_names == ["job_id", "title", "text", "occupation", "split", "company"]
    assert jobs["job_id"][0] == "1"
    candidates = schema.check_candidates(good_candidates(), "candidates", ["gender"])
    assert len(candidates) == 4
    schema.check_match(jobs, candidates, "gender")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda df: df.rename(columns={"text": "texts"}),
            r"x: no column 'text' among .*; rename 'texts', or add --map text=texts to the command",
        ),
        (lambda df: df.drop(columns="split"), "x: no column 'split'"),
        (lambda df: df.iloc[:0], "x: no rows"),
        (lambda df: df.assign(job_id=[1, 1, 2]), "'job_id' repeats another in row 2; give each row an id of its own"),
        (lambda df: df.assign(job_id=[1, None, 2]), "'job_id' is empty or not text in row 2"),
        (lambda df: df.assign(text=["a", float("nan"), "b"]), "'text' is empty or not text in row 2"),
        (lambda df: df.assign(text=["a", " \n", ""]), "'text' is empty or not text in 2 rows, the first is row 2"),
        (lambda df: df.assign(text=["a", "b", "é" * 1_000_000]), "the text of row 3 has 2,000,000 bytes"),
        (lambda df: df.assign(title=["a", None, "b"]), "'title' is empty"),
        (lambda df: df.assign(occupation=["a", 3, None]), "'occupation' is empty or not text in row 2"),
        (lambda df: df.assign(split=["train", "tets", "test"]), "split 'tets' is not one of .*did you mean 'test'"),
    ],
)
def test_bad_jobs(change, message):
    with pytest.raises(InputError, match=message) as error:
        schema.check_jobs(change(good_jobs()), "x")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda df: df.rename(columns={"gender": "Gender"}), "no column 'gender' .*rename 'Gender'"),
        (lambda df: df.assign(gender=["f", "m", None, "m"]), "'gender' is empty or not text in row 3"),
        (lambda df: df.assign(gender="f"), "'gender' has the one group 'f'"),
        (lambda df: df.assign(candidate_id=["a", "a", "b", "c"]), "repeats another in row 2"),
    ],
)
def test_bad_candidates(change, message):
    with pytest.raises(InputError, match=message):
        schema.check_candidates(change(good_candidates()), "y", ["gender"])


def test_the_message_says_what_to_add_for_every_missing_column():
    strange = pd.DataFrame({"hard_text": ["x"], "my occupations": ["y"]})
    with pytest.raises(InputError) as error:
        schema.require_columns(strange, ["candidate_id", "text", "occupation"], "people.csv")
    assert str(error.value) == (
        "people.csv: no column 'candidate_id' among hard_text, my occupations; add --map candidate_id=# "
        "--map text=hard_text --map occupation='my occupations' to the command"
    )
    with pytest.raises(InputError, match="among a; say which one is meant, as in --map job_id=# --map text=NAME$"):
        schema.require_columns(pd.DataFrame({"a": [1]}), ["job_id", "text"], "ads.csv")
    long = pd.DataFrame({"Nr": [1], "Titel": ["Nurse"], "Beschreibung": ["We are looking for a nurse. " * 3]})
    with pytest.raises(InputError, match="add --map job_id=# --map text=Beschreibung to the command$"):
        schema.require_columns(long, ["job_id", "text"], "ads.csv")


def test_numeric_groups_become_text():
    df = good_candidates().assign(gender=[0, 1, 0, 1])
    assert set(schema.check_candidates(df, "y", ["gender"])["gender"]) == {"0", "1"}


def test_an_occupation_may_be_missing_but_not_misspelt():
    candidates = schema.check_candidates(good_candidates(), "candidates", ["gender"])
    jobs = schema.check_jobs(good_jobs().assign(occupation=["nurse", None, ""]), "jobs")
    assert jobs["occupation"][:] == ["nurse", None, None]
    schema.check_match(jobs, candidates, "gender")
    schema.check_match(schema.check_jobs(good_jobs().assign(occupation="welder"), "jobs"), candidates, "gender")
    jobs = schema.check_jobs(good_jobs().assign(occupation=["nurse", "nurse", "poets"]), "jobs")
    with pytest.raises(InputError, match="no candidate has the occupation 'poets'; .*--values occupation:poets=poet "):
        schema.check_match(jobs, candidates, "gender")


def test_group_of_one_candidate():
    jobs = schema.check_jobs(good_jobs(), "jobs")
    df = good_candidates().assign(gender=["female", "male", "male", "male"])
    with pytest.raises(InputError, match="the group 'female' of 'gender' has 1 of 4 candidates; at least 2"):
        schema.check_match(jobs, schema.check_candidates(df, "candidates", ["gender"]), "gender")


def test_columns_that_name_groups():
    columns = {"candidate_id": list("abcdefghijkl"), "text": ["x", "y"] * 6, "occupation": ["dj", "nurse"] * 6}
    columns |= {"gender": ["f", "m"] * 6, "race": ["a", "b", None] * 4, "city": ["Rome"] * 12}
    columns |= {"name": list("ABCDEFGHIJKL"), "years": [1, 2] * 6, "tags": [["t"], ["u"]] * 6}
    assert schema.attribute_columns(Dataset.from_dict(columns)) == ["gender", "race"]
