"""`ganbench rank`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from ganbench.cli.console import named_path, print_json


class Format(enum.StrEnum):
    """What the ranks can be printed as."""

    text = "text"
    md = "md"
    csv = "csv"
    json = "json"


def rank(
    records: Annotated[
        list[Path], typer.Argument(parser=named_path, help="Record files, or folders of them, of several data sets.")
    ],
    metric: Annotated[
        str | None,
        typer.Option(help="Rank by this score, or by this metric in whatever features. Default: each data set's primary one."),
    ] = None,
    format: Annotated[
        Format | None, typer.Option("--format", "-f", help="How to print it. Default: text.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    figure: Annotated[Path | None, typer.Option(help="Write the critical-difference diagram: .svg, .png or .pdf.")] = None,
) -> None:
    """Rank variants across data sets: mean ranks, Friedman's test, and which are told apart (Nemenyi)."""
    from ganbench.errors import UsageError
    from ganbench.leaderboard.across import across
    from ganbench.leaderboard.across_text import plain, to_csv, to_markdown
    from ganbench.leaderboard.critical_difference import check_form, save_diagram
    from ganbench.leaderboard.summary import summarise
    from ganbench.leaderboard.validate_scores import check_scores
    from ganbench.record import load_records

    if as_json and format not in (None, Format.json):
        raise UsageError(f"--json and --format {format} exclude each other; give one of them.")
    if figure is not None:
        check_form(figure)
    known = load_records(records)
    check_scores(known)
    found = across(summarise(known), metric)
    if figure is not None:
        save_diagram(found, figure)
    if as_json or format is Format.json:
        print_json(plain(found))
    else:
        typer.echo(to_csv(found) if format is Format.csv else to_markdown(found), nl=False)
