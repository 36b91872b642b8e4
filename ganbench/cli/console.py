"""Where words go: results to stdout, all else to stderr."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from ganbench.leaderboard.summary import Table

err = Console(stderr=True)


def print_json(document: Any) -> None:
    """One JSON document on stdout. Raises ValueError on NaN, which no result may hold."""
    typer.echo(json.dumps(document, indent=1, allow_nan=False))


def names(text: str | None) -> list[str] | None:
    """`a,b, c` as a list; None where nothing was given."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def show_tables(tables: Sequence[Table]) -> None:
    """Tables for people on stdout: drawn on a terminal, Markdown where stdout is a file or a pipe."""
    from ganbench.leaderboard.table import show

    show(tables, Console())
