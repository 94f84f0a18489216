"""Figures of notebook 08: what every method does under every judge. House style, saving and palette are `figures`'."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from autorefine_lib.evaluation.method import ORIGINAL
from autorefine_lib.report.figures import GREY, INK, PALETTE, STYLE, _canvas, plt


def changes(table: pd.DataFrame, title: str, synthetic: bool, group: str, labels: dict[str, str]) -> Figure:
    """Change of the impact ratio by method, one panel a recommender, one mark a pool of candidates.

    `table`: from `transfer.measure`. `labels`: what stands above the panel of each recommender. A line says where the
    change would end at parity, for each pool by itself: right of 0 where the original ads lie below, left where above.
    """
    methods = [name for name in table["method"].unique() if name != ORIGINAL]
    recommenders, pools = table["recommender"].unique(), table["candidates"].unique()
    height = 2.6 + (0.22 + 0.2 * len(pools)) * len(methods)
    fig, axes = _canvas(title, 2.3 + 2.9 * len(recommenders), height, synthetic, len(recommenders))
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
        ax.set_yticks(range(len(methods)), methods if ax is axes[0] else [])
        ax.set_ylim(len(methods) - 0.5, -0.5)
        ax.grid(axis="y", visible=False)
    reach = pd.concat(
        [table["change_low"], table["change_high"], 1 - table.loc[table["method"] == ORIGINAL, "impact_ratio"]]
    )
    room = 0.06 * (reach.max() - reach.min())
    for ax in axes:  # one scale, so that judges can be compared
        ax.set_xlim(min(0, reach.min()) - room, max(0, reach.max()) + room)
        ax.xaxis.set_major_locator(MaxNLocator(4))
    handles, texts = axes[0].get_legend_handles_labels()
    with plt.rc_context(STYLE):
        fig.legend(handles, texts, loc="outside lower left", ncols=4, frameon=False)
        axes[0].set_xlabel(f"change of the {group} impact ratio against the original ads", loc="left", color=INK)
    return fig


def agreement(table: pd.DataFrame, title: str, synthetic: bool, k: int) -> Figure:
    """Rank correlation of each pair of recommenders over the qualified, with interval, and the share of k in common.

    `table`: from `transfer.agreement`.
    """
    names = [f"{row.first} and {row.second}" for row in table.itertuples()]
    fig, axes = _canvas(title, 9.5, 1.9 + 0.42 * len(names), synthetic, 2)
    y = np.arange(len(names))
    axes[0].hlines(y, table["low"], table["high"], color=PALETTE[0], lw=2.2)
    axes[0].plot(table["spearman"], y, "o", ms=7, color=PALETTE[0])
    axes[1].barh(y, table["shared"], 0.6, color=PALETTE[0])
    labels = ("Spearman correlation over the qualified", f"share of the {k} selected in common")
    for ax, label, column in zip(axes, labels, ("spearman", "shared"), strict=True):
        for place, value in zip(y, table[column], strict=True):
            ax.annotate(f"{value:.2f}", (value, place), xytext=(0, 9) if column == "spearman" else (4, 0),
                        textcoords="offset points", ha="center" if column == "spearman" else "left", va="center",
                        fontsize=10, color=GREY)  # fmt: skip
        ax.set_xlabel(label)
        ax.set_xlim(min(0, table[column].min() - 0.15), 1.12)
        ax.set_yticks(y, names if ax is axes[0] else [])
        ax.set_ylim(len(names) - 0.5, -0.7)
        ax.grid(axis="y", visible=False)
    return fig
