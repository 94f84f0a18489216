"""The command line: reproduce the paper, audit a ranking, rewrite ads, measure speed.

A user's mistake ends in one line on standard error and exit code 2, Ctrl-C in 130, a failed notebook in 1.
Each command imports what it needs when it runs, so that --help answers at once.
"""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from autorefine_lib.audit.command import audit
from autorefine_lib.errors import InputError, disk_is_full

DEFAULT_POLICY = "reports/embedded/artefacts/models/ppo-0"

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
            message, code = f"error: {error}", 2
        except NotebookFailed as error:
            message, code = f"failed: {error}", 1
        except KeyboardInterrupt as error:
            message, code = str(error) or "stopped", 130
        except Exception as error:
            # Arrow, SQLite and safetensors each have an exception of their own for a full disk.
            if not disk_is_full(str(error)):
                raise
            message, code = "error: the disk is full: free some space and run the command again", 2
        typer.echo(message, err=True)
        raise typer.Exit(code)

    return wrapped


PROFILE = typer.Option(help="smoke (minutes), embedded (half an hour), paper (GPU and Hub) or local (your own data).")
SET = typer.Option("--set", metavar="NAME=VALUE", help="Change a parameter in every notebook that has it; repeatable.")
RUN = typer.Option(help="Run folder; default reports/PROFILE.")
FORCE = typer.Option("--force", help="Repeat finished notebooks too.")
FROM = typer.Option("--from", metavar="NN", help="Repeat this notebook and those after it, as in --from 04.")


@app.command()
@one_line_errors
def reproduce(
    profile: Annotated[str, PROFILE] = "embedded",
    overrides: Annotated[list[str] | None, SET] = None,
    out: Annotated[Path | None, RUN] = None,
    force: Annotated[bool, FORCE] = False,
    start: Annotated[str | None, FROM] = None,
    notebooks: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the numbered notebooks in order and write tables, figures and an index page.

    Finished notebooks are kept while their source, parameters, data files and the library stay the same, so the
    same command goes on after an error or Ctrl-C.

    Examples:

    - `autorefine reproduce --profile smoke`

    - `autorefine reproduce --set k=20 --set seeds=[0,1,2] --out /tmp/k20`

    - `autorefine reproduce --profile local --set jobs_file=ads.csv --set candidates_file=people.csv`
    """
    from autorefine_lib.report import pages
    from autorefine_lib.reproduce import NOTEBOOKS, Run
    from autorefine_lib.reproduce import reproduce as run_notebooks

    run = Run(profile, overrides or (), out, notebooks or NOTEBOOKS)
    folder = run_notebooks(run, force=force, start=start)
    page = pages.write_index(folder)
    typer.echo(f"report: {page}", err=True)


app.command()(one_line_errors(audit))


FILES = typer.Argument(metavar="FILE...", help="Text files, one ad each; - reads standard input.")


@app.command()
@one_line_errors
def rewrite(
    files: Annotated[list[str], FILES],
    policy: Annotated[Path | None, typer.Option(help="Generator saved by a run; default: of the embedded run.")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Print the changed sentences instead of the whole ad.")] = False,
) -> None:
    """Rewrite ads with a trained policy and print them.

    A sentence that would lose a number, name or requirement, or bring in a protected word, is left as it was.

    Examples:

    - `autorefine rewrite ad.txt`

    - `autorefine rewrite --policy reports/local/artefacts/models/ppo-0 --diff ad1.txt ad2.txt`
    """
    from autorefine_lib.ilql import ilql
    from autorefine_lib.provenance import ROOT

    ads = [_read_ad(name) for name in files]
    folder = policy or ROOT / DEFAULT_POLICY
    if not (folder / "generator.json").is_file():
        raise InputError(
            f"no trained generator in {folder}: run `autorefine reproduce` first, or give one with --policy"
        )
    for number, rewritten in enumerate(ilql.load_policy(folder).rewrite(ads)):
        if number:
            typer.echo("---")
        if not diff:
            typer.echo(rewritten.text)
        for old, new in rewritten.changed if diff else ():
            typer.echo(f"- {old}\n+ {new}")


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
    import json

    from autorefine_lib.bench import speed

    result = speed.measure(what, bf16)
    if as_json:
        typer.echo(json.dumps(result, indent=1))
    else:
        typer.echo("\n".join(f"{name}: {value}" for name, value in result.items()))


def _read_ad(name: str) -> str:
    from autorefine_lib.data.schema import LONGEST_TEXT

    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise InputError(
            f"{name}: cannot be read ({error.strerror}); give a text file or - for standard input"
        ) from None
    if len(data) > LONGEST_TEXT:
        raise InputError(f"{name}: {len(data):,} bytes; an ad has at most {LONGEST_TEXT:,}, check that it is one ad")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: byte {error.start} is not UTF-8; convert the file to UTF-8") from None
    if not text.strip():
        raise InputError(f"{name}: no text; give one ad in plain text")
    return text.rstrip("\n")


def main() -> None:
    """Entry point of the `autorefine` script."""
    app(prog_name="autorefine")


if __name__ == "__main__":
    main()
