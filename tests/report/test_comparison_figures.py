"""Attacks, transfer and certainty as figures: each row is drawn at its value, and no text runs into another."""

from collections.abc import Callable

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from test_figures import check_texts_and_close

from autorefine_lib.evaluation.uncertainty import NoiseFloor
from autorefine_lib.report import comparison_figures


def test_attacks_are_drawn_from_the_largest_temptation_down():
    columns = ["attack", "temptation", "temptation_low", "temptation_high", "reward", "reward_low", "reward_high"]
    rows = [("mild", 0.01, 0.0, 0.02, -0.03, -0.03, -0.03), ("strong", 0.2, 0.1, 0.3, -0.2, -0.2, -0.2)]
    table = pd.DataFrame(rows, columns=columns).assign(caught_by=["form 100%", "protected 100%, names 50%, added 7%"])
    figure = comparison_figures.draw_rewards(table, "Two attacks", synthetic=True)
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["strong", "mild"]
    texts = [text.get_text() for text in ax.texts]
    assert "protected 100%, names 50%" in texts and "unchanged ad" in texts
    matplotlib.pyplot.close(figure)


METHODS = ["original ads", "word swap", "random paraphrase", "aligned, no RL", "PPO"]
RATIOS = {"minilm": 0.9, "paraphrase-minilm": 1.08, "bm25": 0.97, "own": 0.93}


def draw_transfer(pools: tuple[str, ...] = ("seen", "never seen")) -> Figure:
    rows = []
    for recommender, start in RATIOS.items():
        for pool in pools:
            for number, method in enumerate(METHODS):
                change = np.nan if number == 0 else 0.02 * number
                row = {"recommender": recommender, "candidates": pool, "method": method, "impact_ratio": start}
                rows.append(row | {"change": change, "change_low": change - 0.02, "change_high": change + 0.03})
    labels = {"minilm": "minilm (trained against)"}
    return comparison_figures.draw_transfer(
        pd.DataFrame(rows), "PPO transfers to 5 of 6 judges", True, "female", labels
    )


def test_every_judge_has_its_panel_its_marks_and_its_parity():
    fig = draw_transfer()
    titles = [ax.get_title(loc="left").splitlines()[0] for ax in fig.axes]
    assert titles == ["minilm (trained against)", "paraphrase-minilm", "bm25", "own"]
    lines = {line.get_label(): line for line in fig.axes[1].get_lines()}
    assert lines["seen"].get_xdata().tolist() == lines["never seen"].get_xdata().tolist()
    assert lines["seen"].get_xdata() == pytest.approx([0.02, 0.04, 0.06, 0.08])
    assert lines["parity, never seen"].get_xdata() == pytest.approx([-0.08, -0.08]), "above parity it lies to the left"
    assert [text.get_text() for text in fig.axes[0].get_yticklabels()] == METHODS[1:]
    matplotlib.pyplot.close(fig)


def test_one_pool_alone():
    fig = draw_transfer(("seen",))
    assert fig.axes[0].get_title(loc="left") == "minilm (trained against)\noriginal ads 0.90"
    matplotlib.pyplot.close(fig)


NAMES = ["word swap", "aligned, no RL", "best of 4", "reward-weighted", "ILQL", "RLOO", "GRPO", "PPO"]
FLOOR = NoiseFloor("female", np.zeros(1), -0.02, 0.03)


def certainty_table() -> pd.DataFrame:
    change = np.linspace(-0.02, 0.14, len(NAMES))
    frame = pd.DataFrame({"method": NAMES, "group": "female", "change": change})
    frame = frame.assign(low=change - 0.02, high=change + 0.02, low_both=change - 0.05, high_both=change + 0.05)
    return pd.concat([frame, frame.assign(group="other")])


def draw_certainty() -> Figure:
    return comparison_figures.draw_certainty(certainty_table(), FLOOR, "Seven methods leave the noise floor", True)


def test_certainty_shows_the_rows_of_the_floors_group():
    fig = draw_certainty()
    labels = [label.get_text() for label in fig.axes[0].get_yticklabels()]
    marks = [line for line in fig.axes[0].get_lines() if line.get_marker() == "o"]
    assert labels == NAMES and len(marks[0].get_xdata()) == len(NAMES)
    matplotlib.pyplot.close(fig)


@pytest.mark.parametrize("draw", [draw_transfer, draw_certainty])
def test_texts_do_not_overlap_nor_run_off_and_synthetic_is_marked(draw: Callable[[], Figure]):
    check_texts_and_close(draw())
