"""Blind rating sheets: what is hidden, what comes back, shares and agreement by hand and beside scikit-learn."""

from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import rating_sheet

ADS = ["We lead the team. You drive sales.", "One line\nAnother one"]
METHODS = {
    "PPO": ["We guide the team. You drive sales.", "One row\nAnother one"],
    "word swap": ["We guide the team. You push sales.", "One line\nAnother one"],
    "whole ad": ["We guide everyone.", "One line\nAnother one"],
}


@pytest.fixture
def pairs() -> pd.DataFrame:
    return rating_sheet.list_pairs(ADS, METHODS)


def fill(sheet: Path, name: str, ratings: dict[str, str]) -> Path:
    """A filled copy; a rewrite that `ratings` does not name stays empty."""
    table = pd.read_csv(sheet, keep_default_na=False)
    copy = sheet.with_name(f"{name}.csv")
    table.assign(rating=table["rewrite"].map(ratings).fillna("")).to_csv(copy, index=False)
    return copy


def test_pairs_are_the_sentences_that_changed(pairs: pd.DataFrame):
    assert [tuple(row) for row in pairs[["source", "rewrite", "method"]].to_numpy()] == [
        ("We lead the team.", "We guide the team.", "PPO"),
        ("One line", "One row", "PPO"),
        ("We lead the team.", "We guide the team.", "word swap"),
        ("You drive sales.", "You push sales.", "word swap"),
        (ADS[0], "We guide everyone.", "whole ad"),  # another number of sentences: the two ads
    ]
    assert pairs["pair_id"].nunique() == 4, "what two methods wrote alike has one id"
    assert pairs["pair_id"].str.fullmatch("[0-9a-f]{12}").all()


def test_the_sheet_hides_the_method_and_shuffles(pairs: pd.DataFrame, tmp_path: Path):
    path = rating_sheet.write_sheet(tmp_path / "sheet.csv", pairs, most=10)
    assert not [name for name in METHODS if name in path.read_text()]
    sheet = pd.read_csv(path, keep_default_na=False)
    assert list(sheet) == ["pair_id", "source", "rewrite", "rating", "remark"] and set(sheet["rating"]) == {""}
    assert sorted(sheet["pair_id"]) == sorted(pairs["pair_id"].unique())
    orders = {
        tuple(pd.read_csv(rating_sheet.write_sheet(tmp_path / "other.csv", pairs, 10, seed))["pair_id"])
        for seed in range(8)
    }
    assert len(orders) > 1
    few = pd.read_csv(rating_sheet.write_sheet(tmp_path / "few.csv", pairs, most=1))
    assert len(few) <= 3


def test_filled_sheets_come_back(pairs: pd.DataFrame, tmp_path: Path):
    sheet = rating_sheet.write_sheet(tmp_path / "sheet.csv", pairs, most=10)
    first = {"We guide the team.": " Kept", "One row": "wrong", "You push sales.": "drifted"}
    second = {"We guide the team.": "drifted", "One row": "wrong"}
    ratings = rating_sheet.read_ratings([fill(sheet, "ann", first), fill(sheet, "bo", second)], pairs)
    assert list(ratings) == ["ann", "bo"] and len(ratings) == 3
    shares = rating_sheet.count_shares(ratings, pairs).set_index(["method", "rating"])
    # kept and drifted is drifted, the worse of the two; the second rater did not judge "You push sales."
    assert shares.loc["PPO", "share"].to_dict() == {"kept": 0, "drifted": 0.5, "wrong": 0.5}
    assert shares.loc["word swap", "share"].to_dict() == {"kept": 0, "drifted": 1, "wrong": 0}
    assert "whole ad" not in shares.index and set(shares["n"]) == {2}
    # Wilson by hand for 1 of 2: (1/2 + z^2/4) / (1 + z^2/2) -+ z sqrt(1/8 + z^2/16) / (1 + z^2/2), z = 1.959964
    assert shares.loc[("PPO", "wrong"), ["low", "high"]].to_list() == pytest.approx([0.094531, 0.905469], abs=1e-6)


def test_three_raters_agree_by_their_median(pairs: pd.DataFrame):
    ids = pairs["pair_id"].unique()[:1]
    ratings = pd.DataFrame({"a": [0.0], "b": [0.0], "c": [2.0]}, index=ids)
    shares = rating_sheet.count_shares(ratings, pairs).set_index(["method", "rating"])["share"]
    assert shares["PPO", "kept"] == 1


def test_agreement_by_hand_and_beside_scikit_learn():
    first, second = [0, 0, 0, 0, 1, 1, 2, 2, 2, 0], [0, 0, 0, 1, 1, 1, 2, 2, 0, 0]
    ratings = pd.DataFrame({"a": first, "b": second, "c": [0.0] * 3 + [None] * 7})
    found = rating_sheet.measure_agreement(ratings).set_index(["rater", "other"])
    # 8 of 10 equal; by chance 0.5 * 0.5 + 0.2 * 0.3 + 0.3 * 0.2 = 0.37; kappa = 0.43 / 0.63
    assert found.loc[("a", "b"), "kappa"] == pytest.approx(0.43 / 0.63)
    assert found.loc[("a", "b"), "kappa"] == pytest.approx(cohen_kappa_score(first, second))
    low, high = found.loc[("a", "b"), ["low", "high"]]
    # Wilson for 8 of 10 is 0.4901625 to 0.9433178
    assert [low, high] == pytest.approx([(0.4901625 - 0.37) / 0.63, (0.9433178 - 0.37) / 0.63], abs=1e-6)
    assert found.loc[("a", "c"), "n"] == 3 and pd.isna(found.loc[("a", "c"), "kappa"]), "one rating only"


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("rating", "good", "a rating that is not kept, drifted, wrong in row 1"),
        ("pair_id", "0" * 12, "a pair of another sheet in row 1"),
        ("rating", None, "no column 'rating'"),
        ("rating", "", "no sheet has a rating"),
    ],
)
def test_bad_sheets_are_refused(pairs: pd.DataFrame, tmp_path: Path, column: str, value: str | None, message: str):
    path = rating_sheet.write_sheet(tmp_path / "sheet.csv", pairs, most=10)
    table = pd.read_csv(path, keep_default_na=False)
    if value is None:
        table = table.drop(columns=column)
    else:
        table.loc[0, column] = value
    table.to_csv(path, index=False)
    with pytest.raises(InputError, match=message):
        rating_sheet.read_ratings([path], pairs)


def test_a_pair_stands_once(pairs: pd.DataFrame, tmp_path: Path):
    path = rating_sheet.write_sheet(tmp_path / "sheet.csv", pairs, most=10)
    table = pd.read_csv(path, keep_default_na=False).assign(rating="kept")
    pd.concat([table, table.head(1)]).to_csv(path, index=False)
    with pytest.raises(InputError, match="'pair_id' repeats another in row 5"):
        rating_sheet.read_ratings([path], pairs)
