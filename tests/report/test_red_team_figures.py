"""Figures of the red team: what is drawn, from tables by hand."""

import pandas as pd

from autorefine_lib.report import comparison_figures as plots
from autorefine_lib.report import figures


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
