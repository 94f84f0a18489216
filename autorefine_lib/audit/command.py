"""`autorefine audit`: from a user's files to numbers on the terminal and, where wanted, a page.

Imports happen in the command: --help answers at once, and torch is loaded only where a recommender has to rank.
"""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from autorefine_lib.errors import InputError

FORMATS = ("text", "json", "csv", "markdown")


def audit(
    jobs: Annotated[Path, typer.Option(help="Ads: CSV, JSONL or Parquet with job_id, text and occupation.")],
    candidates: Annotated[
        Path, typer.Option(help="Candidates: candidate_id, text, occupation and the groups' columns.")
    ],
    groups: Annotated[str, typer.Option(help="Attribute columns of the candidates, separated by commas.")] = "gender",
    intersect: Annotated[bool, typer.Option(help="Cross every two attributes.")] = True,
    k: Annotated[int, typer.Option("--k", help="How many candidates an ad selects.")] = 20,
    scores: Annotated[
        Path | None,
        typer.Option(
            help="What a recommender gave: .npy with a row an ad and a column a candidate, in the order of the files, "
            "or a table with job_id, candidate_id, score. Texts are not needed then."
        ),
    ] = None,
    recommender: Annotated[
        str,
        typer.Option(
            "--recommender",
            "--model",
            help="Without --scores: minilm, wordllama, bm25, hybrid, rerank:MODEL, http://..., a folder or a Hub name.",
        ),
    ] = "minilm",
    reference: Annotated[
        list[str] | None,
        typer.Option(help="most_selected, or the group that its attribute's others are divided by; repeatable."),
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="A finding is a ratio below this that chance does not explain; see below.")
    ] = 0.8,
    min_share: Annotated[
        float, typer.Option(help="Groups with a smaller share of the candidates are shown without a ratio.")
    ] = 0.02,
    unknown: Annotated[
        list[str] | None, typer.Option(help="A value that means unknown, beside an empty cell; repeatable.")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FILE.COLUMN=NAME", help="Where your file names a column otherwise; repeatable."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for audit.html, audit.json, audit.csv, audit.md and the figure.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="What is printed: text, json, csv or markdown.")] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    tool: Annotated[str | None, typer.Option(help="Name of the tool that is measured, for the summary.")] = None,
    tool_version: Annotated[str | None, typer.Option(help="Its version.")] = None,
    distribution_date: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="When the tool came into use.")
    ] = None,
    data_source: Annotated[str | None, typer.Option(help="Where the data come from and how they were made.")] = None,
) -> None:
    """Measure whom a recommender selects: rates, impact ratios and ranking quality with 95 % intervals.

    Rates are taken over the qualified (same occupation as the ad) and over all candidates; findings are looked for
    among the qualified, or among all where the files have no occupation. Candidates without a group are counted as
    unknown. Nothing is trained. The output has the shape of a Local Law 144 summary, but is no independent audit.

    Exit code: 0 without a finding, 1 with findings, 2 where something is wrong with the input. A finding is an impact
    ratio below --threshold that is explained neither by the choice of ads (its 95 % interval by bootstrap over ads lies
    below 1) nor by chance among the candidates (p below 0.05 in a permutation of their labels, Holm over all groups).
    0.8 is the four-fifths screening line of the Uniform Guidelines; Local Law 144 has no pass mark.

    Examples:

    - `autorefine audit --jobs ads.csv --candidates people.csv --groups gender,race --k 20 --out audit`

    - `autorefine audit --jobs ads.csv --candidates people.csv --scores scores.npy --json`

    - `autorefine audit --jobs ads.csv --candidates people.csv --recommender bm25 --map jobs.text=description`
    """
    from autorefine_lib.audit import files, page
    from autorefine_lib.audit import measure as auditing

    form = "json" if as_json else form
    if form not in FORMATS:
        raise InputError(f"--format {form}: one of {', '.join(FORMATS)}")
    if scores is not None and not scores.is_file():
        # Before the other files, which may take long to read.
        raise InputError(f"{scores}: no such file; check the path (relative paths start at {Path.cwd()})")
    if out is not None and out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file; give a folder, new or not")
    attributes = list(dict.fromkeys(name.strip() for name in groups.split(",") if name.strip()))
    references = tuple(name for name in reference or () if name != "most_selected")
    criteria = auditing.Criteria(k, threshold, min_share, references, intersect)
    stated = {
        "tool": tool or (f"scores of {scores.name}" if scores else recommender),
        "tool_version": tool_version,
        "distribution_date": page.check_date(distribution_date),
        "data_source": data_source,
    }
    mapping = files.parse_columns(columns or ())
    ads, people = files.read(jobs, candidates, attributes, mapping, unknown or (), text=scores is None)
    auditing.check(ads, people, attributes, criteria)
    if scores is not None:
        ranked = files.read_scores(scores, ads["job_id"][:], people["candidate_id"][:], mapping["scores"])
    else:
        from autorefine_lib.recommender import by_name

        ranked = by_name.build(recommender).fit(people).rank(list(ads["text"]))
    result = auditing.measure(ranked, ads, people, attributes, criteria)
    paths = {"ads": jobs, "candidates": candidates} | ({"scores": scores} if scores else {})
    facts = page.facts(result, paths, stated)
    if form == "json":
        import json

        typer.echo(json.dumps(page.as_dict(result, facts), indent=1, ensure_ascii=False))
    elif form == "csv":
        typer.echo(page.csv(result).to_csv(index=False, lineterminator="\n"), nl=False)
    else:
        typer.echo({"text": page.text, "markdown": page.markdown}[form](result, facts))
    if out is not None:
        written = page.write(result, facts, out, shlex.join(["autorefine", *sys.argv[1:]]))
        typer.echo(f"page: {written}", err=True)
    if result.findings:
        raise typer.Exit(1)
