"""Progress of jobs: a job says where it stands in a small file, the front process reads the files and shows them.

Files, not a queue, so that any kind of worker can report, and a dead one leaves what it said last.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from ganbench.files import write_atomically

ENDED = ("done", "failed")
AT_WORK = ("loading", "training", "scoring")


@dataclass
class Status:
    """Where a job stands. Steps are those of a training, and of a pass over samples its items.

    `steps_per_second` counts generator steps of the whole stack of seeds.
    """

    stage: str = "waiting"  # waiting, loading, training, scoring, done, failed
    step: int = 0
    steps: int = 0
    steps_per_second: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    message: str = ""

    @property
    def seconds_left(self) -> float | None:
        """Training seconds left at the current rate."""
        return (self.steps - self.step) / self.steps_per_second if self.steps_per_second else None


class Reporter:
    """The worker's side: writes the status at most twice a second, and at each change of stage."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.status = Status()
        self._written = 0.0

    def say(self, stage: str, **changes: object) -> None:
        """Update the status with `stage` and the given fields."""
        fresh = stage != self.status.stage
        self.status.stage = stage
        for name, value in changes.items():
            setattr(self.status, name, value)
        if fresh or time.monotonic() - self._written > 0.5:
            write_atomically(self.path, json.dumps(asdict(self.status)), durable=False)
            self._written = time.monotonic()

    def counts(self, stage: str) -> Callable[[str, int, int], None]:
        """A report that says how many of the items of a pass are done, as steps of this stage."""
        return lambda what, done, total: self.say(stage, step=done, steps=total)


def read_status(path: Path) -> Status:
    """The last status that a job wrote; a waiting one where it wrote none."""
    try:
        return Status(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Status()


class Display:
    """The front's side, on stderr: a live table on a terminal, elsewhere a plain line when a job changes and every 20 seconds.

    Only files that changed are read, and none of a job that has ended: with thousands of jobs, reading them all would be the work.
    """

    def __init__(self, console: Console, jobs: dict[str, Path]) -> None:
        self.console = console
        self.statuses = {label: Status() for label in jobs}
        self._labels = {str(path): label for label, path in jobs.items()}
        self._folders = sorted({path.parent for path in jobs.values()})
        self._versions: dict[str, tuple[int, int]] = {}
        self._due = 0.0
        self._last_line = time.monotonic()
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None

    def __enter__(self) -> Display:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._due = 0.0
        self.refresh()
        if self._live:
            self._live.stop()

    def refresh(self) -> None:
        """Read what jobs said since the last time and show it; at most four times a second, and in a tenth of the time."""
        begun = time.monotonic()
        if begun < self._due:
            return
        changed = self._read()
        if self._live:
            self._live.update(status_table(self.statuses, self.console.height - 4))
        else:
            self._print(changed)
        self._due = time.monotonic() + max(0.25, 10 * (time.monotonic() - begun))

    def _read(self) -> list[str]:
        """The jobs whose stage is another than before."""
        changed = []
        for folder in self._folders:
            with contextlib.suppress(FileNotFoundError), os.scandir(folder) as files:
                for file in files:
                    label = self._labels.get(file.path)
                    if label is None or self.statuses[label].stage in ENDED:
                        continue
                    found = file.stat()
                    if (version := (found.st_mtime_ns, found.st_ino)) == self._versions.get(label):
                        continue
                    self._versions[label] = version
                    before, self.statuses[label] = self.statuses[label], read_status(folder / file.name)
                    # A job that is tried again says that it waits, as before it began, and why.
                    if (before.stage, before.message) != (self.statuses[label].stage, self.statuses[label].message):
                        changed.append(label)
        return changed

    def _print(self, changed: list[str]) -> None:
        if time.monotonic() - self._last_line > 20:
            active = [label for label, status in self.statuses.items() if status.stage in AT_WORK]
            changed = [*changed, *(label for label in active if label not in changed)]
        for label in changed:
            self._last_line = time.monotonic()
            self.console.print(_line(label, self.statuses[label]), highlight=False, soft_wrap=True, markup=False)


def _line(label: str, status: Status) -> str:
    parts = [f"{label}: {status.stage}"]
    if status.stage in ("loading", "scoring") and status.step:
        parts.append(f"{status.step} of {status.steps} items")
    if status.stage == "training":
        parts.append(f"step {status.step}/{status.steps}")
        parts += [f"{status.steps_per_second:.0f} steps/s, {_clock(status.seconds_left)} left"] if status.steps_per_second else []
    parts += [f"{name} {value:.4g}" for name, value in status.scores.items()]
    return ", ".join(parts + ([status.message] if status.message else []))


def status_table(statuses: Mapping[str, Status], height: int) -> Table:
    """The jobs in their order, or where they are more than the height, those of most interest: at work, failed, waiting, done."""
    table = Table(box=None, pad_edge=False)
    for title, justify in (("job", "left"), ("stage", "left"), ("step", "right"), ("steps/s", "right"), ("left", "right")):
        table.add_column(title, justify="right" if justify == "right" else "left", no_wrap=True)
    table.add_column("scores, mean over seeds")
    done = sum(status.stage in ENDED for status in statuses.values())
    shown = list(statuses)
    if len(shown) > height:
        interest = {"failed": 1, "waiting": 2, "done": 3}
        shown = sorted(shown, key=lambda label: interest.get(statuses[label].stage, 0))[: max(1, height)]
    for label in shown:
        status = statuses[label]
        rate = f"{status.steps_per_second:.0f}" if status.steps_per_second else ""
        left = _clock(status.seconds_left) if status.stage == "training" else ""
        step = f"{status.step}/{status.steps}" if status.steps else ""
        scores = "  ".join(f"{name} {value:.4g}" for name, value in status.scores.items())
        style = {"failed": "red", "done": "dim", "waiting": "dim"}.get(status.stage)
        table.add_row(label, status.stage, step, rate, left, status.message or scores, style=style)
    hidden = len(statuses) - len(shown)
    table.caption = f"{done} of {len(statuses)} jobs done" + (f", {hidden} not shown" if hidden else "")
    return table


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
