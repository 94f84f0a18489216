"""The figure on certainty, in the house style of `figures`: changes beside the noise floor."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from autorefine_lib.evaluation.power import NoiseFloor
from autorefine_lib.report.figures import INK, PALETTE, label_rows, make_canvas, put_legend_above


def draw_changes(table: pd.DataFrame, floor: NoiseFloor, title: str, synthetic: bool) -> Figure:
    """Every method's change of the impact ratio with both intervals, over the band that paraphrasing reaches.

    Args:
        table: from `uncertainty.table`; the rows of the floor's group are drawn, in their order.
        floor: the changes of random paraphrases.
    """
    rows = table[table["group"] == floor.group].reset_index(drop=True)
    fig, (ax,) = make_canvas(title, 8.5, 2.2 + 0.5 * len(rows), synthetic)
    ax.axvspan(floor.low, floor.high, color="#E3E3E3", zorder=0, label="random paraphrase")
    ax.axvline(0, color=INK, lw=1)
    y = np.arange(len(rows))
    # Both kinds of limits stay visible where they nearly coincide: one thick and pale, one thin.
    ax.hlines(y, rows["low_both"], rows["high_both"], color=PALETTE[5], lw=7, label="by job and candidate")
    ax.hlines(y, rows["low"], rows["high"], color=PALETTE[0], lw=2.2, label="by job")
    ax.plot(rows["change"], y, "o", ms=7, color=PALETTE[0])
    label_rows(ax, rows["method"], room=0.6)
    ax.set_xlabel(f"change of the {floor.group} impact ratio, with 95 % intervals")
    put_legend_above(ax)
    return fig
