"""The figures and their house style: readable sizes, colors that color-blind readers tell apart, synthetic data marked.

Each function draws one figure from a tidy table and returns it; `save` writes it as PNG and PDF.
"""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from importlib import resources
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from autorefine_lib.evaluation.method import ORIGINAL
from autorefine_lib.files import clock, write_atomic
from autorefine_lib.metrics.bootstrap import Interval

# Okabe and Ito (2008), "Color Universal Design": told apart under every common form of colour blindness.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442"]
INK, GREY = "#222222", "#767676"
CODING_COLORS = {"masculine": "#0072B2", "neutral": "#BBBBBB", "feminine": "#E69F00"}
STYLE = str(resources.files("autorefine_lib").joinpath("resources/figures.mplstyle"))
START = "aligned, no RL"
METRIC_NAMES = {
    "impact_ratio_qualified": "impact ratio, qualified",
    "impact_ratio_between": "ratio between occupations",
    "impact_ratio_within": "ratio within occupations",
    "mrr": "MRR",
    "ndcg": "NDCG",
}


def make_canvas(
    title: str, width: float, height: float, synthetic: bool, columns: int = 1
) -> tuple[Figure, list[Axes]]:
    """A figure in the house style with a title that says what is to be seen, and its axes side by side."""
    with plt.style.context(STYLE):
        fig, axes = plt.subplots(1, columns, figsize=(width, height), squeeze=False)
        fig.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
        if synthetic:
            fig.supxlabel("synthetic data", x=0.99, ha="right", fontsize=10, style="italic", color=GREY)
    return fig, list(axes[0])


def label_rows(ax: Axes, names: Sequence[str], room: float = 0.8) -> None:
    """Write the names of the rows at the left, the first at the top, with `room` rows above it."""
    # A name from somebody's file may hold a dollar sign, which is no formula.
    ax.set_yticks(range(len(names)), names, parse_math=False)
    ax.set_ylim(len(names) - 0.4, -room)
    ax.grid(axis="y", visible=False)


def put_legend_above(ax: Axes) -> None:
    """Put the legend between title and axes, where it hides no data."""
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2, frameon=False, handletextpad=0.5)


def put_legend_outside(fig: Figure, ax: Axes, place: str = "lower left", columns: int = 2) -> None:
    """Put one legend for all axes beside or below them, with the entries of `ax`."""
    with plt.style.context(STYLE):
        fig.legend(*ax.get_legend_handles_labels(), loc=f"outside {place}", ncols=columns, frameon=False)


def save(fig: Figure, path: Path) -> list[Path]:
    """Write `path`.png and `path`.pdf, the same bytes for the same figure, and close it; returns both paths."""
    path, written = Path(path), []
    for suffix, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None})):
        target = path.with_name(path.name + suffix)
        with plt.style.context(STYLE):
            written.append(write_atomic(target, partial(fig.savefig, metadata=metadata)))
    plt.close(fig)
    return written


def draw_methods(rows: pd.DataFrame, title: str, synthetic: bool) -> Figure:
    """Impact ratio and ranking quality by method, with 95 % intervals, one panel a metric.

    The impact ratio has its parity line at 1. The quality panels shade what is within 2 % of the original ads.

    Args:
        rows: one row per method and metric (columns method, metric, k, value, low, high, n, paper), in the order to be
            drawn. `paper` is True for the paper's own numbers, which get a hollow mark.
    """
    metrics, names = list(rows["metric"].unique()), list(rows["method"].unique())
    fig, axes = make_canvas(title, 4.0 + 3.0 * len(metrics), 1.9 + 0.5 * len(names), synthetic, len(metrics))
    for ax, metric in zip(axes, metrics, strict=True):
        part = rows[rows["metric"] == metric]
        ratio = metric.startswith("impact_ratio")
        # White behind it keeps the parity line from crossing out a number near it.
        behind = {"fc": "white", "ec": "none", "pad": 0.6} if ratio else None
        for row in part.itertuples():
            y = names.index(row.method)
            color, mark = (GREY, "s") if row.paper else (PALETTE[0], "o")
            _draw_value(ax, y, Interval(row.value, row.low, row.high), color, mark, row.paper)
            ax.annotate(f"{row.value:.3f}", (row.value, y), xytext=(0, 9), textcoords="offset points", ha="center",
                        fontsize=10, color=INK, bbox=behind)  # fmt: skip
        if ratio:
            ax.axvline(1.0, color=PALETTE[2], lw=1.5)
            ax.annotate("parity ", (1.0, -0.62), color=PALETTE[2], ha="right")
        elif (value := part.loc[part["method"] == ORIGINAL, "value"]).any():
            ax.axvspan(0.98 * value.item(), 1.02 * value.item(), color="#E8F0F6", zorder=0)
            ax.annotate("within 2 % of the original", (value.item(), -0.62), color=GREY, ha="center", fontsize=10)
        # MRR has no cut-off.
        k = part["k"].dropna().unique() if metric != "mrr" else []
        ax.set_xlabel(METRIC_NAMES.get(metric, _to_words(metric)) + (f" at {int(k[0])}" if len(k) == 1 else ""))
        label_rows(ax, names if ax is axes[0] else [""] * len(names))
        ax.margins(x=0.18)
    return fig


def draw_learning_curves(
    log: pd.DataFrame,
    columns: Sequence[str],
    title: str,
    synthetic: bool,
    labels: dict[str, str] | None = None,
    alarms: pd.DataFrame | None = None,
) -> Figure:
    """One panel per logged column against the step: a thin line a seed, a thick one for their mean.

    Args:
        log: columns seed, step and those named in `columns`, as the trainers log them.
        labels: what stands above the panel of a column.
        alarms: columns seed, step and monitor, as `monitors.history` returns them; an upright line each.
    """
    fig, axes = make_canvas(title, 4.4 * len(columns), 3.9, synthetic, len(columns))
    seeds = log["seed"].nunique()
    for ax, column, color in zip(axes, columns, itertools.cycle(PALETTE), strict=False):
        wide = log.pivot_table(index="step", columns="seed", values=column)
        ax.plot(wide.index, wide, color=color, lw=1, alpha=0.4)
        ax.plot(wide.index, wide.mean(axis=1), color=color, lw=2.5, label=f"mean of {seeds} seed{'s' * (seeds > 1)}")
        ax.set_xlabel("step")
        for step, there in () if alarms is None else alarms.groupby("step"):
            names = ", ".join(f"{row.monitor} (seed {row.seed})" for row in there.itertuples())
            ax.axvline(step, color=INK, lw=0.8, ls=":")
            ax.annotate(names, (step, 0.02), xycoords=("data", "axes fraction"), xytext=(-2, 0),
                        textcoords="offset points", rotation=90, ha="right", va="bottom", fontsize=9,
                        bbox={"fc": "white", "ec": "none", "pad": 0.4, "alpha": 0.8})  # fmt: skip
        ax.set_title((labels or {}).get(column, column), loc="left", fontsize=11)
        ax.legend(loc="best", frameon=False)
    return fig


def draw_live_curves(
    path: Path, steps: int, columns: Sequence[str], title: str, synthetic: bool, labels: dict[str, str]
) -> Callable:
    """The `on_step` of a trainer that draws its log anew after every step, in place, in a notebook.

    Args:
        path: `log.csv` of the trainer, which holds the steps before an interruption too.
        steps: of the whole training. The title says how many are done, and how long the rest should take.
        columns, title, synthetic, labels: as for `draw_learning_curves`.
    """
    from IPython.display import display

    handle = display("waiting for the first step", display_id=True)

    def on_step(row: dict[str, float]) -> None:
        log = pd.read_csv(path).assign(seed=0)
        left = f"about {clock(log['seconds/step'].mean() * (steps - len(log)))} left" if len(log) < steps else "done"
        shown, drawn = [name for name in columns if name in log], f"{title}: step {len(log)} of {steps}, {left}"
        figure = draw_learning_curves(log, shown, drawn, synthetic, labels)
        if handle is not None:  # None outside a notebook
            handle.update(figure)
        plt.close(figure)

    return on_step


def draw_reward_calls(points: pd.DataFrame, title: str, synthetic: bool, group: str) -> Figure:
    """What every method reached on held-out ads against the reward calls it had spent: reward, and impact ratio.

    Args:
        points: columns method, seed, reward_calls, reward and impact_ratio, as `learning_curves.read` returns them. One
            point of a seed is drawn as a mark, several as a line from the one point of `START`, where all began.
    """
    labels = {"reward": "parity gained, as the reward measures it", "impact_ratio": f"{group} impact ratio"}
    fig, axes = make_canvas(title, 12, 4.6, synthetic, len(labels))
    first = points[points["method"] == START]
    names = [name for name in points["method"].unique() if name != START]
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
        ax.plot(first["reward_calls"], first[column], "o", ms=8, color=GREY, mfc="white", label=START)
        if column == "impact_ratio":
            ax.axhline(1.0, color=INK, lw=1, ls="--", label="parity")
        ax.set_title(label, loc="left", fontsize=11)
        ax.set_xlabel("reward calls")
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.xaxis.set_major_locator(MaxNLocator(5))
    put_legend_outside(fig, axes[-1], "right center", 1)
    return fig


def draw_before_after(table: pd.DataFrame, title: str, xlabel: str, synthetic: bool, parity: float = 1.0) -> Figure:
    """Dumbbell plot: what each occupation had before (hollow) and has after (full).

    Args:
        table: index occupation, columns before and after; drawn from the largest `before` down.
        parity: where a line is drawn.
    """
    table = table.sort_values("before", ascending=False)
    fig, (ax,) = make_canvas(title, 8.5, 2.1 + 0.27 * len(table), synthetic)
    y = np.arange(len(table))
    ax.hlines(y, table["before"], table["after"], color="#B8B8B8", lw=2)
    ax.plot(table["before"], y, "o", mfc="white", color=PALETTE[1], ms=7, label="original ads")
    ax.plot(table["after"], y, "o", color=PALETTE[0], ms=7, label="rewritten ads")
    ax.axvline(parity, color=PALETTE[2], lw=1.5, label="parity")
    label_rows(ax, [_to_words(name) for name in table.index])
    ax.set_xlabel(xlabel)
    put_legend_above(ax)
    return fig


def draw_groups_by_occupation(candidates: pd.DataFrame, attribute: str, title: str, synthetic: bool) -> Figure:
    """Share of each group of `attribute` in every occupation, with the number of candidates beside the bar.

    Args:
        candidates: one row a candidate with the columns occupation and `attribute`.
    """
    counts = pd.crosstab(candidates["occupation"], candidates[attribute])
    counts = counts[counts.sum().sort_values(ascending=False).index]
    shares = counts.div(counts.sum(axis=1), axis=0).sort_values(counts.columns[0], ascending=False)
    fig, (ax,) = make_canvas(title, 8.5, 2.1 + 0.27 * len(shares), synthetic)
    _draw_bars(ax, shares.rename(index=_to_words), PALETTE, stacked=True)
    for y, n in enumerate(counts.sum(axis=1)[shares.index]):
        ax.annotate(f"{n:,}", (1.01, y), va="center", fontsize=10, color=GREY)
    _show_percent(ax, f"share of candidates by {_to_words(attribute)} (number at the right)")
    return fig


def draw_coding(counts: pd.DataFrame, title: str, synthetic: bool) -> Figure:
    """Listed phrases per ad by coding, one stacked bar a method.

    Args:
        counts: index method, columns masculine, neutral and feminine (mean number of listed phrases per ad).
    """
    fig, (ax,) = make_canvas(title, 8.5, 2.2 + 0.45 * len(counts), synthetic)
    names = {coding: coding if coding == "neutral" else f"{coding}-coded" for coding in CODING_COLORS}
    shown, colors = counts[list(names)].rename(columns=names), ["white", INK, INK]
    least = 0.08 * counts.sum(axis=1).max()
    for bars, color in zip(_draw_bars(ax, shown, list(CODING_COLORS.values()), stacked=True), colors, strict=True):
        ax.bar_label(bars, fmt=lambda v: f"{v:.1f}" if v > least else "", label_type="center", color=color, fontsize=11)
    ax.set_xlabel("listed phrases per ad")
    return fig


def draw_histogram(values: pd.DataFrame, by: str, column: str, title: str, xlabel: str, synthetic: bool) -> Figure:
    """Overlaid histograms of `column`, one outline a value of `by`, each scaled to the same area."""
    # Imported here: it takes a second, and only histograms need it.
    import seaborn as sns

    fig, (ax,) = make_canvas(title, 8.5, 4.2, synthetic)
    groups = values[by].nunique()
    sns.histplot(values, x=column, hue=by, element="step", fill=groups < 3, stat="density", common_norm=False,
                 palette=PALETTE[:groups], ax=ax)  # fmt: skip
    ax.set_xlabel(xlabel)
    ax.set_ylabel("density")
    return fig


def draw_shares(table: pd.DataFrame, title: str, xlabel: str, synthetic: bool) -> Figure:
    """Grouped bars of shares between 0 and 1: one group an index entry, one color a column, the value at each bar."""
    fig, (ax,) = make_canvas(title, 8.5, 2.2 + 0.3 * table.size, synthetic)
    for bars in _draw_bars(ax, table.rename(columns=_to_words), PALETTE, stacked=False):
        ax.bar_label(bars, fmt="{:.0%}", padding=4, fontsize=10)
    _show_percent(ax, xlabel)
    return fig


def draw_impact_ratios(rows: pd.DataFrame, title: str, xlabel: str, line: float, synthetic: bool) -> Figure:
    """Impact ratios with their intervals, group by group under the name of their attribute.

    A reference group is hollow, a finding has another color and shape. There are lines at 1 and at `line`.

    Args:
        rows: columns attribute, group, impact_ratio, low, high, finding and reference, in the order to be drawn; a row
            without a ratio is left out.
    """
    rows = rows[rows["impact_ratio"].notna()]
    # One row for the name of each attribute, and one for each of its groups.
    named = [(name, row) for name, part in rows.groupby("attribute", sort=False) for row in (None, *part.itertuples())]
    fig, (ax,) = make_canvas(title, 8.5, 1.8 + 0.33 * len(named), synthetic)
    label_rows(ax, [row.group if row else name for name, row in named])
    for y, (label, (_, row)) in enumerate(zip(ax.get_yticklabels(), named, strict=True)):
        if row is None:
            label.set_fontweight("bold")
            continue
        color, mark = (PALETTE[1], "D") if row.finding else (PALETTE[0], "o")
        ratio = Interval(row.impact_ratio, row.low, row.high)
        _draw_value(ax, y, ratio, color, mark, row.group == row.reference)
    for x, name, style in ((1.0, "parity", "-"), (line, f"{line:g}", "--")):
        ax.axvline(x, color=GREY, lw=1.2, ls=style, zorder=0.5)
        ax.annotate(name, (x, -0.75), color=GREY, ha="center", va="bottom", fontsize=10)
    ax.set_xlim(left=0)
    ax.set_xlabel(xlabel)
    return fig


def _draw_value(ax: Axes, y: float, found: Interval, color: str, mark: str, hollow: bool) -> None:
    """A mark and its interval, which is not drawn where it is not known (NaN)."""
    ax.plot([found.low, found.high], [y, y], color=color, lw=2.2, solid_capstyle="butt")
    ax.plot(found.value, y, mark, ms=7.5, color=color, mfc="white" if hollow else color)


def _draw_bars(ax: Axes, table: pd.DataFrame, colors: Sequence[str], stacked: bool) -> list:
    """Level bars, a row an index entry from the top down, with a color a column; returns those of each column."""
    table.plot.barh(ax=ax, stacked=stacked, color=colors[: table.shape[1]], width=0.8, ylabel="")
    label_rows(ax, table.index, room=0.6)
    put_legend_above(ax)
    return ax.containers


def _show_percent(ax: Axes, xlabel: str) -> None:
    ax.set_xlim(0, 1.1)
    ax.set_xticks(np.linspace(0, 1, 5), [f"{share:.0%}" for share in np.linspace(0, 1, 5)])
    ax.set_xlabel(xlabel)


def _to_words(name: object) -> str:
    return str(name).replace("_", " ")
