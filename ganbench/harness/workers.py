"""The local executor: jobs in parallel on this machine.

On a CPU every slot has a worker process of its own on its share of the cores, so that a worker that dies takes down its own job
alone and is replaced for the next. So it has where there are several GPUs, and slots take one of them each, in turn. On one GPU
several slots are threads of this process, each with a stream of its own: kernels of several processes would take turns there.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool

from ganbench.environment import available_cores, visible_gpus
from ganbench.errors import GanbenchError, UsageError, described
from ganbench.harness.executor import Failure, attempt, caught
from ganbench.harness.job import run_lane
from ganbench.harness.plan import Job, Setting

DIED = "its worker process died (killed, or out of memory); run the same command again to go on from its last state."


@dataclass(frozen=True)
class Crew:
    """How many workers there are and how many threads each may use; together no more than the cores. 0 workers: this process."""

    workers: int
    threads: int

    @property
    def place(self) -> str:
        """Where jobs run, for people."""
        return f"on {self.workers} worker{'' if self.workers == 1 else 's'}" if self.workers else "in this process"

    @property
    def at_once(self) -> int:
        """How many jobs run at once."""
        return max(1, self.workers)

    def run(self, jobs: list[Job], setting: Setting, tick: Callable[[], None], on_failure: Callable[[Failure], None]) -> None:
        """See `Executor.run`."""
        if self.workers == 0:
            for job in jobs:
                with _ticking(tick):
                    failure = attempt(job, setting, self.threads)
                if failure:
                    on_failure(failure)
                tick()
            return
        waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        stop, broken = threading.Event(), list[Exception]()

        def keep_at(work: Callable[..., None]) -> None:
            try:
                work(waiting, setting, stop, on_failure)
            except Exception as error:
                broken.append(error)

        slots = [threading.Thread(target=keep_at, args=(work,), daemon=True) for work in self._slots(setting.device)]
        for slot in slots:
            slot.start()
        try:
            while any(slot.is_alive() for slot in slots):
                tick()
                time.sleep(0.25)
        finally:
            stop.set()
            for slot in slots:
                slot.join()
        while not waiting.empty():  # no slot was left for them
            on_failure(Failure(waiting.get_nowait(), _lost(broken[0])))

    def _slots(self, device: str) -> list[Callable[..., None]]:
        """What each slot does until no job is left."""
        gpus = visible_gpus(device)
        if self.workers > 1 and device.startswith("cuda") and len(gpus) < 2:
            return [_work_on_stream] * self.workers
        told = itertools.cycle([{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus] if len(gpus) > 1 else [{}])
        return [partial(_work, threads=self.threads, variables=next(told)) for _ in range(self.workers)]


@contextlib.contextmanager
def _ticking(tick: Callable[[], None]) -> Iterator[None]:
    """Call `tick` on a thread of its own for as long as this one is at work."""
    over = threading.Event()

    def keep_ticking() -> None:
        while not over.wait(0.25):
            tick()

    thread = threading.Thread(target=keep_ticking, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def choose_crew(jobs: int, device: str, workers: int | None = None, *, small: bool = False) -> Crew:
    """One worker a core or a GPU, unless there are fewer jobs, or unless told.

    Workers share the cores as threads; where all data are `small` on a CPU (`execution.is_small`), each has one.
    """
    cores = available_cores()
    if workers is None:
        places = max(1, len(visible_gpus(device))) if device.startswith("cuda") else cores
        workers = max(1, min(places, jobs))
    if workers < 0:
        raise UsageError(f"{workers} workers cannot be; give 1 or more, or 0 to run in this process.")
    if device.startswith("cuda") and len(visible_gpus(device)) < 2:
        from ganbench.lanes import JOBS_AT_ONCE  # imports torch

        if workers > JOBS_AT_ONCE:
            raise UsageError(
                f"{workers} jobs at once are more than one GPU has streams for; give at most {JOBS_AT_ONCE} --workers."
            )
    one = small and not device.startswith("cuda")
    return Crew(workers, 1 if one else max(1, cores // max(1, workers)))


def _work(
    waiting: queue.SimpleQueue[Job],
    setting: Setting,
    stop: threading.Event,
    on_failure: Callable[[Failure], None],
    *,
    threads: int,
    variables: dict[str, str],
) -> None:
    executor = None
    try:
        while not stop.is_set():
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                executor, future = _hand(executor, job, setting, threads, variables)
            except Exception as unstarted:  # no process can be started
                on_failure(Failure(job, _lost(unstarted)))
                executor = None
                continue
            while not wait([future], timeout=0.25).done and not stop.is_set():
                pass
            if stop.is_set():
                return
            error = future.exception()
            if isinstance(error, BrokenProcessPool) and stop.wait(0.5):  # who stops the whole group may end a worker first
                return
            failure = future.result() if error is None else Failure(job, _lost(error))
            if failure is not None:
                on_failure(failure)
            if isinstance(error, BrokenProcessPool):
                executor.shutdown(wait=False, kill_workers=True)
                executor = None
    finally:
        if executor is not None:
            executor.shutdown(wait=True, kill_workers=True)


def _hand(
    executor: ProcessPoolExecutor | None, job: Job, setting: Setting, threads: int, variables: dict[str, str]
) -> tuple[ProcessPoolExecutor, Future[Failure | None]]:
    """A job handed to the worker process, or to a new one where there is none yet, or it died while it idled."""
    if executor is not None:
        try:
            return executor, executor.submit(attempt, job, setting, threads, os.getpid())
        except BrokenProcessPool:
            executor.shutdown(wait=False, kill_workers=True)
    executor = _start(threads, variables)
    return executor, executor.submit(attempt, job, setting, threads, os.getpid())


def _lost(error: BaseException) -> str:
    if isinstance(error, GanbenchError):
        return str(error)
    return DIED if isinstance(error, BrokenProcessPool) else f"{described(error)}; run the same command again."


class _StoppedError(BaseException):
    """The run is over before the job is: no Exception, since that would count as the job's failure."""


def _work_on_stream(
    waiting: queue.SimpleQueue[Job], setting: Setting, stop: threading.Event, on_failure: Callable[[Failure], None]
) -> None:
    from ganbench.lanes import working

    def still_wanted() -> None:
        if stop.is_set():
            raise _StoppedError

    with working(setting.device):
        while not stop.is_set():
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                failure = caught(job, setting, lambda job=job: run_lane(job, setting, still_wanted))  # type: ignore[misc]
            except _StoppedError:
                return
            if failure is not None:
                on_failure(failure)


def _start(threads: int, variables: dict[str, str]) -> ProcessPoolExecutor:
    # The numerical libraries read these when they are first imported, and CUDA the GPU's name when it is first used.
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    return ProcessPoolExecutor(max_workers=1, timeout=None, env=limits | variables)
