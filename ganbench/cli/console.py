"""Where words go: results to stdout, all else to stderr."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from ganbench.errors import UsageError

if TYPE_CHECKING:
    from ganbench.leaderboard.summary import Table
    from ganbench.times import TimeRecord

err = Console(stderr=True, emoji=False)


def print_json(document: Any) -> None:
    """One JSON document on stdout. Raises ValueError on NaN, which no result may hold."""
    typer.echo(json.dumps(document, indent=1, allow_nan=False))


def names(text: str | None) -> list[str] | None:
    """`a,b, c` as a list; None where nothing was given."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def given(option: str, found: list[str] | None) -> tuple[str, ...] | None:
    """The names that an option gives, None where it was left out. Raises UsageError where it names none."""
    if found == []:
        raise UsageError(f"{option} names none; give some, or leave the option out for the data set's own.")
    return None if found is None else tuple(found)


def command_line() -> str:
    """What was called, for a record: as the shell reads it, with marks for bytes that are no text, which JSON cannot hold."""
    return shlex.join(["ganbench", *sys.argv[1:]]).encode("utf-8", "replace").decode()


def one_line(text: object) -> str:
    """A text as one line that a terminal shows and does not obey: a sentence may quote a name from anybody's record."""
    from ganbench.leaderboard.numbers import clean

    return clean(str(text))


def counted(count: int, noun: str) -> str:
    """A number with its noun: "1 worker", "2 workers"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def named_path(text: str | Path) -> Path:
    """A path of the command line, or its default. Raises UsageError for an empty one, which would mean the current folder."""
    if not str(text).strip():
        raise UsageError(f"{text!r} names no file or folder; write its path, or . for the current folder.")
    return Path(text)


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A report of (what, done, total) on stderr: one live line on a terminal, elsewhere a plain line every ten seconds.

    A total of 0 means that it is not known.
    """
    shown_at = time.monotonic()
    if err.is_terminal:
        with err.status("starting") as status:
            yield lambda what, done, total: status.update(_standing(what, done, total))
        return

    def plain(what: str, done: int, total: int) -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at > 10:
            shown_at = time.monotonic()
            err.print(_standing(what, done, total), highlight=False, soft_wrap=True, markup=False)

    yield plain


def _standing(what: str, done: int, total: int) -> str:
    return f"{what}: {done:,} of {total:,} ({100 * done // total} %)" if total else what


def show_tables(tables: Sequence[Table], costs: bool = False) -> None:
    """Tables for people on stdout: drawn on a terminal, Markdown where stdout is a file or a pipe."""
    from ganbench.leaderboard.table import show

    show(tables, Console(), costs)


def show_times(records: Sequence[TimeRecord], base: str | None) -> None:
    """Tables of speed for people, as `show_tables` shows them; nothing where there are no records."""
    from ganbench.leaderboard.speed import sheets
    from ganbench.leaderboard.table import show_sheets

    if found := sheets(records, base):
        show_sheets(found, Console())
