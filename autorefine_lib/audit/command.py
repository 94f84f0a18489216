"""`autorefine audit`: from a user's files to numbers on the terminal and, where wanted, a page.

The imports happen in the command. So --help answers at once, and torch is loaded only where a recommender has to rank.
"""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from autorefine_lib.errors import InputError

GROUPS = typer.Option(help="Columns of the candidates that name their groups, separated by commas.")
SCORES = typer.Option(
    help="What a recommender gave: .npy with a row for each ad and a column for each candidate, in the order of the "
    "files, or a table with job_id, candidate_id, score. Texts are not needed then."
)
RECOMMENDER = typer.Option(
    help="Without --scores: minilm, paraphrase-minilm, bm25, wordllama, hybrid, http://..., a folder or a Hub name."
)
LONG_TEXTS = typer.Option(
    help="What an embedding model reads of a text that is too long for it: the beginning (cut), or all of it in parts, "
    "whose embeddings are averaged (mean)."
)
THRESHOLD = typer.Option(help="A finding is a ratio below this that chance does not explain; see above.")
MAP = typer.Option(
    "--map", metavar="OURS=YOURS", help="A column has another name in your file (# numbers the rows); repeatable."
)
VALUES = typer.Option("--values", metavar="COLUMN:YOURS=OURS", help="So has a value of a column; repeatable.")


def audit(
    jobs: Annotated[Path, typer.Option(help="Ads: CSV, JSONL or Parquet with job_id, text and occupation.")],
    candidates: Annotated[
        Path, typer.Option(help="Candidates: candidate_id, text, occupation and the groups' columns.")
    ],
    scores: Annotated[Path | None, SCORES] = None,
    recommender: Annotated[str, RECOMMENDER] = "minilm",
    long_texts: Annotated[str, LONG_TEXTS] = "cut",
    groups: Annotated[str, GROUPS] = "gender",
    k: Annotated[int, typer.Option("--k", help="How many candidates an ad selects.")] = 20,
    threshold: Annotated[float, THRESHOLD] = 0.8,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the page (audit.html) and all numbers (audit.json).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")] = False,
    columns: Annotated[list[str] | None, MAP] = None,
    values: Annotated[list[str] | None, VALUES] = None,
) -> None:
    """Measure whom a recommender selects: rates, impact ratios and ranking quality with 95 % intervals.

    Rates are taken over the qualified (same occupation as the ad) and over all candidates. Findings are looked for
    among the qualified, or among all where the files have no occupation. Every two of several columns are
    also crossed.
    Candidates without a group are counted as unknown. Nothing is trained. The output has the shape of a Local Law 144
    summary, but it is no independent audit.

    Exit code: 0 without a finding, 1 with findings, 2 where something is wrong with the input. A finding is an impact
    ratio below --threshold that is explained neither by the choice of ads (its 95 % interval by bootstrap over ads lies
    below 1) nor by chance among the candidates (p below 0.05 in a permutation of their labels, Holm over all groups).
    0.8 is the four-fifths screening line of the Uniform Guidelines; Local Law 144 has no pass mark.

    Examples:

    - `autorefine audit --jobs ads.csv --candidates people.csv --groups gender,race --k 20 --out audit`

    - `autorefine audit --jobs ads.csv --candidates people.csv --scores scores.npy --json`

    - `autorefine audit --jobs ads.csv --candidates people.csv --recommender bm25`

    - `autorefine audit --jobs ads.csv --candidates bios.csv --map text=hard_text --values gender:0=male`
    """
    from autorefine_lib.audit import files, measure, page

    if out is not None and out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file; give a folder, new or not")
    if long_texts != "cut" and (scores is not None or recommender.startswith(("http:", "https:", "bm25"))):
        raise InputError(f"--long-texts {long_texts}: only for an embedding model that runs here; leave it out")
    attributes = list(dict.fromkeys(name.strip() for name in groups.split(",") if name.strip()))
    criteria = measure.Criteria(k=k, threshold=threshold)
    ads, people = files.read_tables(jobs, candidates, attributes, scores is None, columns or (), values or ())
    measure.check(ads, people, attributes, criteria)
    reading: list[str] = []
    if scores is not None:
        ranking = files.read_scores(scores, ads["job_id"][:], people["candidate_id"][:])
    else:
        from autorefine_lib.recommender import by_name
        from autorefine_lib.recommender.long_texts import describe

        ranker = by_name.build_recommender(recommender, long_texts).fit(people)
        ranking = ranker.rank(list(ads["text"]))
        reading = describe(ranker, people["text"], ads["text"])
    result = measure.measure(ranking, ads, people, attributes, criteria)
    sources = {"ads": jobs, "candidates": candidates} | ({"scores": scores} if scores else {})
    facts = page.collect_facts(result, sources, tool=f"scores of {scores.name}" if scores else recommender)
    facts |= {"Long texts": "\n".join(reading)} if reading else {}
    record = json.dumps(page.to_dict(result, facts), indent=1, ensure_ascii=False)
    typer.echo(record if as_json else page.to_text(result, facts))
    if out is not None:
        written = page.write_page(result, facts, out, shlex.join(["autorefine", *sys.argv[1:]]))
        typer.echo(f"page: {written}", err=True)
    if result.findings:
        raise typer.Exit(1)
