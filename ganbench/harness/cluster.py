"""What every cluster's executor does alike: submit jobs, wait, try a job again whose worker was lost, cancel what is left.

A cluster's workers share the output folder with this machine. A job whose worker was lost goes on there from its training state.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ganbench.harness.executor import Failure
from ganbench.harness.job import status_path
from ganbench.harness.plan import Job, Setting, pending
from ganbench.harness.progress import Reporter

BATCH = 1000  # jobs submitted in one go; a Slurm array may have 1001 where nobody raised its limit


class LostError(Exception):
    """A worker went away with its job: killed, out of memory, or its machine is gone. Says how the cluster puts it."""


class Submitted(Protocol):
    """A job that the cluster has."""

    def done(self) -> bool:
        """Whether it has ended in any way."""

    def outcome(self) -> Failure | None:
        """What `attempt` returned. Raises LostError where it did not."""

    def cancel(self) -> None:
        """Stop it, or take it out of the queue."""


@dataclass(frozen=True)
class Rules:
    """How many jobs are with the cluster at once (None: all, it has a queue), and how often a lost one is tried again."""

    at_once: int | None
    retries: int


def follow(
    jobs: list[Job],
    setting: Setting,
    submit: Callable[[list[Job]], Sequence[Submitted]],
    rules: Rules,
    tick: Callable[[], None],
    on_failure: Callable[[Failure], None],
) -> None:
    """Submit the jobs and wait for them all, calling `tick` and `on_failure` as an executor does; cancels what is left."""
    waiting, running = deque((job, 0) for job in jobs), dict[Submitted, tuple[Job, int]]()
    try:
        while waiting or running:
            room = BATCH if rules.at_once is None else min(BATCH, rules.at_once - len(running))
            if batch := [waiting.popleft() for _ in range(min(room, len(waiting)))]:
                running.update(zip(submit([job for job, _ in batch]), batch, strict=True))
            begun = time.monotonic()
            for submitted in [each for each in running if each.done()]:
                job, lost = running.pop(submitted)
                try:
                    failure = submitted.outcome()
                except LostError as error:
                    failure = _lost(job, setting, lost, rules, error)
                    if failure is None and pending(job, setting, overwrite=True):
                        waiting.append((job, lost + 1))
                if failure is not None:
                    on_failure(failure)
            tick()
            # Looking at thousands of jobs on a shared disk takes long: most of the time is left to the disk's other users.
            time.sleep(max(0.1, min(30.0, 4 * (time.monotonic() - begun))))
    finally:
        for submitted in running:
            submitted.cancel()


def _lost(job: Job, setting: Setting, lost: int, rules: Rules, error: LostError) -> Failure | None:
    """A Failure for a job that was lost once too often; otherwise its status says that it is tried again."""
    if lost >= rules.retries:
        times = "once" if lost == 0 else f"{lost + 1} times"
        return Failure(job, f"its worker was lost {times} ({error}); run the same command again to go on from its last state.")
    message = f"its worker was lost ({error}); try {lost + 2} of {rules.retries + 1} goes on from its last state"
    Reporter(status_path(job, setting)).say("waiting", message=message)
    return None
