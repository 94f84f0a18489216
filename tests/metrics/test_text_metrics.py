"""Text metrics: every column by hand on small ads, bad input named, a thousand ads in seconds."""

import math
import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.data.corpus import make_jobs
from autorefine_lib.metrics import text_metrics
from autorefine_lib.models import static_embedding
from autorefine_lib.text import wording

ADS = make_jobs()["text"].tolist()
AD = "We need a competitive leader with 5 years of Python. She leads a supportive team."
REWRITE = "We need a warm person with 3 years of Python. They lead a supportive team of young people. We pay a bonus."


def letters(texts):
    """Counts of the letters a to z: a meaning model simple enough for counting by hand."""
    return np.array([[text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts], float)


def test_columns_by_hand():
    row = text_metrics.measure([REWRITE], [AD], letters).iloc[0]
    old, new = letters([AD, REWRITE])
    assert row["meaning"] == pytest.approx(old @ new / np.linalg.norm(old) / np.linalg.norm(new))
    assert (row["requirements_lost"], row["requirements_invented"]) == (1, 2)  # 5 years; 3 years, bonus
    assert (row["n_protected_in"], row["n_protected_out"]) == (1, 1)  # young; she
    assert (row["masculine_before"], row["masculine_after"]) == (3, 1)  # competitive, leader, leads; lead
    assert (row["feminine_before"], row["feminine_after"]) == (1, 2)  # supportive; warm, supportive
    assert row["lexicon_masculine_before"] == wording.coded_count(AD)["masculine"]
    assert (row["words_before"], row["words_after"]) == (15, 22) and row["length_ratio"] == pytest.approx(22 / 15)


def test_identical_ads_change_nothing():
    table = text_metrics.measure(ADS[:20], ADS[:20], static_embedding.embed)
    assert np.allclose(table["meaning"], 1) and (table["length_ratio"] == 1).all()
    counts = ["requirements_lost", "requirements_invented", "n_protected_in", "n_protected_out"]
    assert (table[counts] == 0).all(axis=None)
    for column in table:
        if column.endswith("_before"):
            assert table[column].equals(table[column.replace("_before", "_after")].rename(column)), column


def test_empty_texts_have_no_number():
    table = text_metrics.measure(["", "x"], ["Nurse in Rome", ""], letters)
    assert table["meaning"].isna().all()
    assert table["length_ratio"].tolist()[0] == 0 and math.isnan(table["length_ratio"][1])
    assert math.isnan(table["grade_after"][0])


def test_repetition_by_hand():
    assert text_metrics.repeated_share(list("abcabc"), 3) == pytest.approx(1 - 3 / 4)  # abc bca cab abc
    assert text_metrics.repeated_share(list("ab"), 3) == 0
    assert text_metrics.repeated_share(["go"] * 102, 3) == pytest.approx(0.99)
    assert text_metrics.repeated_share([7, 7, 9], 1) == pytest.approx(1 / 3)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40)), min_size=1, max_size=3))
def test_no_text_crashes_it_and_counts_are_counts(pairs):
    rewrites, originals = map(list, zip(*pairs, strict=True))
    table = text_metrics.measure(rewrites, originals, letters)
    assert len(table) == len(pairs)
    assert (table.filter(regex="^n_|requirements|masculine|feminine|words") >= 0).all(axis=None)
    assert table["meaning"].dropna().between(-1, 1).all()


@pytest.mark.parametrize("text", ["a" * 1_000_000, "五年 😀 " * 100_000, "- " * 100_000, "5 years, " * 15_000])
def test_a_megabyte_does_not_hang(text):
    begin = time.process_time()
    table = text_metrics.measure([text], [text], letters)
    assert table["requirements_lost"][0] == 0
    assert time.process_time() - begin < 30


def test_two_hundred_ads_take_a_second_or_two():
    rng = random.Random(0)
    ads = [f"{ADS[i]}\n\n{ADS[-i - 1]}" for i in range(200)]  # some 240 words each
    rewrites = [wording.swap(ad, rng) for ad in ads]
    text_metrics.measure(rewrites[:1], ads[:1], letters)
    begin = time.process_time()
    table = text_metrics.measure(rewrites, ads, letters)
    assert time.process_time() - begin < 10  # 1 s on an idle core; the limit allows for a busy machine
    assert table["requirements_lost"].sum() == 0 and table["requirements_invented"].sum() == 0
