"""`ganbench validate` and `ganbench compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganbench.cli.console import err, print_json
from ganbench.errors import InvalidInputError, UsageError


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


def compare(
    records: Annotated[list[Path], typer.Argument(help="Record files, or folders of them.")],
    published: Annotated[Path, typer.Option(help="A TOML file of published tables, such as baselines/published.toml.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Set records beside the published numbers that their suite aims at, with the difference in standard errors."""
    from ganbench.leaderboard.published import compare as beside
    from ganbench.leaderboard.published import load_published, plain, render, within
    from ganbench.record import load_records

    tables = load_published(published)
    found = beside(load_records(records), tables)
    if not found:
        suites = ", ".join(sorted({suite for table in tables for suite in table.suites})) or "none"
        raise UsageError(
            f"None of the records is of a suite that a published table in {published} names ({suites}); run one first."
        )
    close, known = within(found, 2)
    if as_json:
        print_json({"comparisons": [plain(each) for each in found], "within_2_standard_errors": close, "comparable": known})
        return
    typer.echo(render(found))
    typer.echo(f"\n{close} of {known} differences are at most 2 joint standard errors.")
