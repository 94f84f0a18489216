"""Groups of attributes and intersections: nobody is dropped."""

import pytest
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.metrics import groups

CANDIDATES = Dataset.from_dict(
    {
        "gender": ["f", "m", None, " ", "f", "Unknown"],
        "race": ["b", "a", "a", "b", "b", "c"],
        "age": [30, 40, 30, None, 40, 30],
        "odd": ["a & b", "c", "x", "x", "x", "x"],
        "nobody": [None, "", "unknown", None, None, None],
    }
)


def test_missing_blank_and_the_word_are_unknown():
    found = groups.of(CANDIDATES, "gender")
    assert found.names == ["f", "m", groups.UNKNOWN] and found.codes.tolist() == [0, 1, 2, 2, 0, 2]
    assert found.sizes.tolist() == [2, 1, 3]


def test_what_files_write_for_no_value_is_no_group():
    written = Dataset.from_dict({"gender": ["f", "NaN", "NA", "n/a", "NULL", "nan ", "m", "Nadia"]})
    found = groups.of(written, "gender")
    assert found.names == ["Nadia", "f", "m", groups.UNKNOWN] and found.sizes.tolist() == [1, 1, 1, 5]


def test_numbers_are_groups_by_their_text():
    assert groups.of(CANDIDATES, "age").names == ["30", "40", groups.UNKNOWN]


def test_an_intersection_lists_every_combination():
    found = groups.of(CANDIDATES, ("gender", "race"))
    assert found.attribute == "gender & race"
    assert found.names == ["f & a", "f & b", "f & c", "m & a", "m & b", "m & c", "unknown"]
    assert found.sizes.tolist() == [0, 2, 0, 1, 0, 0, 3]  # the unknown gender makes the intersection unknown


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("sex", "no column 'sex'"),
        ("nobody", "all candidates are unknown in column 'nobody'"),
    ],
)
def test_bad_attributes(attribute, message):
    with pytest.raises(InputError, match=message):
        groups.of(CANDIDATES, attribute)


def test_a_column_of_names_is_refused():
    people = Dataset.from_dict({"name": [str(number) for number in range(groups.MOST_GROUPS + 1)]})
    with pytest.raises(InputError, match="'name' has 201 groups, more than 200"):
        groups.of(people, "name")


def test_two_combinations_of_one_name_are_refused():
    people = Dataset.from_dict({"x": ["a & b", "a"], "y": ["c", "b & c"]})
    with pytest.raises(InputError, match="both called 'a & b & c'"):
        groups.of(people, ("x", "y"))
