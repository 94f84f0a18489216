"""Figures of what things cost; `figures.save` writes them."""

import pandas as pd
from matplotlib.figure import Figure

from autorefine_lib.figures import PALETTE, _canvas


def cost_by_pool(table: pd.DataFrame, title: str) -> Figure:
    """Seconds a batch, memory and recall against the size of the pool, one line a method; the first two logarithmic.

    `table`: one row a pool and method, columns method, vectors, pool, batch_seconds, index_mib and recall, as
    `index_bench.measure` writes them. The vectors are not real ones, and the legend says which.
    """
    panels = (
        ("batch_seconds", "seconds for the batch"),
        ("index_mib", "memory of the index, MiB"),
        ("recall", "recall"),
    )
    fig, axes = _canvas(title, 12.5, 4.2, True, len(panels))
    for ax, (column, label) in zip(axes, panels, strict=True):
        for number, ((method, vectors), part) in enumerate(table.groupby(["method", "vectors"], sort=True)):
            # What needs no memory has no place on a logarithmic axis.
            part = part[part[column] > 0].sort_values("pool")
            color = PALETTE[number % len(PALETTE)]
            ax.plot(part["pool"], part[column], "o-", color=color, lw=2, label=f"{method} ({vectors})")
        ax.set_xscale("log")
        ax.set_xlabel("candidates in the pool")
        ax.set_ylabel(label)
        if column != "recall":
            ax.set_yscale("log")
        else:
            ax.set_ylim(min(0.9, table[column].min()), 1.005)
    axes[0].legend(loc="upper left", frameon=False, fontsize=9)
    return fig
