"""The executor of a run that several processes share: the leader runs one job after the other, and the others train along."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ganbench.environment import available_cores
from ganbench.harness.executor import Failure, attempt
from ganbench.harness.plan import Job, Setting
from ganbench.ranks import Ranks
from ganbench.shared_check import check_batch_shared

TICK = 0.25  # seconds


@dataclass(frozen=True)
class Leader:
    """This process and those that follow it, each with its share of its machine's cores as threads."""

    ranks: Ranks

    @property
    def place(self) -> str:
        """Where jobs run, for people."""
        return f"in {self.ranks.count} processes"

    @property
    def threads(self) -> int:
        """How many threads each process may use."""
        return max(1, available_cores() // self.ranks.local_count)

    @property
    def at_once(self) -> int:
        """How many jobs run at once."""
        return 1

    def run(self, jobs: list[Job], setting: Setting, tick: Callable[[], None], on_failure: Callable[[Failure], None]) -> None:
        """See `Executor.run`. A job stops where it is when the launcher is gone, which would leave the processes to themselves."""
        over, launcher = threading.Event(), os.getppid()

        def watch() -> None:
            while not over.wait(TICK):
                tick()

        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        try:
            for job in jobs:
                if failure := attempt(job, setting, self.threads, launcher):
                    on_failure(failure)
        finally:
            over.set()
            watching.join()


def check_jobs(jobs: list[Job], ranks: Ranks) -> None:
    """Raise UsageError, before any work, for a job whose batches cannot be shared out evenly."""
    for job in jobs:
        if job.recipe is not None:
            check_batch_shared(job.recipe.batch_size, ranks, job.label)
