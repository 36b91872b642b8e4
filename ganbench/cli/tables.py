"""`ganbench table`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from ganbench.cli.console import show_tables


class Format(enum.StrEnum):
    """What a table can be printed as."""

    text = "text"
    md = "md"
    csv = "csv"
    latex = "latex"
    html = "html"
    json = "json"


def table(
    records: Annotated[list[Path], typer.Argument(help="Record files, or folders of them.")],
    format: Annotated[Format, typer.Option("--format", "-f", help="How to print it.")] = Format.text,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of stdout.")] = None,
) -> None:
    """Render records as comparison tables, one for each data set and protocol."""
    from ganbench.files import write_atomically
    from ganbench.leaderboard.summary import summarise
    from ganbench.leaderboard.table import render
    from ganbench.record import load_records

    tables = summarise(load_records(records))
    chosen = Format.json if as_json else format
    if chosen is Format.text and out is None:
        show_tables(tables)
        return
    text = render(tables, "md" if chosen is Format.text else chosen.value)
    if out is None:
        typer.echo(text)
    else:
        write_atomically(out, text.rstrip("\n") + "\n")
