"""Jobs in parallel on this machine.

On a CPU every slot has a worker process of its own on its share of the cores, so that a worker that dies takes down its own job
alone and is replaced for the next. On a GPU several slots are threads of this process, each with a stream of its own: kernels of
several processes would take turns there.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool

from ganbench.environment import available_cores
from ganbench.errors import GanbenchError, UsageError
from ganbench.files import write_atomically
from ganbench.harness.job import run_job, run_lane
from ganbench.harness.plan import Job, Setting


@dataclass(frozen=True)
class Failure:
    """A job that did not end well, in one sentence."""

    job: Job
    message: str


@dataclass(frozen=True)
class Crew:
    """How many workers there are and how many threads each may use; together no more than the cores. 0 workers: this process."""

    workers: int
    threads: int


def choose_crew(jobs: int, device: str, workers: int | None = None) -> Crew:
    """One worker a core and one thread each, unless there are fewer jobs than cores; on a GPU one worker, unless told."""
    cores = available_cores()
    if workers is None:
        workers = 1 if device.startswith("cuda") else max(1, min(cores, jobs))
    if workers < 0:
        raise UsageError(f"{workers} workers cannot be; give 1 or more, or 0 to run in this process.")
    return Crew(workers, max(1, cores // max(1, workers)))


def run_jobs(
    jobs: list[Job], setting: Setting, crew: Crew, tick: Callable[[], None], on_failure: Callable[[Failure], None]
) -> list[Failure]:
    """Run every job, calling `tick` a few times a second and `on_failure` for each job that failed. Returns the failures."""
    failures: list[Failure] = []

    def note(failure: Failure) -> None:
        failures.append(failure)
        on_failure(failure)

    if crew.workers == 0:
        for job in jobs:
            try:
                run_job(job, setting, crew.threads)
            except (Exception, SystemExit) as error:  # one job's failure, even a call of exit, must not end the others
                note(_explain(job, setting, error))
            tick()
        return failures
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    stop = threading.Event()
    work = _work_on_stream if crew.workers > 1 and setting.device.startswith("cuda") else _work
    slots = [
        threading.Thread(target=work, args=(waiting, setting, crew.threads, stop, note), daemon=True) for _ in range(crew.workers)
    ]
    for slot in slots:
        slot.start()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what a variant prints must not mix with results
            while any(slot.is_alive() for slot in slots):
                tick()
                time.sleep(0.25)
    finally:
        stop.set()
        for slot in slots:
            slot.join()
    tick()
    return failures


def _work(
    waiting: queue.SimpleQueue[Job], setting: Setting, threads: int, stop: threading.Event, note: Callable[[Failure], None]
) -> None:
    executor = None
    try:
        while not stop.is_set():
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            executor = executor or _start(threads)
            future = executor.submit(run_job, job, setting, threads, os.getpid())
            while not future.done() and not stop.is_set():
                time.sleep(0.05)
            if stop.is_set():
                return
            error = future.exception()
            if error is not None:
                note(_explain(job, setting, error))
            if isinstance(error, BrokenProcessPool):
                executor.shutdown(wait=False, kill_workers=True)
                executor = None
    finally:
        if executor is not None:
            executor.shutdown(wait=True, kill_workers=True)


class _StoppedError(Exception):
    """The run is over before the job is."""


def _work_on_stream(
    waiting: queue.SimpleQueue[Job], setting: Setting, threads: int, stop: threading.Event, note: Callable[[Failure], None]
) -> None:
    import torch

    def still_wanted() -> None:
        if stop.is_set():
            raise _StoppedError

    with torch.cuda.stream(torch.cuda.Stream(setting.device)):
        while not stop.is_set():
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                run_lane(job, setting, still_wanted)
            except _StoppedError:
                return
            except (Exception, SystemExit) as error:
                note(_explain(job, setting, error))


def _start(threads: int) -> ProcessPoolExecutor:
    # The numerical libraries read these when they are first imported.
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return ProcessPoolExecutor(max_workers=1, timeout=None, env=dict.fromkeys(names, str(threads)))


def _explain(job: Job, setting: Setting, error: BaseException) -> Failure:
    """One sentence for people; the whole story goes to the job's log."""
    log = log_path(job, setting.out)
    write_atomically(log, "".join(traceback.format_exception(error)).encode("utf-8", "replace"))
    if isinstance(error, BrokenProcessPool):
        return Failure(
            job, "its worker process died (killed, or out of memory); run the same command again to go on from its last state."
        )
    if isinstance(error, GanbenchError):
        return Failure(job, str(error))
    first = str(error).strip().splitlines()[:1]
    return Failure(job, f"{type(error).__name__}: {first[0] if first else 'no message'}; the whole story is in {log}.")


def log_path(job: Job, out: Path) -> Path:
    """Where the story of a job's failure lies."""
    return job.place(out, "logs").with_suffix(".log")
