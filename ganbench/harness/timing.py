"""`ganbench time`: what is to be timed, what of it is done, and the timing of the rest. `ganbench.times` says what numbers mean."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from ganbench.dataset import LoadedDataset
from ganbench.environment import available_cores
from ganbench.errors import GanbenchError, UsageError
from ganbench.harness.executor import described
from ganbench.harness.plan import Job, Setting, difference, plan
from ganbench.harness.reference import cached_dataset
from ganbench.harness.suite import Suite, load_suite, parse_suite, suites
from ganbench.harness.time_metrics import Scoring, metric_tasks
from ganbench.harness.time_variants import VariantTask
from ganbench.registry import find
from ganbench.times import TimeRecord, load_times
from ganbench.variant import Control, Space

USUAL = "demo"  # whose variants are timed on a data set that no suite has
Report = Callable[[str, int, int], None]


class Task(Protocol):
    """One time record that is wanted: what is timed in words, where it lies below the output folder, and all that decides it."""

    @property
    def label(self) -> str: ...

    @property
    def place(self) -> Path: ...

    @property
    def specification(self) -> dict[str, Any]: ...

    def measure(self) -> TimeRecord:
        """Time it."""


@dataclass(frozen=True)
class Wanted:
    """What is to be timed. `variants` None: those that a data set's suite trains; `metrics` None: the data set's own.

    `rounds` None: as many as are worth their time; `threads` None: one on a CPU, as a worker of `ganbench run` has, and all cores
    beside a GPU.
    """

    datasets: Sequence[str]
    variants: Sequence[str] | None = None
    seeds: Sequence[int] = (1, 4)
    metrics: Sequence[str] | None = None
    rounds: int | None = None
    threads: int | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Timed:
    """The records that were wanted, old and new, and by label the tasks that failed, with the reason."""

    records: list[TimeRecord]
    failures: dict[str, str]


def prepare_times(wanted: Wanted, setting: Setting) -> tuple[list[Task], list[Task]]:
    """All tasks, and those that are still to be done. Data and weights are loaded and every name is looked up, before any work.

    Sets the threads of this process. Raises what is wrong with the names, and UsageError for a record of other settings.
    """
    on_cpu = not setting.device.startswith("cuda")
    torch.set_num_threads(wanted.threads or (1 if on_cpu else available_cores()))
    tasks: list[Task] = []
    for name in dict.fromkeys(wanted.datasets):
        tasks += _tasks(name, cached_dataset(name, setting.location), wanted, setting)
    return tasks, [task for task in tasks if wanted.overwrite or not _done(task, setting)]


def time_all(tasks: Sequence[Task], left: Sequence[Task], setting: Setting, report: Report) -> Timed:
    """Do the tasks that are left, one after the other, each record written as soon as it is there, and read all of them.

    A task that fails leaves the others alone.
    """
    failures: dict[str, str] = {}
    for done, task in enumerate(left):
        report(task.label, done, len(left))
        try:
            with contextlib.redirect_stdout(sys.stderr):  # what a variant prints must not mix with results
                task.measure().save(setting.out / task.place)
        except Exception as error:  # a variant or a metric of anybody's
            failures[task.label] = str(error) if isinstance(error, GanbenchError) else described(error)
    paths = [setting.out / task.place for task in tasks if task.label not in failures]
    return Timed([load_times(path) for path in paths], failures)


def suite_for(dataset: str, loaded: LoadedDataset, variants: Sequence[str] | None) -> Suite:
    """The suite whose recipes are timed on a data set, cut down to it and to the variants: those it trains, where none are given.

    It is the shipped suite that is called like the data set, else the first that has it, by name; else one that leaves variants
    their own recipes.
    """
    shipped = suites()
    having = [name for name in (dataset, *shipped) if name in shipped and dataset in load_suite(name).datasets]
    if having:
        content = load_suite(having[0]).model_dump(exclude_none=True)
        content["datasets"] = {dataset: content["datasets"][dataset]}
    else:
        usual = load_suite(USUAL)
        content = {"name": "own-recipes", "datasets": {dataset: {}}, "steps": usual.steps, "variants": usual.variants}
    content["variants"] = list(variants or [name for name in content["variants"] if _is_trained(name, loaded)])
    return parse_suite(content, f"The suite for {dataset}")


def _is_trained(name: str, loaded: LoadedDataset) -> bool:
    variant = find("variants", name).load()
    return not isinstance(variant, Control) and variant.refuses(Space(loaded.shape, loaded.classes, loaded.inputs)) is None


def jobs_on(dataset: str, loaded: LoadedDataset, variants: Sequence[str] | None) -> list[Job]:
    """The jobs of a data set's suite. Raises UsageError for a control, which nothing trains, and for what `plan` refuses."""
    jobs = plan(suite_for(dataset, loaded, variants), {dataset: loaded})
    for job in jobs:
        if job.recipe is None:
            raise UsageError(f"{job.name} is a control, which nothing trains; leave it out.")
    return jobs


def _tasks(name: str, loaded: LoadedDataset, wanted: Wanted, setting: Setting) -> list[Task]:
    """The tasks of one data set."""
    jobs, seeds = jobs_on(name, loaded, wanted.variants), sorted(set(wanted.seeds))
    scoring = Scoring(loaded, jobs[0].extractor, jobs[0].samples, setting, wanted.rounds)
    return [
        *(VariantTask(job, loaded, count, setting, wanted.rounds) for job in jobs for count in seeds),
        *metric_tasks(scoring, wanted.metrics or jobs[0].metrics),
    ]


def _done(task: Task, setting: Setting) -> bool:
    path = setting.out / task.place
    if not path.exists():
        return False
    stored, specification = load_times(path).specification, task.specification
    if stored != specification:
        raise UsageError(
            f"{path} was made with other settings ({difference(stored, specification)}); choose another --out, or pass --overwrite."
        )
    return True
