"""Both figures are drawn, hold every row, and their texts neither overlap nor run off."""

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from test_figures import check_texts_and_close

from autorefine_lib.evaluation.power import NoiseFloor
from autorefine_lib.report import uncertainty_figures

NAMES = ["word swap", "aligned, no RL", "best of 4", "reward-weighted", "ILQL", "RLOO", "GRPO", "PPO"]
FLOOR = NoiseFloor("female", 0.9, pd.DataFrame({"change": [0.0]}), 0.01, 0.007, 0.02, -0.02, 0.03)


def table() -> pd.DataFrame:
    change = np.linspace(-0.02, 0.14, len(NAMES))
    frame = pd.DataFrame({"method": NAMES, "group": "female", "change": change})
    frame = frame.assign(low=change - 0.02, high=change + 0.02, low_both=change - 0.05, high_both=change + 0.05)
    return pd.concat([frame, frame.assign(group="other")])


def curve(sizes=(10, 20, 40, 80, 160, 320, 640)) -> pd.DataFrame:
    rows = []
    for name, change in (("the paper's effect", 0.05), ("this run's effect", 0.105)):
        for jobs in sizes:
            power = float(min(1, change * np.sqrt(jobs) / 1.3))
            rows.append((name, change, jobs, power, max(0, power - 0.05), min(1, power + 0.05), power * 0.97))
    return pd.DataFrame(rows, columns=["effect", "change", "jobs", "power", "low", "high", "power_normal"])


def draw(name: str) -> Figure:
    if name == "changes":
        return uncertainty_figures.draw_changes(table(), FLOOR, "Seven methods leave the noise floor", True)
    return uncertainty_figures.draw_power(curve(), 420, "420 jobs are enough to see the paper's effect", True)


@pytest.mark.parametrize("name", ["changes", "power"])
def test_texts_do_not_overlap_nor_run_off_and_synthetic_is_marked(name: str):
    check_texts_and_close(draw(name))


def test_changes_shows_the_rows_of_the_floors_group():
    fig = draw("changes")
    labels = [label.get_text() for label in fig.axes[0].get_yticklabels()]
    marks = [line for line in fig.axes[0].get_lines() if line.get_marker() == "o"]
    assert labels == NAMES and len(marks[0].get_xdata()) == len(NAMES)
    matplotlib.pyplot.close(fig)


def test_power_has_a_line_an_effect_with_its_size():
    fig = draw("power")
    _, labels = fig.axes[0].get_legend_handles_labels()
    assert labels == ["the paper's effect (+0.050)", "this run's effect (+0.105)"]
    assert any(text.get_text() == "420 jobs here" for text in fig.axes[0].texts)
    matplotlib.pyplot.close(fig)
