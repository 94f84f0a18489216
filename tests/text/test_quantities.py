"""Quantities: amounts and units by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.text import quantities
from autorefine_lib.text.tokens import tokenize


def read(text):
    found, _ = quantities.find(tokenize(text), set())
    return [(quantity.value, quantity.unit) for quantity in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", [(5, "")]),
        ("60,000", [(60_000, "")]),
        ("60.000", [(60_000, "")]),
        ("1,000.50", [(1000.5, "")]),
        ("1.5", [(1.5, "")]),
        ("$60k", [(60_000, "$")]),
        ("60 k", [(60_000, "")]),
        ("$1.2M", [(1_200_000, "$")]),
        ("€3 million", [(3_000_000, "€")]),
        ("60-80k", [(60_000, ""), (80_000, "")]),
        ("$40-65,000", [(40_000, "$"), (65_000, "$")]),
        ("USD 60 000", [(60_000, "$")]),
        ("$30.50/hr", [(30.5, "$")]),
        ("$200/month", [(200, "$")]),
        ("100%", [(100, "%")]),
        ("5 per cent", [(5, "%")]),
        ("5+ years", [(60, "months")]),
        ("5-year", [(60, "months")]),
        ("five (5) years", [(60, "months"), (60, "months")]),
        ("3 to 5 years", [(36, "months"), (60, "months")]),
        ("in 2013, 5 years", [(2013, ""), (60, "months")]),
        ("6 mos", [(6, "months")]),
        ("twenty-five", [(25, "")]),
        ("two hundred", [(200, "")]),
        ("24/7", [(24, ""), (7, "")]),
        ("10-person", [(10, "")]),
        ("lift 50 pounds", [(50, "")]),
        ("no number", []),
        ("", []),
    ],
)
def test_by_hand(text, expected):
    assert read(text) == expected


def test_what_is_no_quantity_is_told_apart():
    found, opaque = quantities.find(tokenize("EC2 555-123-4567 1/2/2026 2x a@b.org 2.Ability years5"), set())
    assert found == [] and opaque == [0, 1, 2, 3, 4]


def test_points_of_a_list_need_no_counterpart():
    found, _ = quantities.find(tokenize("1. Plan\n2) Do 17 things"), set())
    assert [(quantity.value, quantity.weak) for quantity in found] == [(1, True), (2, True), (17, False)]


def test_units_may_be_left_out_but_not_changed():
    def quantity(value, unit):
        return quantities.Quantity(value, unit, 0, 0, False)

    assert quantities.same(quantity(60_000, "$"), quantity(60_000, ""))
    assert not quantities.same(quantity(60_000, "$"), quantity(60_000, "€"))
    assert not quantities.same(quantity(60, "months"), quantity(60, ""))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 999_999_999))
def test_separators_do_not_matter(number):
    forms = [f"{number}", f"{number:,}", f"{number:,}".replace(",", "."), f"{number:,}".replace(",", " ")]
    assert [read(form) for form in forms] == [[(number, "")]] * 4
