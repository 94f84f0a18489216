"""The command line: reproduce the paper, audit a ranking, check files, rewrite ads, judge rewrites, measure speed.

A user's mistake ends in one line on standard error and exit code 2, Ctrl-C in 130, a failed notebook in 1.
Each command imports what it needs when it runs, so that --help answers at once.
"""

import functools
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from autorefine_lib.audit.command import GROUPS, MAP, VALUES, audit
from autorefine_lib.errors import InputError, disk_is_full

app = typer.Typer(
    name="autorefine",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Rewrite job ads by reinforcement learning so that a candidate ranking selects groups at equal rates.\n\n"
    "A study of the method, not an audit of any system and not legal advice.",
)


def one_line_errors(command: Callable) -> Callable:
    """Turn the errors a user can cause into one line and an exit code; other errors stay as they are."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        # Before transformers is imported: its loading reports are no news to whoever types a command.
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("HF_HUB_VERBOSITY", "error")
        from autorefine_lib.reproduce import NotebookFailed

        try:
            return command(*args, **kwargs)
        except InputError as error:
            message, code = f"error: {error}{_complete_command(str(error))}", 2
        except NotebookFailed as error:
            message, code = f"failed: {error}", 1
        except KeyboardInterrupt as error:
            message, code = str(error) or "stopped", 130
        except Exception as error:
            # Arrow, SQLite and safetensors each have an exception of their own for a full disk.
            if disk_is_full(str(error)):
                message, code = "error: the disk is full: free some space and run the command again", 2
            elif isinstance(error, FileExistsError | IsADirectoryError | NotADirectoryError | PermissionError):
                message, code = f"error: {error.filename}: {error.strerror}; give another path", 2
            else:
                raise
        typer.echo(message, err=True)
        raise typer.Exit(code)

    return wrapped


def _complete_command(message: str) -> str:
    """The command as it was typed, with what a message says to add to it."""
    missing = re.search(r"add (--map .+?) to the command", message)
    return f": {shlex.join(['autorefine', *sys.argv[1:]])} {missing[1]}" if missing else ""


PROFILE = typer.Option(help="smoke (minutes), embedded (an hour), paper (GPU and Hub) or local (your own data).")
SET = typer.Option("--set", metavar="NAME=VALUE", help="Change a parameter in every notebook that has it; repeatable.")
FROM = typer.Option("--from", metavar="NN", help="Repeat this notebook and those after it, as in --from 04.")


@app.command()
@one_line_errors
def reproduce(
    profile: Annotated[str, PROFILE] = "embedded",
    overrides: Annotated[list[str] | None, SET] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; default reports/PROFILE.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Repeat finished notebooks too.")] = False,
    start: Annotated[str | None, FROM] = None,
    columns: Annotated[list[str] | None, MAP] = None,
    values: Annotated[list[str] | None, VALUES] = None,
    notebooks: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the numbered notebooks in order and write tables, figures and an index page.

    Finished notebooks are kept while their source, parameters, data files and the library stay the same, so the
    same command goes on after an error or Ctrl-C.

    Examples:

    - `autorefine reproduce --profile smoke`

    - `autorefine reproduce --set k=20 --set seeds=[0,1,2] --out /tmp/k20`

    - `autorefine reproduce --profile local --set jobs_file=ads.csv --set candidates_file=people.csv`

    --map and --values are for --profile local.
    """
    from autorefine_lib.report import pages
    from autorefine_lib.reproduce import NOTEBOOKS, Run
    from autorefine_lib.reproduce import reproduce as run_notebooks

    renames = {"rename_columns": columns, "rename_values": values}
    of_files = [f"{name}={json.dumps(given, ensure_ascii=False)}" for name, given in renames.items() if given]
    run = Run(profile, [*(overrides or ()), *of_files], out, notebooks or NOTEBOOKS)
    folder = run_notebooks(run, force=force, start=start)
    page = pages.write_index(folder)
    typer.echo(f"report: {page}", err=True)


app.command()(one_line_errors(audit))


@app.command()
@one_line_errors
def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Ads and candidates, in any order.")],
    groups: Annotated[str, GROUPS] = "gender",
    columns: Annotated[list[str] | None, MAP] = None,
    values: Annotated[list[str] | None, VALUES] = None,
) -> None:
    """Say in plain words what is wrong with your ads and candidates, before anything is trained.

    Looked for: groups that are too small, copies, the same ad in several splits, personal data, other languages, ads
    shorter than three sentences, left-overs of HTML, texts longer than the recommender reads.

    Exit code: 0 without a finding, 1 with findings, 2 where a file cannot be read.

    Examples:

    - `autorefine check ads.csv people.csv`

    - `autorefine check ads.csv people.csv --groups gender,race --map text=description`
    """
    from autorefine_lib.data import check_files

    names = [name.strip() for name in groups.split(",") if name.strip()]
    findings = check_files.check_files(files, names, columns or (), values or ())
    typer.echo("\n".join(findings) or "no finding")
    if findings:
        raise typer.Exit(1)


FILES = typer.Argument(
    metavar="FILE...",
    help="Texts or .docx, one ad each, or CSV, JSONL or Parquet with job_id and text; - reads standard input.",
)
POLICY = typer.Option(help="Generator: a folder that a run saved, a folder of a checkpoint, or a Hub name.")
CANDIDATES = typer.Option(help="Choose by the effect on these: CSV, JSONL or Parquet with candidate_id, text, a group.")
OUT = typer.Option(
    help="Write a .jsonl, one JSON object an ad, and go on with it after a stop; or a .docx from a .docx."
)


@app.command()
@one_line_errors
def rewrite(
    files: Annotated[list[str], FILES],
    policy: Annotated[str, POLICY] = "rewarded",
    candidates: Annotated[Path | None, CANDIDATES] = None,
    attribute: Annotated[str, typer.Option(help="Column with the candidates' groups.")] = "gender",
    k: Annotated[int, typer.Option("--k", help="How many candidates an ad selects.")] = 20,
    samples: Annotated[int, typer.Option(help="With --candidates: rewrites of a sentence to choose from.")] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object an ad, in order.")] = False,
    out: Annotated[Path | None, OUT] = None,
    columns: Annotated[list[str] | None, MAP] = None,
    values: Annotated[list[str] | None, VALUES] = None,
) -> None:
    """Rewrite ads and print them; each ad that stays as it is gets a line on standard error that says why.

    A sentence whose rewrite would lose a fact or change the meaning, or bring in a protected word, is left as it was.
    Only English is rewritten. With --json: job_id, original, rewrite, edits (source, rewrite, position, reason),
    refused (source, rewrite, guard) and note.

    With --candidates several rewrites of each sentence are ranked by all-MiniLM-L6-v2, over all ads together, and only
    what brings the groups closer is used. Standard error has the effect of each edit and the impact ratios before and
    after; with --json each edit has effect, and each ad measured (true).

    Examples:

    - `autorefine rewrite ad.txt`

    - `autorefine rewrite ads.csv --json`

    - `autorefine rewrite ads.csv --out rewritten.jsonl`

    - `autorefine rewrite ad.docx --out new.docx`

    - `autorefine rewrite ads.csv --candidates people.csv --attribute gender --k 20`

    - `autorefine rewrite ad1.txt ad2.txt --policy reports/local/artefacts/models/ppo-0`
    """
    from autorefine_lib.data import docx_files, schema
    from autorefine_lib.evaluation import choose
    from autorefine_lib.files import write_text
    from autorefine_lib.generator import batch, deploy
    from autorefine_lib.ilql import ilql

    if out is not None:
        batch.check_out(out, files, candidates is not None)
    ads, people = deploy.read_ads(files, columns or (), values or (), [candidates] if candidates else [])
    pairs, lines = list(zip(ads["job_id"], ads["text"], strict=True)), [choose.NOT_MEASURED]
    if candidates:
        named = [*({"occupation"} & {*people[0]}), attribute]
        pool = schema.select_columns(people[0], ["candidate_id", "text"], str(candidates), named)
        generator = ilql.load_policy(Path(policy))
        records, lines = choose.choose_ads(generator, ads, pool, attribute, k, samples)
    else:
        weights = batch.name_policy(policy)
        done = batch.count_done(out, pairs, weights) if out and out.suffix == ".jsonl" else 0
        records = deploy.rewrite_ads(ilql.load_policy(Path(policy)), pairs, done, not out and sys.stderr.isatty())
    if out is not None and out.suffix == ".docx":
        docx_files.write_docx(Path(files[0]), next(records)["edits"], out)
    elif out is not None and candidates:
        write_text(out, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    elif out is not None:
        batch.append_records(out, records, weights, done, len(pairs))
    elif as_json:
        for record in records:
            typer.echo(json.dumps(record, ensure_ascii=False))
    else:
        _print_ads(records)
    typer.echo("\n".join(lines), err=True)


def _print_ads(records: Iterable[dict]) -> None:
    """Rewritten ads on standard output; notes, and the effect of each edit where it was measured, on standard error."""
    for number, record in enumerate(records):
        typer.echo(("---\n" if number else "") + record["rewrite"].rstrip("\n"))
        if record["note"]:
            typer.echo(f"{record['job_id']}: {record['note']}", err=True)
        for edit in record["edits"] if "measured" in record else ():
            typer.echo(f"{record['job_id']}: effect {edit['effect']:+.4f}, consider {edit['reason']}", err=True)


@app.command()
@one_line_errors
def faithful(
    pairs: Annotated[Path, typer.Argument(metavar="PAIRS", help="CSV, JSONL or Parquet with source and rewrite.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a pair, in order.")] = False,
    columns: Annotated[list[str] | None, MAP] = None,
) -> None:
    """Say of each rewrite whether it may stand for its source: same facts, same meaning, nothing protected.

    A source is a sentence or a whole ad. With --json: accepted, reasons, and guards, the names of those that refuse.

    Examples:

    - `autorefine faithful pairs.csv`

    - `autorefine faithful pairs.csv --json`
    """
    from autorefine_lib.data import read_files
    from autorefine_lib.text import faithfulness

    table = read_files.read_pairs(pairs, columns or ())
    sources, rewrites = table["source"].tolist(), table["rewrite"].tolist()
    judged = faithfulness.judge(sources, rewrites)
    judged = [found if source.strip() else {"length": ["the source is empty"]}
              for source, found in zip(sources, judged, strict=True)]  # fmt: skip
    for number, found in enumerate(judged, 1):
        reasons = [reason for of_guard in found.values() for reason in of_guard]
        record = {"accepted": not found, "reasons": reasons, "guards": list(found)}
        verdict = f"refused: {'; '.join(reasons)}" if found else "accepted"
        typer.echo(json.dumps(record, ensure_ascii=False) if as_json else f"{number}: {verdict}")
    if not as_json:
        typer.echo(f"accepted: {sum(not found for found in judged)} of {len(judged)}")


@app.command()
@one_line_errors
def verify(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, as in reports/embedded.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")] = False,
) -> None:
    """Make the tables of a run again from its per-ad files, and say which numbers differ and by how much.

    Exit code: 0 where all agree within 0.0001, 1 with differences, 2 for a folder that is no run.

    Examples:

    - `autorefine verify reports/embedded`

    - `autorefine verify reports/real --json`
    """
    from autorefine_lib.report import verify
    from autorefine_lib.reproduce import NOTEBOOKS, read_steps

    found = verify.verify(run, next(step.defaults for step in read_steps(NOTEBOOKS) if step.name.startswith("09")))
    typer.echo(verify.format_json(*found) if as_json else verify.format_text(*found))
    if len(found[1]):
        raise typer.Exit(1)


@app.command()
@one_line_errors
def bench(
    what: Annotated[str, typer.Argument(help="rank, rewrite or ppo.")] = "rank",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")] = False,
    bf16: Annotated[bool, typer.Option("--bf16", help="ppo: train in bfloat16.")] = False,
) -> None:
    """Measure speed on this machine.

    rank and rewrite: the embedded synthetic ads and candidates. ppo: steps of a random model with 4 layers.

    Examples:

    - `autorefine bench rank`

    - `autorefine bench ppo --bf16 --json`
    """
    from autorefine_lib.bench import speed

    result = speed.measure(what, bf16)
    lines = "\n".join(f"{name}: {value}" for name, value in result.items())
    typer.echo(json.dumps(result, indent=1) if as_json else lines)


def main() -> None:
    """Entry point of the `autorefine` script."""
    app(prog_name="autorefine")


if __name__ == "__main__":
    main()
