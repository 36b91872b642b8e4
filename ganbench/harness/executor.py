"""The seam between the harness and whatever runs its jobs: jobs and setting go in as plain data, failures come back as plain data.

Records, progress and training states go by files below the output folder, so that an executor hands nothing back but failures.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ganbench.errors import GanbenchError, described
from ganbench.files import write_atomically
from ganbench.harness.job import run_job
from ganbench.harness.plan import Job, Setting


@dataclass(frozen=True)
class Failure:
    """A job that did not end well, in one sentence."""

    job: Job
    message: str


class Executor(Protocol):
    """Whatever runs jobs: the workers of this machine, or a cluster."""

    @property
    def place(self) -> str:
        """Where jobs run, for people: "on 2 workers"."""

    @property
    def threads(self) -> int:
        """How many threads a job may use."""

    @property
    def at_once(self) -> int | None:
        """How many jobs run at once; None where a cluster decides."""

    def run(self, jobs: list[Job], setting: Setting, tick: Callable[[], None], on_failure: Callable[[Failure], None]) -> None:
        """Run every job, calling `tick` a few times a second and `on_failure` for each job that failed.

        When this returns or raises (KeyboardInterrupt too), no job runs any more. Raises GanbenchError where none can be run.
        """


def attempt(job: Job, setting: Setting, threads: int, parent: int | None = None) -> Failure | None:
    """Run a job in this process, as `run_job` does; what goes wrong comes back as a Failure. Any worker calls this."""
    return caught(job, setting, lambda: run_job(job, setting, threads, parent))


def caught(job: Job, setting: Setting, work: Callable[[], None]) -> Failure | None:
    """What goes wrong in a job's work: one sentence for people, the whole story in the job's log. None where all went well."""
    try:
        work()
    except (Exception, SystemExit) as error:  # one job's failure, even a call of exit, must not end the others
        log = log_path(job, setting.out)
        with contextlib.suppress(OSError):  # a full disk is a story that cannot be kept
            write_atomically(log, "".join(traceback.format_exception(error)).encode("utf-8", "replace"))
        if isinstance(error, GanbenchError):
            return Failure(job, str(error))
        return Failure(job, f"{described(error)}; the whole story is in {log}.")
    return None


def log_path(job: Job, out: Path) -> Path:
    """Where the story of a job's failure lies."""
    return job.place(out, "logs").with_suffix(".log")
