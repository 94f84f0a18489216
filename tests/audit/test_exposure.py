"""Exposure, skew and NDKL: hand-computed numbers, FairRankTune as reference."""

import numpy as np
import pandas as pd
import pytest
from FairRankTune.Metrics import EXP, NDKL
from hypothesis import given, settings
from hypothesis import strategies as st

from autorefine_lib.audit import exposure

RANKINGS = st.lists(st.integers(0, 3), min_size=1, max_size=25)


def test_exposure_by_hand():
    # Ranks weigh 1, 1 / log2(3), 1 / 2; group 0 is first and third.
    gathered = exposure.exposure(np.array([[0, 1, 0], [1, 1, 1]]), 2)
    np.testing.assert_allclose(gathered, [[1.5, 1 / np.log2(3)], [0, 1.5 + 1 / np.log2(3)]])


def test_ndkl_by_hand():
    # First rank all group 0: ln 2; both ranks half and half: 0. Weights 1 and 1 / log2(3).
    value = exposure.ndkl(np.array([[0, 1]]), np.array([0.5, 0.5]))
    assert value == pytest.approx(np.log(2) / (1 + 1 / np.log2(3)), abs=5e-6)  # smoothed by 1e-7
    assert exposure.ndkl(np.array([[0, 0, 0]]), np.array([1.0, 0.0])) == pytest.approx(0, abs=1e-12)


def test_skew_by_hand():
    skew = exposure.skew(np.array([3, 1, 0, 0]), np.array([4, 4, 2, 0]))
    assert skew[:2] == pytest.approx([np.log(0.75 / 0.4), np.log(0.25 / 0.4)])
    assert skew[2] == -np.inf and np.isnan(skew[3])


@settings(max_examples=30, deadline=None)
@given(RANKINGS)
def test_whole_rankings_agree_with_fairranktune(ranking):
    # FairRankTune takes the shares of the ranking itself as desired, and knows only groups that occur in it.
    names, codes = np.unique(ranking, return_inverse=True)
    items = {f"c{place}": int(group) for place, group in enumerate(codes)}
    frame = pd.DataFrame({0: list(items)})
    sizes = np.bincount(codes)
    ours = exposure.ndkl(codes[None], sizes / len(codes))
    assert ours[0] == pytest.approx(NDKL(frame, items), abs=1e-9)
    _, theirs = EXP(frame, items, "MinMaxRatio")
    np.testing.assert_allclose(exposure.exposure(codes[None], len(names))[0] / sizes, list(theirs.values()), atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(RANKINGS, st.permutations(range(4)))
def test_names_of_groups_do_not_matter_and_ndkl_is_never_negative(ranking, names):
    shown, shares = np.array([ranking]), np.array([0.4, 0.3, 0.2, 0.1])
    renamed = np.asarray(names)[shown]
    moved = np.empty(4)
    moved[list(names)] = shares
    assert exposure.ndkl(renamed, moved) == pytest.approx(exposure.ndkl(shown, shares), abs=1e-12)
    assert exposure.ndkl(shown, shares) >= 0
