"""`ganbench validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganbench.cli.console import err, print_json
from ganbench.errors import InvalidInputError


def validate(
    paths: Annotated[list[Path], typer.Argument(help="Record files, or folders of them.", metavar="PATH...")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check that records are what they claim to be: for contributors, and for a project's CI. Exit code 4 where one is not."""
    from ganbench.leaderboard.validate import validate as check
    from ganbench.record import record_files

    count, problems = check(record_files(paths))
    if as_json:
        found = [{"path": str(problem.path), "problem": problem.sentence} for problem in problems]
        print_json({"records": count, "valid": not problems, "problems": found})
    for problem in problems:
        err.print(f"{problem.path}: {problem.sentence}", highlight=False, soft_wrap=True, markup=False)
    if problems:
        wrong = len({problem.path for problem in problems})
        err.print(f"{wrong} of {count} records are not valid.", highlight=False)
        raise typer.Exit(InvalidInputError.exit_code)
    if not as_json:
        typer.echo(f"{count} {'record is' if count == 1 else 'records are'} valid.")
