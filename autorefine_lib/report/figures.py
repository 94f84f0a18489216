"""The figures and their house style: readable sizes, colors that color-blind readers tell apart, synthetic data marked.

Each function draws one figure from a tidy table and returns it; `save` writes it as PNG and PDF.
"""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from autorefine_lib.files import write_atomic

# Okabe and Ito (2008), "Color Universal Design": told apart under every common form of colour blindness.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442"]
INK, GREY = "#222222", "#767676"
CODING_COLORS = {"masculine": "#0072B2", "neutral": "#BBBBBB", "feminine": "#E69F00"}
STYLE = {
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.labelsize": 11,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E5E5E5",
    "pdf.fonttype": 42,
    "svg.hashsalt": "autorefine",
}
METRIC_NAMES = {
    "impact_ratio": "impact ratio",
    "impact_ratio_all": "impact ratio, whole pool",
    "mrr": "MRR",
    "ndcg": "NDCG",
    "selection_rate": "selection rate",
}


def _canvas(title: str, width: float, height: float, synthetic: bool, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure in the house style with a title that says what is to be seen, and its axes side by side."""
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(1, columns, figsize=(width, height), squeeze=False)
        fig.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
        if synthetic:
            fig.supxlabel("synthetic data", x=0.99, ha="right", fontsize=10, style="italic", color=GREY)
    return fig, list(axes[0])


def _legend_above(ax: Axes) -> None:
    """The legend between title and axes, where it hides no data."""
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2, frameon=False, handletextpad=0.5)


def save(fig: Figure, path: Path) -> list[Path]:
    """Write `path`.png and `path`.pdf, the same bytes for the same figure, and close it; returns both paths."""
    path, written = Path(path), []
    for suffix, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None})):
        target = path.with_name(path.name + suffix)
        with plt.rc_context(STYLE):
            written.append(write_atomic(target, lambda place, meta=metadata: fig.savefig(place, metadata=meta)))
    plt.close(fig)
    return written


def methods(rows: pd.DataFrame, title: str, synthetic: bool, original: str = "original ads") -> Figure:
    """Impact ratio and ranking quality by method, with 95 % intervals, one panel a metric.

    `rows`: one row per method and metric (columns method, metric, k, value, low, high, n, paper), in the order to be
    drawn; `paper` is True for the paper's own numbers, which get a hollow mark. The impact ratio has its parity line at
    1; the quality panels shade what is within 2 % of `original`.
    """
    metrics = list(rows["metric"].unique())
    names = list(rows["method"].unique())
    fig, axes = _canvas(title, 4.0 + 3.0 * len(metrics), 1.9 + 0.5 * len(names), synthetic, len(metrics))
    for ax, metric in zip(axes, metrics, strict=True):
        part = rows[rows["metric"] == metric].set_index("method")
        # Keeps the parity line from crossing out a number near it.
        behind = {"fc": "white", "ec": "none", "pad": 0.6} if metric.startswith("impact_ratio") else None
        for name, row in part.iterrows():
            y = names.index(name)
            color = GREY if row["paper"] else PALETTE[0]
            if pd.notna(row["low"]):
                ax.plot([row["low"], row["high"]], [y, y], color=color, lw=2.2, solid_capstyle="butt")
            ax.plot(
                row["value"], y, "s" if row["paper"] else "o", ms=8, color=color, mfc="white" if row["paper"] else color
            )
            ax.annotate(f"{row['value']:.3f}", (row["value"], y), xytext=(0, 9), textcoords="offset points",
                        ha="center", fontsize=10, color=INK, bbox=behind)  # fmt: skip
        if metric.startswith("impact_ratio"):
            ax.axvline(1.0, color=PALETTE[2], lw=1.5)
            ax.annotate(
                "parity", (1.0, -0.62), color=PALETTE[2], ha="right", xytext=(-4, 0), textcoords="offset points"
            )
        elif original in part.index:
            value = part.loc[original, "value"]
            ax.axvspan(0.98 * value, 1.02 * value, color="#E8F0F6", zorder=0)
            ax.annotate("within 2 % of the original", (value, -0.62), color=GREY, ha="center", fontsize=10)
        # MRR has no cut-off.
        k = part["k"].dropna().unique() if metric != "mrr" else []
        ax.set_xlabel(METRIC_NAMES.get(metric, metric) + (f" at {int(k[0])}" if len(k) == 1 else ""))
        ax.set_ylim(len(names) - 0.5, -0.8)
        ax.set_yticks(range(len(names)) if ax is axes[0] else [], names if ax is axes[0] else [])
        ax.margins(x=0.18)
        ax.grid(axis="y", visible=False)
    return fig


def learning_curves(
    log: pd.DataFrame,
    columns: Sequence[str],
    title: str,
    synthetic: bool,
    labels: dict[str, str] | None = None,
    alarms: pd.DataFrame | None = None,
) -> Figure:
    """One panel per logged column against the step: a thin line a seed, a thick one for their mean.

    `log`: columns seed, step and those named in `columns`, as the trainers log them. `alarms`: columns seed, step and
    monitor, as `monitors.history` returns them; an upright line each.
    """
    fig, axes = _canvas(title, 4.4 * len(columns), 3.9, synthetic, len(columns))
    seeds = sorted(log["seed"].unique())
    for number, (ax, column) in enumerate(zip(axes, columns, strict=True)):
        color = PALETTE[number % len(PALETTE)]
        for seed in seeds:
            part = log[log["seed"] == seed]
            ax.plot(part["step"], part[column], color=color, lw=1, alpha=0.4)
        mean = log.groupby("step")[column].mean()
        ax.plot(
            mean.index, mean, color=color, lw=2.5, label=f"mean of {len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
        )
        for step, there in () if alarms is None else alarms.groupby("step"):
            names = ", ".join(f"{row.monitor} (seed {row.seed})" for row in there.itertuples())
            ax.axvline(step, color=INK, lw=0.8, ls=":")
            ax.annotate(names, (step, 0.02), xycoords=("data", "axes fraction"), xytext=(-2, 0),
                        textcoords="offset points", rotation=90, ha="right", va="bottom", fontsize=9,
                        bbox={"fc": "white", "ec": "none", "pad": 0.4, "alpha": 0.8})  # fmt: skip
        ax.set_xlabel("step")
        ax.set_title((labels or {}).get(column, column), loc="left", fontsize=11)
        ax.legend(loc="best", frameon=False)
    return fig


def live_curves(columns: Sequence[str], title: str, synthetic: bool, labels: dict[str, str]) -> Callable:
    """The `on_step` of a trainer that draws its log anew after every step, in place, in a notebook."""
    from IPython.display import display

    rows: list[dict[str, float]] = []
    handle = display("waiting for the first step", display_id=True)

    def on_step(row: dict[str, float]) -> None:
        rows.append(row)
        log = pd.DataFrame(rows).assign(seed=0)
        figure = learning_curves(log, [name for name in columns if name in log], title, synthetic, labels)
        if handle is not None:  # None outside a notebook
            handle.update(figure)
        plt.close(figure)

    return on_step


def against_reward_calls(
    points: pd.DataFrame, title: str, synthetic: bool, group: str, start: str = "aligned, no RL"
) -> Figure:
    """What every method reached on held-out ads against the reward calls it had spent: reward, and impact ratio.

    `points`: columns method, seed, reward_calls, reward and impact_ratio, as `learning_curves.read` returns them. One
    point of a seed is drawn as a mark, several as a line from the one point of `start`, where all of them began.
    """
    labels = {"reward": "parity gained, as the reward measures it", "impact_ratio": f"{group} impact ratio"}
    fig, axes = _canvas(title, 12, 4.6, synthetic, len(labels))
    first = points[points["method"] == start]
    names = [name for name in points["method"].unique() if name != start]
    for ax, (column, label) in zip(axes, labels.items(), strict=True):
        for name, color, mark in zip(names, itertools.cycle(PALETTE), itertools.cycle("osD^vPX"), strict=False):
            seeds = points[points["method"] == name].groupby("seed")
            for number, (_, part) in enumerate(seeds):
                part = part.sort_values("reward_calls")
                if len(part) > 1:
                    part = pd.concat([first, part])
                # One line a seed, one entry in the legend a method.
                style = {"marker": mark, "ms": 6, "lw": 2 / len(seeds) ** 0.5, "color": color}
                ax.plot(part["reward_calls"], part[column], **style, label="_" * bool(number) + name)
        ax.plot(first["reward_calls"], first[column], "o", ms=8, color=GREY, mfc="white", label=start)
        if column == "impact_ratio":
            ax.axhline(1.0, color=INK, lw=1, ls="--", label="parity")
        ax.set_title(label, loc="left", fontsize=11)
        ax.set_xlabel("reward calls")
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.xaxis.set_major_locator(MaxNLocator(5))
    handles, texts = axes[-1].get_legend_handles_labels()
    with plt.rc_context(STYLE):
        fig.legend(handles, texts, loc="outside right center", frameon=False)
    return fig


def before_after(table: pd.DataFrame, title: str, xlabel: str, synthetic: bool, parity: float | None = None) -> Figure:
    """Dumbbell plot: what each occupation had before (hollow) and has after (full).

    `table`: index occupation, columns before and after; drawn from the smallest `before` up. `parity` draws a line.
    """
    table = table.sort_values("before")
    fig, (ax,) = _canvas(title, 8.5, 2.1 + 0.27 * len(table), synthetic)
    y = np.arange(len(table))
    ax.hlines(y, table["before"], table["after"], color="#B8B8B8", lw=2)
    ax.plot(table["before"], y, "o", mfc="white", color=PALETTE[1], ms=7, label="original ads")
    ax.plot(table["after"], y, "o", color=PALETTE[0], ms=7, label="rewritten ads")
    if parity is not None:
        ax.axvline(parity, color=PALETTE[2], lw=1.5, label="parity")
    ax.set_yticks(y, [str(name).replace("_", " ") for name in table.index])
    ax.set_ylim(-0.8, len(table) - 0.2)
    ax.set_xlabel(xlabel)
    ax.grid(axis="y", visible=False)
    _legend_above(ax)
    return fig


def groups_by_occupation(candidates: pd.DataFrame, attribute: str, title: str, synthetic: bool) -> Figure:
    """Share of each group of `attribute` in every occupation, with the number of candidates beside the bar.

    `candidates`: one row a candidate with the columns occupation and `attribute`.
    """
    counts = pd.crosstab(candidates["occupation"], candidates[attribute])
    counts = counts[counts.sum().sort_values(ascending=False).index]
    shares = counts.div(counts.sum(axis=1), axis=0)
    order = shares[shares.columns[0]].sort_values().index
    fig, (ax,) = _canvas(title, 8.5, 2.1 + 0.27 * len(order), synthetic)
    left = np.zeros(len(order))
    for number, group in enumerate(shares.columns):
        part = shares.loc[order, group].to_numpy()
        ax.barh(range(len(order)), part, left=left, color=PALETTE[number % len(PALETTE)], label=str(group), height=0.78)
        left += part
    ax.set_yticks(range(len(order)), [str(name).replace("_", " ") for name in order])
    for y, n in enumerate(counts.loc[order].sum(axis=1)):
        ax.annotate(f"{n:,}", (1.01, y), va="center", fontsize=10, color=GREY)
    ax.set_xlim(0, 1.1)
    ax.set_ylim(-0.6, len(order) - 0.4)
    ax.set_xticks(np.linspace(0, 1, 5), [f"{share:.0%}" for share in np.linspace(0, 1, 5)])
    ax.set_xlabel(f"share of candidates by {attribute.replace('_', ' ')} (number at the right)")
    ax.grid(axis="y", visible=False)
    _legend_above(ax)
    return fig


def coding_of_ads(counts: pd.DataFrame, title: str, synthetic: bool) -> Figure:
    """Listed phrases per ad by coding, one stacked bar a method.

    `counts`: index method, columns masculine, neutral and feminine (mean number of listed phrases per ad).
    """
    fig, (ax,) = _canvas(title, 8.5, 2.2 + 0.45 * len(counts), synthetic)
    left = np.zeros(len(counts))
    for coding, color in CODING_COLORS.items():
        values = counts[coding].to_numpy(dtype=float)
        ax.barh(
            range(len(counts)),
            values,
            left=left,
            color=color,
            label=f"{coding}-coded" if coding != "neutral" else coding,
        )
        for y, (start, value) in enumerate(zip(left, values, strict=True)):
            if value > 0.08 * counts.sum(axis=1).max():
                white = coding == "masculine"
                ax.annotate(
                    f"{value:.1f}", (start + value / 2, y), ha="center", va="center", color="white" if white else INK
                )
        left += values
    ax.set_yticks(range(len(counts)), counts.index)
    ax.invert_yaxis()
    ax.set_xlabel("listed phrases per ad")
    ax.grid(axis="y", visible=False)
    _legend_above(ax)
    return fig


def histogram(values: pd.DataFrame, by: str, column: str, title: str, xlabel: str, synthetic: bool) -> Figure:
    """Overlaid histograms of `column`, one outline a value of `by`, each scaled to the same area."""
    # Imported here: it takes a second, and only histograms need it.
    import seaborn as sns

    fig, (ax,) = _canvas(title, 8.5, 4.2, synthetic)
    groups = values[by].nunique()
    sns.histplot(values, x=column, hue=by, element="step", fill=groups < 3, stat="density", common_norm=False,
                 palette=PALETTE[:groups], ax=ax)  # fmt: skip
    ax.set_xlabel(xlabel)
    ax.set_ylabel("density")
    return fig


def shares(table: pd.DataFrame, title: str, xlabel: str, synthetic: bool) -> Figure:
    """Grouped bars of shares between 0 and 1: one group an index entry, one color a column, the value at each bar."""
    fig, (ax,) = _canvas(title, 8.5, 2.2 + 0.3 * table.size, synthetic)
    height = 0.8 / table.shape[1]
    for number, column in enumerate(table.columns):
        y = np.arange(len(table)) + (number - (table.shape[1] - 1) / 2) * height
        ax.barh(y, table[column], height * 0.9, color=PALETTE[number % len(PALETTE)], label=column.replace("_", " "))
        for place, value in zip(y, table[column], strict=True):
            ax.annotate(f"{value:.0%}", (value, place), xytext=(4, 0), textcoords="offset points", va="center",
                        fontsize=10)  # fmt: skip
    ax.set_yticks(range(len(table)), table.index)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.1)
    ax.set_xticks(np.linspace(0, 1, 5), [f"{share:.0%}" for share in np.linspace(0, 1, 5)])
    ax.set_xlabel(xlabel)
    ax.grid(axis="y", visible=False)
    _legend_above(ax)
    return fig


def impact_ratios(rows: pd.DataFrame, title: str, xlabel: str, line: float, synthetic: bool) -> Figure:
    """Impact ratios with their intervals, group by group under the name of their attribute.

    `rows`: columns attribute, group, impact_ratio, low, high, finding and reference, in the order to be drawn; a row
    without a ratio is left out. A reference group is hollow, a finding another color and shape. Lines at 1 and `line`.
    """
    rows = rows[rows["impact_ratio"].notna()]
    names, places = [], []
    for attribute, part in rows.groupby("attribute", sort=False):
        names += [attribute, *part["group"]]
        places += [False, *[True] * len(part)]
    fig, (ax,) = _canvas(title, 8.5, 1.8 + 0.33 * len(names), synthetic)
    for y, row in zip(np.flatnonzero(places), rows.itertuples(), strict=True):
        color = PALETTE[1] if row.finding else PALETTE[0]
        if pd.notna(row.low):
            ax.plot([row.low, row.high], [y, y], color=color, lw=2.2, solid_capstyle="butt")
        hollow = row.group == row.reference
        ax.plot(row.impact_ratio, y, "D" if row.finding else "o", ms=7, color=color, mfc="white" if hollow else color)
    for x, name, style in ((1.0, "parity", "-"), (line, f"{line:g}", "--")):
        ax.axvline(x, color=GREY, lw=1.2, ls=style, zorder=0.5)
        ax.annotate(name, (x, -0.75), color=GREY, ha="center", va="bottom", fontsize=10)
    # A name from somebody's file may hold a dollar sign, which is no formula.
    ax.set_yticks(range(len(names)), names, parse_math=False)
    for label, group in zip(ax.get_yticklabels(), places, strict=True):
        label.set_fontweight("normal" if group else "bold")
    ax.set_ylim(len(names) - 0.4, -0.8)
    ax.set_xlim(left=0)
    ax.set_xlabel(xlabel)
    ax.grid(axis="y", visible=False)
    return fig
