"""Rewrites to look through in a notebook: every sampled one by effect, and one ad at stages of a training."""

from collections.abc import Mapping

import ipywidgets as widgets
import pandas as pd
from IPython.display import display

from autorefine_lib.generator.generator import Rewrite
from autorefine_lib.report.pages import load_template
from autorefine_lib.text.word_diff import word_diff

MOST = 60
"""Rewrites on a page: where there are more, those with the largest and those with the lowest effect."""


def render_rewrites(tried: pd.DataFrame, synthetic: bool) -> dict[str, str]:
    """Pages of sampled rewrites: those that passed the guards, by effect, and those that each guard refused.

    Args:
        tried: from `RankingReward.score`, with the samples in the column `completion` (`ilql.offline.collect`). Samples
            that leave their sentence as it is are counted and not shown; a rewrite that was sampled twice stands once.
        synthetic: whether the pages say that the ads are synthetic.

    Returns:
        HTML by the name of the page, the accepted first; every text is escaped.
    """
    refused = tried["reasons"].str.len() > 0
    same = ~refused & ~tried["changed"]
    shown = tried.assign(draft=tried["text"].where(~refused, tried["completion"].str.strip()))
    shown = shown[~same].drop_duplicates(["job_id", "position", "draft"])
    reasons = shown["reasons"].map(list)
    pages = {"accepted": reasons.str.len() == 0}
    names = sorted({name for of in reasons for name in of})
    pages |= {f"refused: {name}": reasons.map(lambda of, name=name: name in of) for name in names}
    template, made = load_template("rewrites.html.j2"), {}
    for name, rows in pages.items():
        table = shown[rows].assign(reasons=reasons[rows].map(", ".join))
        table["effect"] = table["parity"].where(table["reasons"] == "")
        table = table.sort_values("effect", ascending=False, kind="stable")
        some = table if len(table) <= MOST else pd.concat([table.head(MOST // 2), table.tail(MOST // 2)])
        pieces = [word_diff(row.source, row.draft) for row in some.itertuples()]
        made[f"{name} ({len(table):,})"] = template.render(
            rows=zip(some.itertuples(), pieces, strict=True), left=len(table) - len(some), half=MOST // 2,
            same=int(same.sum()), tried=len(tried), synthetic=synthetic,
        )  # fmt: skip
    return made


def render_stage(ad: str, made: Rewrite, synthetic: bool) -> str:
    """One ad as a policy rewrites it at some stage of its training: its changed words, and what was refused."""
    return load_template("stage.html.j2").render(pieces=word_diff(ad, made.text), made=made, synthetic=synthetic)


def show(pages: Mapping[str, str], label: str, slider: bool = False) -> None:
    """Display the first page below a control that leads to the others; without a front end for widgets, it alone.

    Args:
        pages: HTML by name, at least one.
        label: what stands before the control.
        slider: whether the pages are stages that follow each other, for a slider in the place of a list. It starts at
            the last one.
    """
    kind, first = (widgets.SelectionSlider, [*pages][-1]) if slider else (widgets.Dropdown, [*pages][0])
    wide = widgets.Layout(width="auto")
    control = kind(options=list(pages), value=first, description=label, style={"description_width": "initial"})
    page = widgets.HTML(pages[first], layout=wide)
    control.observe(lambda change: setattr(page, "value", pages[change["new"]]), "value")
    # A reader without widgets gets the page as it is now.
    display(widgets.VBox([control, page])._repr_mimebundle_() | {"text/html": page.value}, raw=True)
