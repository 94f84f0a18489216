"""The attacks: each changes every ad, by seed alone, and does what its name says."""

import random

import pandas as pd
import pytest

from autorefine_lib.data import corpus
from autorefine_lib.evaluation import attacks

AD = """Nurse, Clearwater Clinic

You lead a team in Austin. You need 4 years of practice and a master's degree in nursing. We want a bold person.
We play to win. The pay is $80,000 a year."""
JOB = {"job_id": "n", "title": "Nurse", "text": AD, "occupation": "nurse"}
PEOPLE = pd.DataFrame(
    {
        "text": ["She dresses wounds and sings.", "He dresses wounds and rows.", "She cooks."],
        "occupation": ["nurse", "nurse", "chef"],
        "gender": ["female", "male", "female"],
    }
)


def rewrite(attack: attacks.Attack, ad: str = AD, seed: int = 0) -> str:
    return attack(ad, JOB, PEOPLE, random.Random(seed))


def test_there_are_enough_of_them_and_all_say_what_they_do():
    assert len(attacks.ATTACKS) >= 14 and len({attack.__name__ for attack in attacks.ATTACKS}) == len(attacks.ATTACKS)
    assert all(attack.__doc__.strip() for attack in attacks.ATTACKS)


@pytest.mark.parametrize("attack", attacks.ATTACKS, ids=lambda attack: attack.__name__)
def test_every_ad_is_changed_and_the_seed_decides(attack):
    ads = [AD, *corpus.make_jobs()["text"].iloc[::300], "Nurse wanted.", "One line about duties\nand another about pay"]
    for ad in ads:
        assert rewrite(attack, ad) != ad
        assert rewrite(attack, ad) == rewrite(attack, ad)


def test_some_by_hand():
    assert "She lead a team in Austin. She need 4 years" in rewrite(attacks.pronouns)
    assert "S.h.e lead" in rewrite(attacks.spelled_out)
    assert "You need 1 years" in rewrite(attacks.fewer_years)
    assert "lead a team" not in rewrite(attacks.deleted_masculine)
    assert "master's degree" not in rewrite(attacks.lowered_requirements)
    assert "4 years" not in rewrite(attacks.deleted_requirements)
    assert rewrite(attacks.copied_biography) == "She dresses wounds and sings."
    assert rewrite(attacks.neutral_biography).endswith("Our colleague dresses wounds and sings.")
    assert "sings" in rewrite(attacks.borrowed_words) and "rows" not in rewrite(attacks.borrowed_words)
    assert rewrite(attacks.one_word) == "Nurse." and rewrite(attacks.empty) == ""
    assert rewrite(attacks.zero_width).replace("\u200b", "") == AD
    assert rewrite(attacks.repeated_title).startswith("Nurse\nNurse\n")
