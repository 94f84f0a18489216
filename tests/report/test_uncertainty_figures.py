"""The figure is drawn, holds every row, and its texts neither overlap nor run off."""

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from test_figures import check_texts_and_close

from autorefine_lib.evaluation.uncertainty import NoiseFloor
from autorefine_lib.report import comparison_figures

NAMES = ["word swap", "aligned, no RL", "best of 4", "reward-weighted", "ILQL", "RLOO", "GRPO", "PPO"]
FLOOR = NoiseFloor("female", 0.9, pd.DataFrame({"change": [0.0]}), 0.01, 0.007, 0.02, -0.02, 0.03)


def table() -> pd.DataFrame:
    change = np.linspace(-0.02, 0.14, len(NAMES))
    frame = pd.DataFrame({"method": NAMES, "group": "female", "change": change})
    frame = frame.assign(low=change - 0.02, high=change + 0.02, low_both=change - 0.05, high_both=change + 0.05)
    return pd.concat([frame, frame.assign(group="other")])


def draw() -> Figure:
    return comparison_figures.draw_certainty(table(), FLOOR, "Seven methods leave the noise floor", True)


def test_texts_do_not_overlap_nor_run_off_and_synthetic_is_marked():
    check_texts_and_close(draw())


def test_changes_shows_the_rows_of_the_floors_group():
    fig = draw()
    labels = [label.get_text() for label in fig.axes[0].get_yticklabels()]
    marks = [line for line in fig.axes[0].get_lines() if line.get_marker() == "o"]
    assert labels == NAMES and len(marks[0].get_xdata()) == len(NAMES)
    matplotlib.pyplot.close(fig)
