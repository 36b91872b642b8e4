"""The commands, and how an error becomes one sentence and an exit code.

Exit codes: 0 done; 1 a run failed; 2 usage; 3 data or weights missing; 4 input that is not valid; stopped, 130 by Ctrl-C and 143 by
SIGTERM.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import ganbench
from ganbench.cli import auditing, carding, checking, listing, publishing, ranking, running, scoring, showing, tables, timing
from ganbench.cli.console import err, one_line
from ganbench.errors import GanbenchError, MissingDataError
from ganbench.ranks import leave, speaks

ONE_STOP = 1.0  # seconds in which several SIGTERMs are one: `timeout` and clusters send it to a process, and to its group too


class Commands(TyperGroup):
    """The commands. Their list is in plain text: what draws boxes takes as long to import as all the rest that answers."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # click's own types, which typer 0.20 and newer carry themselves
        self.rich_markup_mode = None
        super().format_help(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; a Ctrl-C passes typer by, which would end without a word."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            raise _Stopped(stopped) from None


class _Stopped(Exception):  # noqa: N818 - no error
    """The user has stopped the command, by the signal that it holds."""


class _Terminated(KeyboardInterrupt):
    """A SIGTERM, as `kill`, `timeout` and clusters send it: workers are ended as after a Ctrl-C."""


app = typer.Typer(
    name="ganbench",
    cls=Commands,
    help="Train GAN variants, score them, compare them: every number with its seeds, its interval and its protocol.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(running.demo)
app.command()(running.run)
app.command()(scoring.score)
app.command()(scoring.cache)
app.command()(auditing.audit)
app.command()(timing.time)
app.command()(tables.table)
app.command()(ranking.rank)
app.command()(carding.card)
app.command()(publishing.publish)
app.command()(checking.validate)
app.command()(checking.verify)
app.command()(checking.compare)
app.command(name="list")(listing.list_entries)
app.command()(showing.show)
app.command()(listing.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ganbench {ganbench.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def share_cores() -> None:
    """Have torch, which is not imported yet, let go of cores that it waits on; a user's own choice stands."""
    # Its threads wait for one another in a loop, a millisecond or more, before they sleep. Where other programs have the cores, the
    # thread that is waited for may need just that core: steps of two threads took several times as long as those of one.
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ):
        os.environ["GOMP_SPINCOUNT"] = "3000"


def heed_sigterm() -> list[float]:
    """Have a SIGTERM stop the command as Ctrl-C does, and a later one end it. A launcher of several processes ends them itself.

    What comes back holds the moment of each SIGTERM: it is empty, and grows as they come.
    """
    came: list[float] = []

    def stop(*_: object) -> None:
        came.append(time.monotonic())
        if len(came) == 1:
            raise _Terminated
        if came[-1] - came[0] > ONE_STOP:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    if os.environ.get("WORLD_SIZE", "1") == "1" and signal.getsignal(signal.SIGTERM) != signal.SIG_IGN:
        signal.signal(signal.SIGTERM, stop)
    return came


def main() -> None:
    """Run the program and exit with its code. What a user can cause is told in one sentence on stderr."""
    share_cores()
    terminated = heed_sigterm()
    try:
        _run()
    except BaseException as error:
        # What a library makes of it counts for nothing: numpy, stopped in its import, ends in a recursion, and click ends with 130.
        if not terminated or (isinstance(error, SystemExit) and error.code in (None, 0, 143)):
            raise
        _stopped(143)


def _stopped(code: int) -> NoReturn:
    if speaks():
        err.print("Stopped. The same command goes on from what is saved.", highlight=False)
    leave(code)


def _run() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no arrows still gets its table
    try:
        app(prog_name="ganbench")
    except GanbenchError as error:
        if speaks():
            err.print(f"Error: {one_line(error)}", style="red", highlight=False, soft_wrap=True, markup=False)
        leave(error.exit_code)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            # The reader of our output went away (`ganbench table ... | head`): that is no error of ours.
            sys.stdout = Path("/dev/null").open("w")  # noqa: SIM115 - the interpreter flushes it at exit
            sys.exit(0)
        place = "" if error.filename is None else f"{str(error.filename)[:200]}: "
        if speaks():
            err.print(
                f"Error: {place}{error.strerror or error}; choose another file or folder.",
                highlight=False,
                soft_wrap=True,
                markup=False,
            )
        leave(MissingDataError.exit_code)
    except (_Stopped, KeyboardInterrupt) as stopped:
        how = stopped.args[0] if isinstance(stopped, _Stopped) else stopped
        _stopped(143 if isinstance(how, _Terminated) else 130)
