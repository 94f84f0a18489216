"""The command line: reproduce the paper, audit a ranking, rewrite ads, measure speed.

A user's mistake ends in one line on standard error and exit code 2, Ctrl-C in 130, a failed notebook in 1.
Each command imports what it needs when it runs, so that --help answers at once.
"""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

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
    def wrapped(*args, **kwargs):
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


@app.command()
@one_line_errors
def reproduce(
    profile: Annotated[
        str,
        typer.Option(help="smoke (3 minutes), embedded (15 minutes), paper (GPU and Hub) or local (your own data)."),
    ] = "embedded",
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Change a parameter in every notebook that has it; repeatable."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; default reports/PROFILE.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Repeat finished notebooks too.")] = False,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="NN", help="Repeat this notebook and those after it, as in --from 04."),
    ] = None,
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
    from autorefine_lib import report
    from autorefine_lib.reproduce import NOTEBOOKS, Run
    from autorefine_lib.reproduce import reproduce as run_notebooks

    run = Run(profile, overrides or (), out, notebooks or NOTEBOOKS)
    folder = run_notebooks(run, force=force, start=start)
    page = report.write_index(folder)
    typer.echo(f"report: {page}", err=True)


def main() -> None:
    """Entry point of the `autorefine` script."""
    app(prog_name="autorefine")


if __name__ == "__main__":
    sys.exit(main())
