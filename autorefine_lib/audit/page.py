"""An audit as files: a page (HTML), JSON, CSV, Markdown and the figure, in the shape of a bias-audit summary.

Whatever comes from a user's files (group names, paths, ids) is escaped for the format that it goes into.
"""

import base64
import html
import re
import warnings
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from autorefine_lib import __version__, files, provenance
from autorefine_lib.audit.measure import QUALITY, Audit
from autorefine_lib.errors import InputError
from autorefine_lib.metrics import groups

DISCLAIMERS = (
    "No independent audit. New York City's Local Law 144 wants an auditor who is independent of the tool's maker and "
    "of its user; these numbers were computed by whoever ran the command.",
    "No legal advice, and no statement that a tool may or may not be used.",
    "No pass mark: Local Law 144 sets none. Four fifths comes from the Uniform Guidelines (29 CFR 1607.4(D)) and is "
    "for screening only: a smaller difference can be unlawful, and a larger one can be chance or lawful.",
    "No statement about people beyond the files: the ratios hold for these ads, these candidates and this k.",
)
POOLS = {
    "qualified": (
        "Qualified candidates",
        "Each ad selects among the candidates of its own occupation, so that the mix of occupations does not pass for "
        "an effect of the ranking.",
    ),
    "all": (
        "All candidates",
        "Each ad selects among all candidates, as a recruiter sees the ranking. Occupations differ between groups, and "
        "that alone moves these ratios.",
    ),
}
DEFINITIONS = (
    "Selection rate = selected / available, both summed over the ads: a candidate is available once for each ad that "
    "could select him or her.",
    "Impact ratio = selection rate / selection rate of the reference: the most selected category, or a named one.",
    "95 % interval: percentile bootstrap over the ads, the candidates held fixed. It says how far other ads of the "
    "same kind would move the ratio.",
    "p: the chance of a ratio as low if labels were shuffled among the candidates who compete with each other "
    "(permutation test), by Holm over all categories, so that many categories raise no false alarm.",
    "Scoring rate = share of the category above the median score of each ad, summed over the ads; scoring ratio = "
    "scoring rate / the highest scoring rate.",
    "Exposure counts a selected candidate by 1 / log2(1 + rank) (Singh and Joachims, 2018). NDKL is 0 where every "
    "upper part of the ranking has the groups' shares of the pool (Geyik et al., 2019).",
)
_COLUMNS = (
    "Category", "Candidates", "Selected / available", "Selection rate", "Impact ratio", "95 % interval", "Scoring rate",
    "Scoring ratio", "Note",
)  # fmt: skip


def check_date(word: str | None) -> str | None:
    """`word` if it is a date as in 2026-01-31, or None; InputError otherwise."""
    try:
        return word and date.fromisoformat(word).isoformat()
    except ValueError:
        raise InputError(f"distribution date {word!r} is no date; write it as in 2026-01-31") from None


def facts(audit: Audit, paths: dict[str, Path], stated: dict[str, str | None]) -> dict[str, str]:
    """What a bias-audit summary says beside its tables.

    Args:
        paths: the files that were read, by what is in them.
        stated: what only the user can know: tool, tool_version, distribution_date, data_source; None if not stated.
    """
    criteria = audit.criteria
    sources = [f"{what}: {path.name}, SHA-256 {files.sha256(path)}" for what, path in paths.items()]
    unknown = audit.summary.drop_duplicates("attribute").set_index("attribute")["unknown"]
    return {
        "Tool": stated["tool"],
        "Tool version": stated["tool_version"] or "not stated",
        "Audit date": datetime.now(UTC).date().isoformat(),
        "Distribution date": stated["distribution_date"] or "not stated",
        "Data": "\n".join([f"{audit.jobs:,} ads and {audit.candidates:,} candidates", *sources]),
        "Source and explanation": stated["data_source"]
        or "not stated; of test data 6 RCNY § 5-302(b) also wants to know why no historical data were used and how the "
        "test data were made",
        "Selection criterion": f"the {criteria.k} best-scored candidates of an ad; equal scores in the order of the "
        "candidates' file",
        "Reference": "; in the other attributes ".join(
            [*([", ".join(criteria.references)] if criteria.references else []), "the most selected category"]
        ),
        "Unknown": "; ".join(f"{name}: {count:,} of {audit.candidates:,}" for name, count in unknown.items()),
        "Left out of the ratios": f"categories under {100 * criteria.min_share:g} % of the candidates, which are shown",
        "Measured with": f"autorefine {__version__}, commit {provenance.commit()}",
    }


def as_dict(audit: Audit, facts: dict[str, str]) -> dict[str, Any]:
    """All of it for a machine; NaN is null."""
    criteria = audit.criteria
    return files.without_nan(
        {
            "facts": facts,
            "not": list(DISCLAIMERS),
            "k": criteria.k,
            "ads": audit.jobs,
            "candidates": audit.candidates,
            "threshold": criteria.threshold,
            "min_share": criteria.min_share,
            "findings": audit.findings,
            "remarks": list(audit.remarks),
            "groups": audit.groups.to_dict("records"),
            "summary": audit.summary.to_dict("records"),
            "quality": audit.quality.to_dict("records"),
        }
    )


def verdict(audit: Audit) -> str:
    """One line: how many findings."""
    count = len(audit.findings)
    if not count:
        return f"No finding at k = {audit.criteria.k}"
    return f"{count} finding{'s' if count > 1 else ''} at k = {audit.criteria.k}"


def rule(audit: Audit) -> str:
    """What counts as a finding here."""
    pool = POOLS[audit.groups["pool"].iloc[0]][0].lower()
    return (
        f"A finding is an impact ratio below {audit.criteria.threshold:g} among {pool} that neither the choice of ads "
        "(95 % interval below 1) nor chance among the candidates (p below 0.05) explains. It is a reason to look, not "
        "a verdict."
    )


def markdown(audit: Audit, facts: dict[str, str]) -> str:
    """The summary as Markdown; HTML in names is escaped, for Markdown lets it through."""
    lines = [f"# Impact ratios: {_inline(facts['Tool'])}", f"**{verdict(audit)}.** {rule(audit)}"]
    lines += ["\n".join(f"- {_inline(line)}" for line in audit.findings)] if audit.findings else []
    lines += ["## What this is not", "\n".join(f"- {line}" for line in DISCLAIMERS), "## Summary"]
    lines.append(_table(["", ""], facts.items()))
    lines += ["\n".join(f"- {_inline(line)}" for line in audit.remarks)] if audit.remarks else []
    for pool in _pools(audit):
        lines += [f"## {pool['title']}", pool["about"]]
        for attribute in pool["attributes"]:
            cells = [
                (row["group"], f"{row['candidates']} ({row['share']})", f"{row['selected']} / {row['available']}",
                 row["rate"], f"{row['ratio']} {row['division']}".strip(), row["interval"],
                 f"{row['scoring_rate']} {row['scoring_division']}".strip(), row["scoring_ratio"], row["note"])
                for row in attribute["rows"]
            ]  # fmt: skip
            lines += [f"### {_inline(attribute['name'])}, k = {audit.criteria.k}", _table(_COLUMNS, cells)]
        lines.append(_table(pool["measures"][0], pool["measures"][1:]))
    lines.append("## Quality of the ranking")
    lines.append(_table(*_quality(audit)) if len(audit.quality) else "Not measured: the files have no occupations.")
    lines += ["## Check it by hand", "\n".join(f"- {_inline(line)}" for line in [*_example(audit), *DEFINITIONS])]
    return "\n\n".join(lines) + "\n"


def text(audit: Audit, facts: dict[str, str]) -> str:
    """What a terminal shows."""
    criteria = audit.criteria
    lines = [
        f"{audit.jobs:,} ads, {audit.candidates:,} candidates, k = {criteria.k}; {facts['Tool']}. No independent audit "
        "and no legal advice."
    ]
    for pool in _pools(audit):
        for attribute in pool["attributes"]:
            lines.append(f"\n{attribute['name']}, {pool['title'].lower()}")
            names = [_plain(f"{attribute['name']}={row['group']}") for row in attribute["rows"]]
            for name, row in zip(names, attribute["rows"], strict=True):
                counts = f"{row['selected']} / {row['available']}" + (f" = {row['rate']}" if row["rate"] else "")
                ratio = f"ratio {row['ratio']} {row['interval']}" if row["ratio"] else "no ratio"
                cells = (f"{name:<{max(map(len, names))}}", f"n {row['candidates']:>7}", f"{counts:<30}",
                         f"{ratio:<28}", _plain(row["note"]))  # fmt: skip
                lines.append("  " + "  ".join(cells).rstrip())
    lines.append("")
    lines += [f"{name:<15} {value}  {limits:<15} over {ads}" for name, value, limits, ads in _quality(audit)[1]]
    lines += [f"left out: {_plain(line)}" for line in audit.remarks]
    lines += ["", f"{verdict(audit)}. {rule(audit)}", *(f"  {_plain(line)}" for line in audit.findings)]
    return "\n".join(lines)


def csv(audit: Audit) -> pd.DataFrame:
    """The groups' table with k beside every ratio; a name that a spreadsheet would take for a formula is quoted."""
    table = audit.groups.copy()
    for column in ("attribute", "group", "reference", "scoring_reference", "note"):
        formula = table[column].str.startswith(("=", "+", "-", "@", "\t", "\r"))
        table[column] = table[column].where(~formula, "'" + table[column])
    table.insert(2, "k", audit.criteria.k)
    return table


def write(audit: Audit, facts: dict[str, str], folder: Path, command: str) -> Path:
    """Write audit.html, audit.json, audit.csv, audit.md and impact_ratios.png and .pdf; returns the page's path."""
    from autorefine_lib.report import pages

    folder, pools = Path(folder), _pools(audit)
    pools[0]["figure"], pools[0]["alt"] = _figure(audit, folder)
    page = pages.template("audit.html.j2").render(
        audit=audit, k=audit.criteria.k, facts=facts, findings=audit.findings, verdict=verdict(audit), rule=rule(audit),
        disclaimers=DISCLAIMERS, pools=pools, quality=_quality(audit), example=_example(audit), definitions=DEFINITIONS,
        command=command, columns=_COLUMNS,
    )  # fmt: skip
    files.write_json(folder / "audit.json", as_dict(audit, facts))
    files.write_csv(folder / "audit.csv", csv(audit))
    files.write_text(folder / "audit.md", markdown(audit, facts))
    return files.write_text(folder / "audit.html", page)


def _figure(audit: Audit, folder: Path) -> tuple[str, str]:
    """The figure of the primary pool as a data URI and in words, also saved in `folder`; empty without a ratio."""
    from autorefine_lib.report import figures

    rows = audit.groups[audit.groups["pool"] == audit.groups["pool"].iloc[0]]
    shown = rows[rows["impact_ratio"].notna()]
    if shown.empty:
        return "", ""
    title = f"Impact ratios at k = {audit.criteria.k} with 95 % intervals"
    label = "selection rate / selection rate of the reference (hollow)"
    figure = figures.impact_ratios(rows, title, label, audit.criteria.threshold, synthetic=False)
    with warnings.catch_warnings():
        # A name in a script that the figure's font lacks is still in the table and the alternative text.
        warnings.filterwarnings("ignore", message="Glyph")
        image, _ = figures.save(figure, folder / "impact_ratios")
    words = [f"{row.attribute} {row.group} {row.impact_ratio:.3f}" for row in shown.itertuples()]
    return "data:image/png;base64," + base64.b64encode(image.read_bytes()).decode(), f"{title}: {'; '.join(words)}."


def _pools(audit: Audit) -> list[dict[str, Any]]:
    """Each pool's title, tables and measures, all numbers as text."""
    pools = []
    for name in audit.groups["pool"].unique():
        table = audit.groups[audit.groups["pool"] == name]
        title, about = POOLS[name]
        attributes = [
            {"name": attribute.replace("_", " "), "rows": [_row(row) for row in part.itertuples()]}
            for attribute, part in table.groupby("attribute", sort=False)
        ]
        measures = _measures(audit.summary[audit.summary["pool"] == name])
        pools.append({"title": title, "about": about, "attributes": attributes, "measures": measures})
    return pools


def _row(row) -> dict[str, Any]:
    ratio, scoring = _number(row.impact_ratio), _rate(row.scoring_rate)
    return {
        "group": row.group,
        "candidates": f"{row.candidates:,}",
        "share": f"{100 * row.share:.1f} %",
        "selected": f"{row.selected:,}",
        "available": f"{row.available:,}",
        "rate": _rate(row.selection_rate),
        "ratio": ratio,
        "division": f"= {_rate(row.selection_rate)} / {_rate(row.reference_rate)}" if ratio else "",
        "interval": _interval(row),
        "scoring_rate": scoring,
        "scoring_division": f"= {row.above_median:,} / {row.available:,}" if scoring else "",
        "scoring_ratio": _number(row.scoring_ratio),
        "finding": row.finding,
        "unknown": row.group == groups.UNKNOWN,
        "note": row.note,
    }


def _measures(summary: pd.DataFrame) -> list[tuple[str, ...]]:
    """The measures of whole attributes, the head first."""
    names = {
        "worst_group": "Least selected",
        "demographic_parity_difference": "Demographic parity difference",
        "equal_opportunity_difference": "Equal opportunity difference",
        "exposure_ratio": "Lowest exposure ratio",
        "ndkl": "NDKL",
    }
    rows = [
        (row["attribute"].replace("_", " "), f"{row['unknown']:,}", row["worst_group"],
         *(_rate(row[name]) for name in list(names)[1:]))
        for row in summary.to_dict("records")
    ]  # fmt: skip
    return [("Attribute", "Unknown", *names.values()), *rows]


def _quality(audit: Audit) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    rows = [
        (QUALITY[row.metric] + ("" if row.metric == "mrr" else f" at {audit.criteria.k}"), _number(row.value),
         _interval(row), f"{row.n:,} ads")
        for row in audit.quality.itertuples()
    ]  # fmt: skip
    return ("Metric", "Value", "95 % interval", "Mean over"), rows


def _example(audit: Audit) -> list[str]:
    """The first ratio that is no reference, worked out from its counts."""
    table = audit.groups
    for row in table[table["impact_ratio"].notna() & (table["group"] != table["reference"])].head(1).itertuples():
        same = table[(table["pool"] == row.pool) & (table["attribute"] == row.attribute)]
        base = same[same["group"] == row.reference].iloc[0]
        return [
            f"{row.group}: {row.selected:,} / {row.available:,} = {_rate(row.selection_rate)}. {row.reference}: "
            f"{base.selected:,} / {base.available:,} = {_rate(base.selection_rate)}. Impact ratio of {row.group} = "
            f"{_rate(row.selection_rate)} / {_rate(base.selection_rate)} = {_number(row.impact_ratio)}."
        ]
    return []


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}"


def _rate(value: float) -> str:
    return "" if pd.isna(value) else f"{value:#.4g}"


def _interval(row) -> str:
    return "" if pd.isna(row.low) else f"{row.low:.3f} to {row.high:.3f}"


def _plain(value: object) -> str:
    """One line without control characters, which would command a terminal."""
    return "".join(char if char.isprintable() else " " for char in str(value))


def _inline(value: object) -> str:
    """Text for Markdown: one line, without HTML, links, emphasis or the border of a table."""
    return re.sub(r"([\\`*\[\]|])", r"\\\1", html.escape(_plain(value), quote=False))


def _table(head, rows) -> str:
    cells = [[_inline(cell) for cell in row] for row in (head, *rows)]
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([lines[0], "|" + " --- |" * len(head), *lines[1:]])
