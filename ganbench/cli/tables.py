"""`ganbench table`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from ganbench.cli.console import named_path, show_tables


class Format(enum.StrEnum):
    """What a table can be printed as."""

    text = "text"
    md = "md"
    csv = "csv"
    latex = "latex"
    html = "html"
    json = "json"


def table(
    records: Annotated[list[Path], typer.Argument(parser=named_path, help="Record files, or folders of them.")],
    format: Annotated[
        Format | None, typer.Option("--format", "-f", help="How to print it. Default: text.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    cost: Annotated[
        bool,
        typer.Option("--cost", help="Columns of what each row costs: latency, throughput, FLOPs, memory, device, Pareto front."),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of stdout.")] = None,
) -> None:
    """Render records as comparison tables, one for each data set and protocol."""
    from ganbench.errors import UsageError
    from ganbench.files import write_atomically
    from ganbench.leaderboard.summary import summarise
    from ganbench.leaderboard.table import render
    from ganbench.record import load_records

    if as_json and format not in (None, Format.json):
        raise UsageError(f"--json and --format {format} exclude each other; give one of them.")
    tables = summarise(load_records(records))
    chosen = Format.json if as_json else format or Format.text
    if chosen is Format.text and out is None:
        show_tables(tables, cost)
        return
    text = render(tables, "md" if chosen is Format.text else chosen.value, cost)
    if out is None:
        typer.echo(text)
    else:
        write_atomically(out, text.rstrip("\n") + "\n")
