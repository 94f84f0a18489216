"""The synthetic corpus: sizes, published shares, split hygiene, wording patterns."""

import random
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autorefine_lib.data import ads, corpus, onet
from autorefine_lib.data.schema import SPLITS
from autorefine_lib.text import sentences, wording
from autorefine_lib.text.near_duplicates import normalize
from autorefine_lib.text.protected import CATEGORIES, protected_words


@pytest.fixture(scope="module")
def jobs():
    return corpus.make_jobs()


@pytest.fixture(scope="module")
def candidates():
    return corpus.make_candidates()


def test_sizes_of_the_issue(jobs, candidates):
    assert jobs["occupation"].nunique() == candidates["occupation"].nunique() == 28
    assert jobs["split"].value_counts().to_dict() == {"train": 336, "test": 112, "validation": 56}
    assert jobs["job_id"].is_unique and candidates["candidate_id"].is_unique
    assert jobs["text"].is_unique and candidates["text"].is_unique


def test_published_shares_of_women():
    # The data set card gives 46.1 % women over all biographies; our rounded table must add up to it.
    content = corpus.occupations().values()
    assert sum(o["share_of_bios"] for o in content) == pytest.approx(1, abs=0.001)
    assert sum(o["share_women"] * o["share_of_bios"] for o in content) == pytest.approx(0.461, abs=0.001)


def test_candidates_follow_the_shares(candidates):
    women = candidates["gender"].eq("female").groupby(candidates["occupation"]).mean()
    for occupation, content in corpus.occupations().items():
        assert women[occupation] == pytest.approx(content["share_women"], abs=0.5 / 70 + 1e-9)
    assert candidates["race"].value_counts(normalize=True)["White"] == pytest.approx(0.60, abs=0.03)
    assert set(candidates["age_band"]) == set(corpus.AGE_BANDS)


def test_company_sentences_and_statements_belong_to_one_split(jobs):
    assert (jobs.groupby("company")["split"].nunique() == 1).all()
    assert jobs.groupby("split")["form"].nunique().min() == 5
    for section in ads.DEALT:
        dealt = [set(ads.sentences_of(section, split)) for split in SPLITS]
        assert sum(map(len, dealt)) == len(set.union(*dealt)) and min(map(len, dealt)) >= 2
    train, validation, test = (
        {normalize(task) for content in corpus.occupations().values() for task in ads.tasks_of(content, split)}
        for split in SPLITS
    )
    assert not (train & test or train & validation or validation & test)
    texts = jobs.groupby("split")["text"].agg(lambda texts: normalize(" ".join(texts)))
    assert not [task for task in train if len(task.split()) > 7 and task in texts["test"]]


def test_same_seed_same_corpus_other_seed_another(jobs):
    pd.testing.assert_frame_equal(jobs, corpus.make_jobs())
    other = corpus.make_jobs(corpus.CorpusConfig(seed=1))
    assert (other["text"] != jobs["text"]).mean() > 0.99


def test_ads_are_well_formed(jobs):
    for text in jobs["text"]:
        assert not re.search(r"[{}<>~]|  |\n\n\n|\b[Aa] (?!one\b)[aeio]\w|\ban [bcdfgjklmnpqrstvwxyz]\w", text), text
        parts = sentences.split(text)[::2]
        assert all(part[0].isupper() or part[0].isdigit() for part in parts), text
        assert 7 <= sum(5 <= len(part.split()) <= 40 for part in parts) <= 15
        assert 80 <= len(text.split()) <= 210


def test_ads_hold_a_contact_line_and_name_no_gender(jobs):
    assert jobs["text"].str.contains(r"@\w+\.example|\.example/jobs/|555-01\d\d|P\.O\. Box").all()
    body = jobs["text"].str.replace("without regard to race, color, religion, sex,", "")
    assert not any(set(CATEGORIES["gender"]) & protected_words(text) for text in body)


def test_duties_are_statements_of_onet_as_they_are(jobs):
    listed = jobs[jobs["form"].isin(["listed", "notes"])]
    for occupation, text in zip(listed["occupation"], listed["text"], strict=True):
        known = {task for title in corpus.occupations()[occupation]["onet"] for task in onet.read_tasks()[title]}
        assert sum(line.removeprefix("- ") in known for line in text.splitlines()) >= 2


def test_some_wording_is_gender_coded_and_most_is_not(jobs):
    counts = pd.DataFrame([wording.coded_count(text) for text in jobs["text"]])
    balance = counts["masculine"] - counts["feminine"]
    assert balance.min() < 0 < balance.max() and counts[["masculine", "feminine"]].sum(axis=1).mean() < 4
    # Gaucher et al. (2011): more masculine words in male-dominated fields.
    women = jobs["occupation"].map(lambda name: corpus.occupations()[name]["share_women"])
    assert counts["masculine"].corr(women) < 0


@given(st.floats(0, 1), st.integers(0, 10**6))
def test_coding_shares_are_a_distribution(share_women, seed):
    shares = corpus.coding_shares(corpus.CorpusConfig(), share_women, random.Random(seed))
    assert set(shares) == set(wording.CODINGS)
    assert sum(shares.values()) == pytest.approx(1) and min(shares.values()) >= 0
