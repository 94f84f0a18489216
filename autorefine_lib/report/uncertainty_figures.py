"""Two figures on certainty, in the house style of `figures`: changes beside the noise floor, and power against jobs."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from autorefine_lib.evaluation.power import NoiseFloor
from autorefine_lib.report.figures import GREY, INK, PALETTE, label_rows, make_canvas, put_legend_above


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


def draw_power(curve: pd.DataFrame, jobs: int, title: str, synthetic: bool) -> Figure:
    """Power against the number of jobs, a line an effect: simulated with its band, and the normal approximation dashed.

    Args:
        curve: from `power.power_curve`.
        jobs: how many the run had; an upright line.
    """
    fig, (ax,) = make_canvas(title, 8.5, 4.6, synthetic)
    for number, (name, part) in enumerate(curve.groupby("effect", sort=False)):
        color = PALETTE[number % len(PALETTE)]
        ax.fill_between(part["jobs"], part["low"], part["high"], color=color, alpha=0.2, lw=0)
        label = f"{name} ({part['change'].iloc[0]:+.3f})"
        ax.plot(part["jobs"], part["power"], "osD^vPX"[number % 7], ls="-", ms=6, lw=2, color=color, label=label)
        ax.plot(part["jobs"], part["power_normal"], ls="--", lw=1.2, color=color)
    ax.axhline(0.8, color=GREY, lw=1.2, ls=":")
    ax.annotate("power 0.8", (1, 0.8), xycoords=("axes fraction", "data"), xytext=(-2, 4), textcoords="offset points",
                ha="right", color=GREY, fontsize=10)  # fmt: skip
    ax.axvline(jobs, color=INK, lw=1.2)
    ax.annotate(f"{jobs:,} jobs here", (jobs, 0.02), xytext=(-4, 0), textcoords="offset points", ha="right",
                color=INK, fontsize=10)  # fmt: skip
    ax.set_xscale("log")
    ticks = sorted(curve["jobs"].unique())
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.set_ylim(0, 1.03)
    ax.set_xlabel("jobs (dashed: normal approximation)")
    ax.set_ylabel("power at 5 %")
    put_legend_above(ax)
    return fig
