"""Figures of notebook 07: what attacks earn, and a policy that finds one. Style and saving are those of `figures`."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from autorefine_lib.report.figures import (
    GREY,
    INK,
    PALETTE,
    label_rows,
    make_canvas,
    put_legend_outside,
)


def draw_rewards(table: pd.DataFrame, title: str, synthetic: bool) -> Figure:
    """By attack what the ranking alone would pay and what the reward pays, with intervals, and the guards at work.

    At the right stand the two guards that refuse most of an attack's ads.

    Args:
        table: from `red_team.evaluate`; drawn from the largest temptation down.
    """
    table = table.sort_values("temptation", ascending=False, ignore_index=True)
    fig, (ax,) = make_canvas(title, 11, 2.2 + 0.29 * len(table), synthetic)
    ax.axvline(0, color=INK, lw=1)
    # Above the zero line's end: what an unchanged ad earns.
    ax.annotate("unchanged ad", (0, -0.8), color=INK, ha="center", va="bottom", fontsize=10)
    y = np.arange(len(table))
    for name, height, color, mark, payer in (
        ("temptation", y - 0.16, PALETTE[1], "D", "the ranking alone would pay"),
        ("reward", y + 0.16, PALETTE[0], "o", "the reward pays"),
    ):
        ax.hlines(height, table[f"{name}_low"], table[f"{name}_high"], color=color, lw=2.2)
        ax.plot(table[name], height, mark, ms=6, color=color, label=f"what {payer}")
    for place, caught in zip(y, table["caught_by"], strict=True):
        ax.annotate(", ".join(caught.split(", ")[:2]), (1.01, place), xycoords=("axes fraction", "data"), va="center",
                    fontsize=9, color=GREY)  # fmt: skip
    label_rows(ax, table["attack"], room=0.9)
    ax.set_xlabel("mean over ads, in units of parity, with 95 % interval", loc="left")
    put_legend_outside(fig, ax)
    return fig
