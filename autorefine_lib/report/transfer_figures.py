"""Figures of notebook 08: what every method does under every judge. Style and saving are those of `figures`."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from autorefine_lib.evaluation.method import ORIGINAL
from autorefine_lib.report.figures import GREY, INK, PALETTE, label_rows, make_canvas, put_legend_outside


def draw_changes(table: pd.DataFrame, title: str, synthetic: bool, group: str, labels: dict[str, str]) -> Figure:
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
    fig, axes = make_canvas(title, 2.3 + 2.9 * len(recommenders), height, synthetic, len(recommenders))
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
        label_rows(ax, methods if ax is axes[0] else [""] * len(methods), room=0.5)
        ax.xaxis.set_major_locator(MaxNLocator(4))
    # One scale, so that judges can be compared.
    limits = np.array([ax.get_xlim() for ax in axes])
    for ax in axes:
        ax.set_xlim(limits.min(), limits.max())
    axes[0].set_xlabel(f"change of the {group} impact ratio against the original ads", loc="left", color=INK)
    put_legend_outside(fig, axes[0], columns=4)
    return fig


def draw_agreement(table: pd.DataFrame, title: str, synthetic: bool, k: int) -> Figure:
    """Rank correlation of each pair of recommenders over the qualified, with interval, and the share of k in common.

    Args:
        table: from `transfer.agreement`.
    """
    names = [f"{row.first} and {row.second}" for row in table.itertuples()]
    fig, (left, right) = make_canvas(title, 9.5, 1.9 + 0.42 * len(names), synthetic, 2)
    y = np.arange(len(names))
    left.hlines(y, table["low"], table["high"], color=PALETTE[0], lw=2.2)
    left.plot(table["spearman"], y, "o", ms=7, color=PALETTE[0])
    for place, value in zip(y, table["spearman"], strict=True):
        left.annotate(f"{value:.2f}", (value, place), xytext=(0, 9), textcoords="offset points", ha="center",
                      va="center", fontsize=10, color=GREY)  # fmt: skip
    right.bar_label(
        right.barh(y, table["shared"], 0.6, color=PALETTE[0]), fmt="{:.2f}", padding=4, color=GREY, fontsize=10
    )
    labels = {"spearman": "Spearman correlation over the qualified", "shared": f"share of the {k} selected in common"}
    for ax, (column, label) in zip((left, right), labels.items(), strict=True):
        ax.set_xlabel(label)
        ax.set_xlim(min(0, table[column].min() - 0.15), 1.12)
        label_rows(ax, names if ax is left else [""] * len(names), room=0.7)
    return fig
