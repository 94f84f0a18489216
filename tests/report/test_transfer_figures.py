"""The figures of the transfer: every method, judge and pool is drawn, at its value, and no text runs into another."""

from itertools import combinations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from test_figures import shown_texts

from autorefine_lib.report import comparison_figures

METHODS = ["original ads", "word swap", "random paraphrase", "aligned, no RL", "PPO"]
RATIOS = {"minilm": 0.9, "paraphrase-minilm": 1.08, "bm25": 0.97, "own": 0.93}


def changes(pools: tuple[str, ...] = ("seen", "never seen")) -> Figure:
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


def test_texts_do_not_overlap_nor_run_off_and_synthetic_is_marked():
    fig = changes()
    fig.canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown_texts(fig)]
    assert "synthetic data" in [words for words, _ in boxes]
    assert not [words for words, box in boxes if box.x0 < -1 or box.x1 > fig.bbox.x1 + 1 or box.y1 > fig.bbox.y1 + 1]
    assert not [(a, b) for (a, box), (b, other) in combinations(boxes, 2) if box.shrunk(0.9, 0.9).overlaps(other)]
    matplotlib.pyplot.close(fig)


def test_every_judge_has_its_panel_its_marks_and_its_parity():
    fig = changes()
    titles = [ax.get_title(loc="left").splitlines()[0] for ax in fig.axes]
    assert titles == ["minilm (trained against)", "paraphrase-minilm", "bm25", "own"]
    lines = {line.get_label(): line for line in fig.axes[1].get_lines()}
    assert lines["seen"].get_xdata().tolist() == lines["never seen"].get_xdata().tolist()
    assert lines["seen"].get_xdata() == pytest.approx([0.02, 0.04, 0.06, 0.08])
    assert lines["parity, never seen"].get_xdata() == pytest.approx([-0.08, -0.08]), "above parity it lies to the left"
    assert [text.get_text() for text in fig.axes[0].get_yticklabels()] == METHODS[1:]
    matplotlib.pyplot.close(fig)


def test_one_pool_alone():
    fig = changes(("seen",))
    assert fig.axes[0].get_title(loc="left") == "minilm (trained against)\noriginal ads 0.90"
    matplotlib.pyplot.close(fig)
