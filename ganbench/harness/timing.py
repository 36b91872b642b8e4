"""`ganbench time`: what is to be timed, what of it is done, and the timing of the rest. `ganbench.times` says what numbers mean."""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from ganbench.dataset import LoadedDataset, find_dataset
from ganbench.environment import available_cores
from ganbench.errors import GanbenchError, UsageError, described
from ganbench.harness.plan import Job, Setting, difference, plan
from ganbench.harness.reference import cached_dataset
from ganbench.harness.rounds import Timing, in_turns
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

    @property
    def turns(self) -> str:
        """Tasks that follow each other and say the same are timed in turns, round by round."""

    def measure(self) -> Timing[TimeRecord]:
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
    """Do the tasks that are left, those that take turns together, each record written as soon as it is there, and read all of them.

    A task that fails leaves the others alone.
    """
    failures: dict[str, str] = {}
    done = 0
    for turns, group in itertools.groupby(left, lambda task: task.turns):
        together = {task.label: task for task in group}
        report(turns, done, len(left))
        with contextlib.redirect_stdout(sys.stderr):  # what a variant prints must not mix with results
            for label, made in in_turns({label: task.measure() for label, task in together.items()}):
                if isinstance(made, Exception):
                    failures[label] = str(made) if isinstance(made, GanbenchError) else described(made)
                else:
                    made.save(setting.out / together[label].place)
        done += len(together)
    paths = [setting.out / task.place for task in tasks if task.label not in failures]
    return Timed([load_times(path) for path in paths], failures)


def suite_for(dataset: str, variant: str) -> str | None:
    """The shipped suite whose recipe of a variant on a data set is timed; None where no suite has that data set.

    Of the suites that have it, the one that is called like the data set stands first, then the others by name; of these, the first
    that trains the variant there, and where none does, the first.
    """
    having = sorted((name for name, suite in _shipped().items() if dataset in suite.datasets), key=lambda name: name != dataset)
    training = [name for name in having if variant in _shipped()[name].variants]
    return next(iter(training or having), None)


def jobs_on(dataset: str, loaded: LoadedDataset, variants: Sequence[str] | None) -> list[Job]:
    """A job for each variant, with the recipe of its suite; without `variants`, for those that the data set's first suite trains.

    Raises UsageError for a control, which nothing trains, for a variant that is named twice, and for what `plan` refuses.
    """
    names = list(variants or _usual(dataset, loaded))
    jobs = [job for name in names for job in plan(_cut(dataset, name), {dataset: loaded})]
    for job in jobs:
        if job.recipe is None:
            raise UsageError(f"{job.name} is a control, which nothing trains; leave it out.")
        if [other.name for other in jobs].count(job.name) > 1:
            raise UsageError(f"The variants {', '.join(names)} name {job.name} twice; remove or rename one.")
    return jobs


@functools.cache
def _shipped() -> dict[str, Suite]:
    return {name: load_suite(name) for name in suites()}


def _usual(dataset: str, loaded: LoadedDataset) -> list[str]:
    """The variants that the first suite of a data set trains; on one that no suite has, those of `USUAL` that apply to it."""
    space = Space(loaded.shape, loaded.classes, loaded.inputs)
    found = {name: find("variants", name).load() for name in _shipped()[suite_for(dataset, "") or USUAL].variants}
    return [name for name, variant in found.items() if not isinstance(variant, Control) and variant.refuses(space) is None]


def _cut(dataset: str, variant: str) -> Suite:
    """The suite of a variant on a data set, cut down to the two; without one, the variant has its own recipe."""
    name = suite_for(dataset, variant)
    if name is None:
        content: dict[str, Any] = {"name": "own-recipe", "datasets": {dataset: {}}, "steps": _shipped()[USUAL].steps}
    else:
        content = _shipped()[name].model_dump(exclude_none=True)
        content["datasets"] = {dataset: content["datasets"][dataset]}
    return parse_suite(content | {"variants": [variant], "seeds": 1}, f"The suite for {variant} on {dataset}")


def _tasks(name: str, loaded: LoadedDataset, wanted: Wanted, setting: Setting) -> list[Task]:
    """The tasks of one data set."""
    home, _ = find_dataset(name)
    seeds = sorted(set(wanted.seeds))
    scoring = Scoring(loaded, home.extractor, min(home.samples, len(loaded.test)), setting, wanted.rounds)
    return [
        *(
            VariantTask(job, loaded, count, setting, wanted.rounds)
            for job in jobs_on(name, loaded, wanted.variants)
            for count in seeds
        ),
        *metric_tasks(scoring, wanted.metrics or home.metrics),
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
