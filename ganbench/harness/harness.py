"""Run a suite: load its data, plan, skip what is done, run the rest, hand back every record."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from rich.console import Console

from ganbench.clock import utc_now
from ganbench.dataset import LoadedDataset
from ganbench.errors import UsageError
from ganbench.harness.job import status_path
from ganbench.harness.plan import Job, Setting, pending, plan
from ganbench.harness.progress import Display, Reporter
from ganbench.harness.reference import cached_dataset, cached_extractor
from ganbench.harness.run import Outcome, make_record
from ganbench.harness.suite import Suite
from ganbench.harness.workers import Crew, Failure, run_jobs
from ganbench.record import Record, Timing, load_record
from ganbench.registry import find
from ganbench.train import Training
from ganbench.variant import Variant


@dataclass(frozen=True)
class Prepared:
    """A suite that was checked: all of its jobs, and those that are still to be run, with their seeds that are left."""

    jobs: list[Job]
    left: list[Job]
    datasets: dict[str, LoadedDataset]


@dataclass(frozen=True)
class Finished:
    """What a run came to: the records of all the suite's jobs, old and new, and the jobs that failed."""

    records: list[Record]
    failures: list[Failure]


def prepare(suite: Suite, setting: Setting, overwrite: bool = False) -> Prepared:
    """Load every data set and extractor and look up every name, before any work. Raises what is wrong with them."""
    datasets = {name: cached_dataset(name, setting.location) for name in suite.datasets}
    jobs = plan(suite, datasets)
    for extractor in {job.extractor for job in jobs}:
        cached_extractor(extractor, setting.weights, setting.device)
    left = [job for job in (pending(each, setting, overwrite) for each in jobs) if job is not None]
    return Prepared(jobs, left, datasets)


def run_suite(prepared: Prepared, setting: Setting, crew: Crew, console: Console) -> Finished:
    """Run the jobs that are left and read all records. A job that fails leaves `failed` records with the reason."""

    def on_failure(failure: Failure) -> None:
        console.print(f"{failure.job.label} failed: {failure.message}", style="red", highlight=False, soft_wrap=True, markup=False)
        Reporter(status_path(failure.job, setting)).say("failed")
        for seed in failure.job.seeds:
            path = failure.job.record_path(setting.out, seed)
            if path.exists() and load_record(path).status != "failed":
                continue  # the seed was done before another one failed
            outcome = Outcome(Timing(train_seconds=0.0, stacked_seeds=len(failure.job.seeds), finished_at=utc_now()))
            dataset = prepared.datasets[failure.job.dataset]
            make_record(failure.job, setting, dataset, seed, "failed", outcome, failure.message).save(path)

    with locked(setting.out):
        paths = {job.label: status_path(job, setting) for job in prepared.left}
        for path in paths.values():
            path.unlink(missing_ok=True)
        with Display(console, paths) as display:
            failures = run_jobs(prepared.left, setting, crew, display.refresh, on_failure) if prepared.left else []
    records = [load_record(job.record_path(setting.out, seed)) for job in prepared.jobs for seed in job.seeds]
    return Finished(records, failures)


@contextmanager
def locked(out: Path) -> Iterator[IO[str]]:
    """Hold the output folder for this process; the lock goes with the process, however it ends.

    Raises UsageError when the folder cannot be written or another run holds it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        file = (out / ".lock").open("w")
    except OSError as error:
        raise UsageError(f"The output folder {out} cannot be written ({error.strerror}); choose another --out.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"Another run is writing to {out}; wait for it, or choose another --out.") from None
        yield file


def estimate_seconds(job: Job, setting: Setting, dataset: LoadedDataset, probe_seconds: float = 1.5) -> float | None:
    """Training seconds of a job on one worker, from a few steps taken now and thrown away; None for a control.

    The steps are not compiled: that takes longer than this look, and is done once, whatever the number of steps.
    """
    variant = find("variants", job.variant).load()
    if job.recipe is None or not isinstance(variant, Variant):
        return None
    how = replace(setting.execution, compile=False)
    training = Training(variant, replace(job.recipe), dataset, list(job.seeds), job.steps, device=setting.device, execution=how)
    training.advance(1)  # warm up
    started = time.perf_counter()
    while not training.finished and time.perf_counter() - started < probe_seconds:
        training.advance(training.step + 1)
    return (time.perf_counter() - started) / max(1, training.step - 1) * job.steps
