"""Progress of jobs: a job says where it stands in a small file, the front process reads the files and shows them.

Files, not a queue, so that any kind of worker can report, and a dead one leaves what it said last.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from ganbench.files import write_atomically


@dataclass
class Status:
    """Where a job stands. `steps_per_second` counts generator steps of the whole stack of seeds."""

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
            write_atomically(self.path, json.dumps(asdict(self.status)))
            self._written = time.monotonic()


def read_status(path: Path) -> Status:
    """The last status that a job wrote; a waiting one where it wrote none."""
    try:
        return Status(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Status()


class Display:
    """The front's side, on stderr: a live table on a terminal, elsewhere a plain line when a job changes and every 20 seconds."""

    def __init__(self, console: Console, jobs: dict[str, Path]) -> None:
        self.console = console
        self.jobs = jobs
        self._stages: dict[str, str] = {}
        self._last_line = time.monotonic()
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None

    def __enter__(self) -> Display:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def refresh(self) -> None:
        """Read every job's status and show what is new."""
        statuses = {label: read_status(path) for label, path in self.jobs.items()}
        if self._live:
            self._live.update(_table(statuses))
            return
        late = time.monotonic() - self._last_line > 20
        for label, status in statuses.items():
            changed = status.stage != self._stages.get(label, "waiting")
            if changed or (late and status.stage in ("training", "scoring")):
                self._stages[label] = status.stage
                self._last_line = time.monotonic()
                self.console.print(_line(label, status), highlight=False, soft_wrap=True, markup=False)


def _line(label: str, status: Status) -> str:
    parts = [f"{label}: {status.stage}"]
    if status.stage == "training":
        parts.append(f"step {status.step}/{status.steps}")
        parts += [f"{status.steps_per_second:.0f} steps/s, {_clock(status.seconds_left)} left"] if status.steps_per_second else []
    parts += [f"{name} {value:.4g}" for name, value in status.scores.items()]
    return ", ".join(parts + ([status.message] if status.message else []))


def _table(statuses: dict[str, Status]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title, justify in (("job", "left"), ("stage", "left"), ("step", "right"), ("steps/s", "right"), ("left", "right")):
        table.add_column(title, justify="right" if justify == "right" else "left", no_wrap=True)
    table.add_column("scores, mean over seeds")
    done = sum(status.stage in ("done", "failed") for status in statuses.values())
    for label, status in statuses.items():
        rate = f"{status.steps_per_second:.0f}" if status.steps_per_second else ""
        left = _clock(status.seconds_left) if status.stage == "training" else ""
        step = f"{status.step}/{status.steps}" if status.steps else ""
        scores = "  ".join(f"{name} {value:.4g}" for name, value in status.scores.items())
        style = {"failed": "red", "done": "dim", "waiting": "dim"}.get(status.stage)
        table.add_row(label, status.stage, step, rate, left, status.message or scores, style=style)
    table.caption = f"{done} of {len(statuses)} jobs done"
    return table


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
