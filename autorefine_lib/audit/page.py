"""An audit as text for a terminal, as JSON and as one HTML page in the shape of a bias-audit summary.

Whatever comes from a user's files (group names, paths, ids) is escaped for the format that it goes into.
"""

import base64
import io
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from autorefine_lib import __version__, files, provenance
from autorefine_lib.audit.group_counts import SMALL
from autorefine_lib.audit.measure import QUALITY, Audit
from autorefine_lib.metrics.groups import UNKNOWN

DISCLAIMERS = (
    "No independent audit. New York City's Local Law 144 wants an auditor who is independent of the tool's maker and "
    "of its user; these numbers were computed by whoever ran the command.",
    "No legal advice, and no statement that a tool may or may not be used.",
    "No pass mark: Local Law 144 sets none. Four fifths comes from the Uniform Guidelines (29 CFR 1607.4(D)) and is "
    "for screening only: a smaller difference can be unlawful, and a larger one can be chance or lawful.",
    "No statement about people beyond the files: the ratios hold for these ads, these candidates and this k.",
)
POOLS = {"qualified": "Qualified candidates", "all": "All candidates"}
GROUPS = {
    "group": "Category", "candidates": "Candidates", "selected": "Selected", "available": "Available",
    "selection_rate": "Selection rate", "impact_ratio": "Impact ratio", "low": "95 % from", "high": "to",
    "scoring_rate": "Scoring rate", "scoring_ratio": "Scoring ratio", "note": "Note",
}  # fmt: skip
"""Columns of `Audit.groups` that are shown, and their heads; below those of `Audit.quality`."""
MEANS = {"metric": "Metric", "value": "Value", "low": "95 % from", "high": "to", "n": "Ads"}
COUNTS = ("candidates", "selected", "available", "n")


def collect_facts(audit: Audit, paths: Mapping[str, Path], tool: str) -> dict[str, str]:
    """Collect what a bias-audit summary says beside its tables.

    Args:
        audit: what was measured.
        paths: the files that were read, by what is in them.
        tool: the recommender, or the file of its scores.
    """
    sources = [f"{what}: {path.name}, SHA-256 {files.sha256(path)}" for what, path in paths.items()]
    unknown = audit.groups[audit.groups["group"] == UNKNOWN].drop_duplicates("attribute")
    counted = zip(unknown["attribute"], unknown["candidates"], strict=True)
    return {
        "Tool": tool,
        "Audit date": datetime.now(UTC).date().isoformat(),
        "Data": "\n".join([f"{audit.jobs:,} ads and {audit.candidates:,} candidates", *sources]),
        "Selection criterion": f"the {audit.criteria.k} best-scored candidates of an ad; equal scores share the "
        "places that are left for them",
        "Ties across rank k": count_ties(audit),
        "Reference": "the most selected category of each attribute",
        "Unknown": "; ".join(f"{name}: {count:,} of {audit.candidates:,}" for name, count in counted),
        "Left out of the ratios": f"categories under {SMALL:.0%} of the candidates; they are shown",
        "Not known here": "the tool's version and distribution date, the source and explanation of the data: a summary "
        "under Local Law 144 states them too",
        "Measured with": f"autorefine {__version__}, commit {provenance.commit()}",
    }


def to_dict(audit: Audit, facts: dict[str, str]) -> dict[str, Any]:
    """All of the audit for a machine; what is undefined is None, for JSON has no NaN."""
    tables = {"groups": audit.groups, "quality": audit.quality}
    rows = {name: table.astype(object).where(table.notna(), None).to_dict("records") for name, table in tables.items()}
    sizes: dict[str, Any] = {"k": audit.criteria.k, "ads": audit.jobs, "candidates": audit.candidates}
    sizes |= {"ads_with_a_tie_across_k": audit.tied, "threshold": audit.criteria.threshold}
    found = {"findings": audit.findings, "remarks": list(audit.remarks)}
    return {"facts": facts, "not": list(DISCLAIMERS), **sizes, **found, **rows}


def state_verdict(audit: Audit) -> str:
    """How many findings there are."""
    count = len(audit.findings)
    return f"{count or 'No'} finding{'s' if count > 1 else ''} at k = {audit.criteria.k}"


def state_rule(audit: Audit) -> str:
    """What counts as a finding here."""
    return (
        f"A finding is an impact ratio below {audit.criteria.threshold:g} among {_primary_pool(audit).lower()} that "
        "neither the choice of ads (95 % interval below 1) nor chance among the candidates (p below 0.05) explains. It "
        "is a reason to look, not a verdict."
    )


def count_ties(audit: Audit) -> str:
    """How many ads have a tie across rank k, whose members share the places that are left."""
    return "; ".join(f"{POOLS[pool].lower()}: {count:,} ads" for pool, count in audit.tied.items())


def to_text(audit: Audit, facts: dict[str, str]) -> str:
    """What a terminal shows: no scoring rates, and no control characters from a user's file."""
    shown = {name: head for name, head in GROUPS.items() if not name.startswith("scoring")}
    lines = [f"{audit.jobs:,} ads, {audit.candidates:,} candidates, k = {audit.criteria.k}; {facts['Tool']}. "
             "No independent audit and no legal advice."]  # fmt: skip
    for (pool, attribute), rows in audit.groups.groupby(["pool", "attribute"], sort=False):
        lines += ["", f"{attribute}, {POOLS[pool].lower()}", *_align(format_table(rows, shown))]
    if len(audit.quality):
        lines += ["", "quality of the ranking", *_align(format_table(audit.quality, MEANS))]
    lines += ["", f"ties across rank {audit.criteria.k}: {count_ties(audit)}"]
    lines += [*(f"left out: {line}" for line in audit.remarks), *facts.get("Long texts", "").splitlines()]
    lines += [f"{state_verdict(audit)}. {state_rule(audit)}", *(f"  {line}" for line in audit.findings)]
    return "\n".join("".join(char if char.isprintable() else " " for char in line) for line in lines)


def format_table(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """The named columns under their heads, all cells text: counts in full, other numbers with four digits."""

    def write(column: str, value: Any) -> str:
        if isinstance(value, str):
            return QUALITY.get(value, value) if column == "metric" else value
        if pd.isna(value):
            return ""
        return f"{value:,.1f}".removesuffix(".0") if column in COUNTS else f"{value:#.4g}"

    return pd.DataFrame({head: [write(name, value) for value in table[name]] for name, head in columns.items()})


def write_page(audit: Audit, facts: dict[str, str], folder: Path, command: str) -> Path:
    """Write audit.html, which needs no other file, and audit.json into `folder`; returns the page's path."""
    from autorefine_lib.report import pages

    page = pages.load_template("audit.html.j2").render(
        audit=audit, facts=facts, verdict=state_verdict(audit), rule=state_rule(audit), disclaimers=DISCLAIMERS,
        pools=POOLS, format_table=format_table, groups=GROUPS, means=MEANS, command=command, figure=_draw_ratios(audit),
    )  # fmt: skip
    files.write_json(folder / "audit.json", to_dict(audit, facts))
    return files.write_text(folder / "audit.html", page)


def _primary_pool(audit: Audit) -> str:
    return POOLS[audit.groups["pool"].iloc[0]]


def _align(table: pd.DataFrame) -> list[str]:
    return table.to_markdown(index=False, tablefmt="simple", disable_numparse=True).splitlines()


def _draw_ratios(audit: Audit) -> str:
    """The figure of the primary pool as a data URI; empty where no group has a ratio."""
    from autorefine_lib.report import figures

    rows = audit.groups[audit.groups["pool"] == audit.groups["pool"].iloc[0]]
    if rows["impact_ratio"].isna().all():
        return ""
    title = f"Impact ratios at k = {audit.criteria.k} with 95 % intervals, {_primary_pool(audit).lower()}"
    label = "selection rate / selection rate of the reference (hollow)"
    figure = figures.draw_impact_ratios(rows, title, label, audit.criteria.threshold, synthetic=False)
    image = io.BytesIO()
    with warnings.catch_warnings():
        # A name in a script that the figure's font lacks is still in the table.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(image, dpi=150)
    figures.plt.close(figure)
    return "data:image/png;base64," + base64.b64encode(image.getvalue()).decode()
