"""Run a suite: load its data, plan, skip what is done, run the rest, hand back every record."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass, replace

import torch
from rich.console import Console

from ganbench.clock import utc_now
from ganbench.dataset import LoadedDataset
from ganbench.errors import GanbenchError, RunFailedError, described
from ganbench.harness.claim import claim
from ganbench.harness.executor import Executor, Failure
from ganbench.harness.job import status_path
from ganbench.harness.plan import Job, Setting, pending, plan
from ganbench.harness.progress import Display, Reporter
from ganbench.harness.reference import cached_dataset, cached_extractor
from ganbench.harness.run import Outcome, make_record
from ganbench.harness.suite import Suite
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
        cached_extractor(extractor, setting.weights, setting.device if is_here(setting.device) else "cpu")
    left = [job for job in (pending(each, setting, overwrite) for each in jobs) if job is not None]
    return Prepared(jobs, left, datasets)


def run_suite(prepared: Prepared, setting: Setting, executor: Executor, console: Console) -> Finished:
    """Run the jobs that are left and read all records. A job that fails leaves `failed` records with the reason."""
    failures: list[Failure] = []
    unwritten: list[str] = []

    def on_failure(failure: Failure) -> None:
        failures.append(failure)
        console.print(f"{failure.job.label} failed: {failure.message}", style="red", highlight=False, soft_wrap=True, markup=False)
        try:
            note(failure)
        except Exception as error:  # a full disk, say: the other jobs may still end well
            why = str(error).rstrip(".") if isinstance(error, GanbenchError) else f"{described(error)}; run the same command again"
            unwritten.append(f"{failure.job.label} failed, and that could not be written down: {why}.")

    def note(failure: Failure) -> None:
        Reporter(status_path(failure.job, setting)).say("failed")
        for seed in failure.job.seeds:
            path = failure.job.record_path(setting.out, seed)
            if path.exists() and load_record(path).status != "failed":
                continue  # the seed was done before another one failed
            outcome = Outcome(Timing(train_seconds=0.0, stacked_seeds=len(failure.job.seeds), finished_at=utc_now()))
            dataset = prepared.datasets[failure.job.dataset]
            make_record(failure.job, setting, dataset, seed, "failed", outcome, failure.message).save(path)

    with claim(setting.out) as token:
        paths = {job.label: status_path(job, setting) for job in prepared.left}
        for path in paths.values():
            path.unlink(missing_ok=True)
        # What a variant or a cluster prints must not mix with results.
        with Display(console, paths) as display, contextlib.redirect_stdout(sys.stderr):
            if prepared.left:
                executor.run(prepared.left, replace(setting, token=token), display.refresh, on_failure)
    if unwritten:
        raise RunFailedError(unwritten[0])
    records = [load_record(job.record_path(setting.out, seed)) for job in prepared.jobs for seed in job.seeds]
    return Finished(records, failures)


def estimate_seconds(job: Job, setting: Setting, dataset: LoadedDataset, probe_seconds: float = 1.5) -> float | None:
    """Training seconds of a job on one worker, from a few steps taken now and thrown away.

    None for a control, and where this machine has not the device that a cluster's workers have. The steps are not compiled: that
    takes longer than this look, and is done once, whatever the number of steps.
    """
    variant = find("variants", job.variant).load()
    if job.recipe is None or not isinstance(variant, Variant) or not is_here(setting.device):
        return None
    how = replace(setting.execution, compile=False)
    training = Training(variant, replace(job.recipe), dataset, list(job.seeds), job.steps, device=setting.device, execution=how)
    training.advance(1)  # warm up
    started = time.perf_counter()
    while not training.finished and time.perf_counter() - started < probe_seconds:
        training.advance(training.step + 1)
    return (time.perf_counter() - started) / max(1, training.step - 1) * job.steps


def is_here(device: str) -> bool:
    """Whether this machine has the device; a cluster's workers may have one that the machine before them has not."""
    return not device.startswith("cuda") or torch.cuda.is_available()
