"""Figures of the red team: what is drawn, from tables by hand."""

import pandas as pd

from autorefine_lib.report import figures
from autorefine_lib.report import red_team_figures as plots


def test_attacks_are_drawn_from_the_largest_temptation_down():
    columns = ["attack", "temptation", "temptation_low", "temptation_high", "reward", "reward_low", "reward_high"]
    rows = [("mild", 0.01, 0.0, 0.02, -0.03, -0.03, -0.03), ("strong", 0.2, 0.1, 0.3, -0.2, -0.2, -0.2)]
    table = pd.DataFrame(rows, columns=columns).assign(caught_by=["form 100%", "protected 100%, names 50%, added 7%"])
    figure = plots.draw_rewards(table, "Two attacks", synthetic=True)
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["strong", "mild"]
    texts = [text.get_text() for text in ax.texts]
    assert "protected 100%, names 50%" in texts and "unchanged ad" in texts
    figures.plt.close(figure)


def test_a_line_for_each_training_and_seed():
    rows = [(name, seed, step, 0.1 * step, 0.0) for name in ("with", "without") for seed in (0, 1) for step in (1, 2)]
    log = pd.DataFrame(rows, columns=["training", "seed", "step", "cheats", "parity_gain"])
    figure = plots.draw_cheating(log, "With and without", synthetic=False)
    assert len(figure.axes[0].lines) == 6 and len(figure.axes[1].lines) == 7
    figures.plt.close(figure)
