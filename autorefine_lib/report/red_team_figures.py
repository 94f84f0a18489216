"""Figures of notebook 07: what attacks earn, and a policy that finds one. Style, saving and palette are `figures`'."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from autorefine_lib.report.figures import GREY, INK, PALETTE, STYLE, _canvas, plt


def rewards(table: pd.DataFrame, title: str, synthetic: bool) -> Figure:
    """By attack what the ranking alone would pay and what the reward pays, with intervals, and the guards at work.

    `table`: from `red_team.evaluate`; drawn from the largest temptation down. At the right stand the two guards that
    refuse most of its ads.
    """
    table = table.sort_values("temptation", ascending=False, ignore_index=True)
    fig, (ax,) = _canvas(title, 11, 2.2 + 0.29 * len(table), synthetic)
    ax.axvline(0, color=INK, lw=1)
    # Above the zero line's end: what an unchanged ad earns.
    ax.annotate("unchanged ad", (0, -0.8), color=INK, ha="center", va="bottom", fontsize=10)
    y = np.arange(len(table))
    marks = (
        ("temptation", PALETTE[1], "D", "the ranking alone would pay"),
        ("reward", PALETTE[0], "o", "the reward pays"),
    )
    for number, (name, color, mark, label) in enumerate(marks):
        ax.hlines(y + 0.16 * (2 * number - 1), table[f"{name}_low"], table[f"{name}_high"], color=color, lw=2.2)
        ax.plot(table[name], y + 0.16 * (2 * number - 1), mark, ms=6, color=color, label=f"what {label}")
    for place, caught in zip(y, table["caught_by"], strict=True):
        ax.annotate(", ".join(caught.split(", ")[:2]), (1.01, place), xycoords=("axes fraction", "data"), va="center",
                    fontsize=9, color=GREY)  # fmt: skip
    ax.set_yticks(y, table["attack"])
    ax.set_ylim(len(table) - 0.4, -0.9)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("mean over ads, in units of parity, with 95 % interval", loc="left")
    with plt.rc_context(STYLE):
        handles, texts = ax.get_legend_handles_labels()
        fig.legend(handles, texts, loc="outside lower left", ncols=2, frameon=False)
    return fig


def cheating(log: pd.DataFrame, title: str, synthetic: bool) -> Figure:
    """Share of cheating rewrites and parity gained against the step: a thin line a seed, a thick one for their mean.

    `log`: columns training (the name of the line), seed, step, cheats and parity_gain.
    """
    fig, axes = _canvas(title, 10, 4.0, synthetic, 2)
    labels = {"cheats": "share of rewrites that cheat", "parity_gain": "parity that the batch's ads gain"}
    for ax, (column, label) in zip(axes, labels.items(), strict=True):
        for number, (name, part) in enumerate(log.groupby("training", sort=False)):
            color = PALETTE[number]
            for _, of_seed in part.groupby("seed"):
                ax.plot(of_seed["step"], of_seed[column], color=color, lw=1, alpha=0.4)
            mean = part.groupby("step")[column].mean()
            ax.plot(mean.index, mean, color=color, lw=2.5, label=name)
        ax.set_title(label, loc="left", fontsize=11)
        ax.set_xlabel("step")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_ylim(-0.03, 1.03)
    axes[1].axhline(0, color=INK, lw=1)
    with plt.rc_context(STYLE):
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=2, frameon=False)
    return fig
