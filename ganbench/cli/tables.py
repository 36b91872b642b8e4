"""`ganbench table`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganbench.cli.console import named_path, show_tables, show_times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganbench.leaderboard.summary import Table
    from ganbench.times import TimeRecord


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
    base: Annotated[
        str | None, typer.Option(metavar="VARIANT", help="Of time records: compare every step with this variant's.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(parser=named_path, metavar="PATH", help="Write to this file instead of stdout.")
    ] = None,
) -> None:
    """Render records as comparison tables, one for each data set and protocol, and time records as one for each device."""
    from ganbench.errors import UsageError
    from ganbench.files import write_atomically
    from ganbench.leaderboard.summary import summarise
    from ganbench.leaderboard.validate_times import check_times
    from ganbench.times import load_all

    if as_json and format not in (None, Format.json):
        raise UsageError(f"--json and --format {format} exclude each other; give one of them.")
    runs, times = load_all(records)
    check_times(times)
    if base is not None and not times:
        raise UsageError(f"--base {base} is of time records, and these are none; leave it out, or name some of `ganbench time`.")
    tables = summarise(runs)
    chosen = Format.json if as_json else format or Format.text
    if chosen is Format.text and out is None:
        if tables:
            show_tables(tables, cost)
        show_times(times, base)
        return
    text = _rendered(tables, times, Format.md if chosen is Format.text else chosen, cost, base)
    if out is None:
        typer.echo(text)
    else:
        write_atomically(out, text.rstrip("\n") + "\n")


def _rendered(tables: Sequence[Table], times: Sequence[TimeRecord], format: Format, costs: bool, base: str | None) -> str:
    """Tables of runs and of speed as one text. Raises UsageError for both as CSV, whose columns differ."""
    import json

    from ganbench.errors import UsageError
    from ganbench.leaderboard.speed import lines, render_times
    from ganbench.leaderboard.table import render

    if not times:
        return render(tables, format.value, costs)
    if format is Format.json:
        return json.dumps(json.loads(render(tables, "json")) | {"times": lines(times, base)}, indent=1, allow_nan=False) + "\n"
    if not tables:
        return render_times(times, format.value, base)
    if format is Format.csv:
        raise UsageError("CSV holds records of runs or time records, whose columns differ; name one kind, or another --format.")
    return render(tables, format.value, costs) + "\n" + render_times(times, format.value, base)
