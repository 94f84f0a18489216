"""Recommenders by name: each ranks the fitting candidate first, and mistakes end in one line."""

import numpy as np
import pytest
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.recommender import by_name
from autorefine_lib.recommender.remote import RemoteRecommender

CANDIDATES = Dataset.from_dict(
    {
        "candidate_id": ["c1", "c2", "c3"],
        "text": ["She flies airliners.", "He keeps the books of a bakery.", "He is a nurse on a ward."],
    }
)


@pytest.mark.parametrize("name", ["minilm", "paraphrase-minilm", "bm25", "wordllama", "hybrid"])
def test_each_ranks_the_fitting_candidate_first(name):
    scores = by_name.build_recommender(name).fit(CANDIDATES).rank(["Nurse for our ward", "Who keeps our books?"])
    assert scores.shape == (2, 3) and scores.dtype == np.float32
    assert scores.argmax(1).tolist() == [2, 1]


@pytest.mark.parametrize("address", ["http://host/rank", "https://host/rank"])
def test_an_address_gives_a_remote_recommender(address):
    assert isinstance(by_name.build_recommender(address), RemoteRecommender)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no/such/folder", "cannot be loaded"),
        ("http://", "name a host"),
    ],
)
def test_mistakes_end_in_one_line(name, message, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match=message) as error:
        by_name.build_recommender(name)
    assert "\n" not in str(error.value)
