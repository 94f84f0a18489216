"""Names drawn at random: by hand, an effect that is put in is found, and where there is none chance is told from it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import correspondence
from autorefine_lib.evaluation.correspondence import Draws

NAMES = correspondence.read_names()
OPENINGS = NAMES.assign(opening=NAMES["name"] + ".")
PEOPLE = Dataset.from_dict(
    {
        "candidate_id": [f"p{number}" for number in range(60)],
        "text": [f"They cook {number}." for number in range(60)],
        "occupation": ["cook"] * 60,
        "gender": ["male"] * 60,
    }
)


def write(path: Path, text: str) -> str:
    path.write_text(text, "utf-8")
    return str(path)


def test_the_shipped_names_are_those_of_the_study():
    assert NAMES.groupby(["gender", "race"]).size().tolist() == [9, 9, 9, 9]
    assert NAMES["name"].is_unique
    known = NAMES.set_index("name").loc[["Emily", "Greg", "Lakisha", "Jamal"], ["gender", "race"]]
    assert known.to_numpy().tolist() == [["female", "White"], ["male", "White"], ["female", "Black"], ["male", "Black"]]


def test_names_of_ones_own(tmp_path: Path):
    rows = [
        f"{gender}{race}{age},{gender},{race},{age}" for gender in "fm" for race in "AB" for age in ("old", "young")
    ]
    found = correspondence.read_names(write(tmp_path / "a.csv", "\n".join(["name,gender,race,age_band", *rows])))
    assert found.columns.tolist() == ["name", "gender", "race", "age_band"] and len(found) == 8
    with pytest.raises(InputError, match="no name for 'f & B & young'; give at least one for each group"):
        correspondence.read_names(
            write(tmp_path / "b.csv", "\n".join(["name,gender,race,age_band", *rows[:3], *rows[4:]]))
        )
    with pytest.raises(InputError, match="no column 'race'"):
        correspondence.read_names(write(tmp_path / "c.csv", "name,gender\nAnne,f\n"))


def test_everybody_stands_once_in_each_cell_under_a_name_of_it():
    named, given = correspondence.open_texts(PEOPLE, OPENINGS, seed=1)
    table = named.to_pandas()
    assert given.shape == (60, 4) and len(table) == 240
    assert (table.groupby(["gender", "race"])["candidate_id"].nunique() == 60).all()
    assert table["candidate_id"].tolist() == [name for name in PEOPLE["candidate_id"] for _ in range(4)]
    plain = [text for text in PEOPLE["text"] for _ in range(4)]
    of_each = OPENINGS.iloc[given.ravel()]
    assert table["text"].tolist() == [f"{name}. {text}" for name, text in zip(of_each["name"], plain, strict=True)]
    assert (of_each[["gender", "race"]].to_numpy() == table[["gender", "race"]].to_numpy()).all()
    assert set(of_each["name"]) == set(NAMES["name"]), "all names are drawn"
    again = correspondence.open_texts(PEOPLE, OPENINGS, seed=1)[1]
    assert (again == given).all() and (correspondence.open_texts(PEOPLE, OPENINGS, seed=2)[1] != given).any()


def draw(effects: dict[str, float], draws: int = 60, seed: int = 0) -> Draws:
    """Six ads; the standing of a person in each is random, and a name of a race adds what `effects` says."""
    given = correspondence.open_texts(PEOPLE, OPENINGS)[1]
    standing = np.random.default_rng(3).normal(size=(6, 60, 1))
    by_name = OPENINGS["race"].map(effects).fillna(0).to_numpy()
    return correspondence.draw_names((standing + by_name[given]).reshape(6, 240), given, OPENINGS, 10, draws, seed)


def test_draws_by_hand():
    """Two people, two names; the second name always wins, whoever has it."""
    openings, given = OPENINGS.iloc[[0, 9]].reset_index(drop=True), np.array([[0, 1], [0, 1]])
    found = correspondence.draw_names(np.array([[0.1, 0.9, 0.3, 0.8]]), given, openings, 1, 7, 0)
    assert found.selected.tolist() == [[[0, 1]]] * 7 and found.people.tolist() == [[1, 1]] * 7
    # Without names the better person wins under either.
    found = correspondence.draw_names(np.array([[0.1, 0.1, 0.3, 0.3]]), given, openings, 1, 40, 0)
    assert {tuple(row) for row in found.selected[:, 0].tolist()} == {(0, 1), (1, 0)}
    with pytest.raises(InputError, match="k=3 is not between 1 and 2"):
        correspondence.draw_names(np.zeros((1, 4)), given, openings, 3, 1, 0)


def test_a_draw_selects_k_and_gives_every_cell_as_often():
    found = draw({"White": 0.5})
    np.testing.assert_allclose(found.selected.sum(2), 10)
    cells = [found.people[:, part.index].sum(1) for _, part in OPENINGS.groupby(["gender", "race"])]
    assert (np.array(cells) == 15).all()
    same = draw({}).people
    assert (same == found.people).all(), "the same draws, whatever the scores"
    assert (draw({}, seed=1).people != same).any()


def test_the_first_resample_is_what_was_measured():
    found = draw({"White": 0.5})
    selected, available = correspondence.resample(found, "race")
    white = OPENINGS["race"].to_numpy() == "White"
    assert selected.shape == (1 + correspondence.N_BOOT, 2)
    np.testing.assert_allclose(selected[0], [found.selected[..., part].mean(0).sum() for part in (~white, white)])
    np.testing.assert_allclose(available[0], [180, 180])  # 30 people, 6 ads
    assert selected[1:].std() > 0
    assert all(map(np.array_equal, correspondence.resample(found, "race"), (selected, available)))


def test_an_effect_that_is_put_in_is_found_and_only_where_it_is():
    table = correspondence.compare_groups(draw({"Black": -1.5}), draw({}), "race").set_index("group")
    black, white = table.loc["Black"], table.loc["White"]
    assert black["reference"] == "White" and white["impact_ratio"] == 1 and black["ads"] == 6
    assert black["people"] == pytest.approx(30)
    assert black["impact_ratio_high"] < black["floor_low"] < 1 < black["floor_high"]
    assert black["draw_low"] < black["impact_ratio"] < black["draw_high"]
    assert black["effect_high"] < 1 < white["effect_low"] and black["p_value"] < 0.01
    # All places are given: what the one group lost the other has.
    assert black["effect"] + white["effect"] == pytest.approx(2, abs=0.05)
    genders = correspondence.compare_groups(draw({"Black": -1.5}), draw({}), "gender")
    assert (genders["p_value"] > 0.05).all() and (genders["impact_ratio"] > 0.9).all()


def test_of_names_that_do_nothing_nothing_is_found():
    table = correspondence.compare_groups(draw({}), draw({}), ("gender", "race"))
    assert table["group"].tolist() == ["female & Black", "female & White", "male & Black", "male & White"]
    assert (table["effect"] == 1).all() and (table["p_value"] == 1).all()
    assert table["impact_ratio"].max() == 1 and (table["impact_ratio"] >= table["floor_low"]).all()


def test_the_p_value_by_hand():
    # Of four resamples one lies on the other side: twice (1 + 1) of (1 + 4).
    assert correspondence.find_p_value(np.array([5.0, 1, 2, -1, 3])) == pytest.approx(4 / 5)
    assert correspondence.find_p_value(np.array([5.0, *range(1, 40)])) == pytest.approx(2 / 40)
    assert correspondence.find_p_value(np.zeros(9)) == 1
    assert np.isnan(correspondence.find_p_value(np.array([1.0, np.nan, np.inf])))


def test_a_single_name_that_makes_the_effect_is_no_finding_about_its_group():
    """Only one of 18 Black names costs anything: names are resampled, so the interval reaches the ratio without it."""
    given = correspondence.open_texts(PEOPLE, OPENINGS)[1]
    standing = np.random.default_rng(3).normal(size=(6, 60, 1))
    scores = (standing - 9 * (OPENINGS["name"] == "Ebony").to_numpy()[given]).reshape(6, 240)
    alone = correspondence.draw_names(scores, given, OPENINGS, 10, 60, 0)
    row = correspondence.compare_groups(alone, draw({}), "race").set_index("group").loc["Black"]
    assert row["impact_ratio"] < 1 and row["p_value"] > 0.05
    assert pd.notna(row["effect_low"]) and row["effect_high"] >= 1
