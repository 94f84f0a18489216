"""Figures of notebooks 07 to 09: what attacks earn, what methods do under other judges, and how certain it is.

Style and saving are those of `figures`.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from autorefine_lib.evaluation.method import ORIGINAL
from autorefine_lib.evaluation.uncertainty import NoiseFloor
from autorefine_lib.report import figures
from autorefine_lib.report.figures import GREY, INK, PALETTE


def draw_rewards(table: pd.DataFrame, title: str, synthetic: bool) -> Figure:
    """By attack what the ranking alone would pay and what the reward pays, with intervals, and the guards at work.

    At the right stand the two guards that refuse most of an attack's ads.

    Args:
        table: from `red_team.evaluate`; drawn from the largest temptation down.
    """
    table = table.sort_values("temptation", ascending=False, ignore_index=True)
    fig, (ax,) = figures.make_canvas(title, 11, 2.2 + 0.29 * len(table), synthetic)
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
    figures.label_rows(ax, table["attack"], room=0.9)
    ax.set_xlabel("mean over ads, in units of parity, with 95 % interval", loc="left")
    figures.put_legend_outside(fig, ax)
    return fig


def draw_transfer(table: pd.DataFrame, title: str, synthetic: bool, group: str, labels: dict[str, str]) -> Figure:
    """Change of the impact ratio by method, one panel a recommender, one mark a pool of candidates.

    A line says where the change would end at parity, for each pool by itself: right of 0 where the original ads lie
    below parity, left of 0 where they lie above.

    Args:
        table: from `transfer.measure`.
        labels: what stands above the panel of each recommender.
    """
    methods = [name for name in table["method"].unique() if name != ORIGINAL]
    recommenders, pools = table["recommender"].unique(), table["candidates"].unique()
    height = 2.6 + (0.22 + 0.2 * len(pools)) * len(methods)
    fig, axes = figures.make_canvas(title, 2.3 + 2.9 * len(recommenders), height, synthetic, len(recommenders))
    for ax, recommender in zip(axes, recommenders, strict=True):
        part = table[table["recommender"] == recommender]
        starts = part[part["method"] == ORIGINAL].set_index("candidates")["impact_ratio"]
        ax.axvline(0, color=INK, lw=1)
        for number, pool in enumerate(pools):
            rows = part[part["candidates"] == pool].set_index("method").loc[methods]
            y = np.arange(len(methods)) + 0.32 * (number - (len(pools) - 1) / 2)
            color, mark, style = PALETTE[number], "oD"[number % 2], ("-", "--")[number % 2]
            ax.hlines(y, rows["change_low"], rows["change_high"], color=color, lw=2.2)
            ax.plot(rows["change"], y, mark, ms=7, color=color, label=pool)
            if pool in starts:
                ax.axvline(1 - starts[pool], color=PALETTE[2], lw=1.4, ls=style, label=f"parity, {pool}")
        ratios = " and ".join(f"{starts[pool]:.2f}" for pool in pools if pool in starts)
        ax.set_title(f"{labels.get(recommender, recommender)}\noriginal ads {ratios}", loc="left", fontsize=11)
        figures.label_rows(ax, methods if ax is axes[0] else [""] * len(methods), room=0.5)
        ax.xaxis.set_major_locator(MaxNLocator(4))
    # One scale, so that judges can be compared.
    limits = np.array([ax.get_xlim() for ax in axes])
    for ax in axes:
        ax.set_xlim(limits.min(), limits.max())
    axes[0].set_xlabel(f"change of the {group} impact ratio against the original ads", loc="left", color=INK)
    figures.put_legend_outside(fig, axes[0], columns=4)
    return fig


def draw_certainty(table: pd.DataFrame, floor: NoiseFloor, title: str, synthetic: bool) -> Figure:
    """Every method's change of the impact ratio with both intervals, over the band that paraphrasing reaches.

    Args:
        table: from `uncertainty.table`; the rows of the floor's group are drawn, in their order.
        floor: the changes of random paraphrases.
    """
    rows = table[table["group"] == floor.group].reset_index(drop=True)
    fig, (ax,) = figures.make_canvas(title, 8.5, 2.2 + 0.5 * len(rows), synthetic)
    ax.axvspan(floor.low, floor.high, color="#E3E3E3", zorder=0, label="random paraphrase")
    ax.axvline(0, color=INK, lw=1)
    y = np.arange(len(rows))
    # Both kinds of limits stay visible where they nearly coincide: one thick and pale, one thin.
    ax.hlines(y, rows["low_both"], rows["high_both"], color=PALETTE[5], lw=7, label="by job and candidate")
    ax.hlines(y, rows["low"], rows["high"], color=PALETTE[0], lw=2.2, label="by job")
    ax.plot(rows["change"], y, "o", ms=7, color=PALETTE[0])
    figures.label_rows(ax, rows["method"], room=0.6)
    ax.set_xlabel(f"change of the {floor.group} impact ratio, with 95 % intervals")
    figures.put_legend_above(ax)
    return fig
