"""From a suite to jobs: one job is one variant on one data set, all its seeds. A job is plain data that any process can run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ganbench.batches import check_batch_size
from ganbench.dataset import Dataset, LoadedDataset, Location
from ganbench.errors import UsageError
from ganbench.execution import Execution
from ganbench.files import digest
from ganbench.find_extractor import find_extractor
from ganbench.harness.fit import check_networks, unread
from ganbench.harness.suite import DatasetPlan, Override, Suite
from ganbench.metric import Metric
from ganbench.ranks import ALONE, Ranks
from ganbench.record import USUAL, load_record
from ganbench.registry import Entry, find
from ganbench.rng import stream
from ganbench.score.choose import Given, choose_metrics
from ganbench.variant import Control, Recipe, Space, Variant


@dataclass(frozen=True)
class Setting:
    """What holds for every job of a run: where data and weights lie, where results go, and on what they are made."""

    out: Path
    location: Location = field(default_factory=Location)
    weights: Path | None = None
    device: str = "cpu"
    command: str = ""
    checkpoint_seconds: float = 30.0  # between two states saved while training
    execution: Execution = field(default_factory=Execution)
    token: str = ""  # of the run that holds `out`: see `claim`
    ranks: Ranks = ALONE  # the processes that share each training


@dataclass(frozen=True)
class Job:
    """One variant on one data set. `recipe` is None for a control, `steps` is then 0."""

    suite: str
    dataset: str
    variant: str
    name: str
    seeds: tuple[int, ...]
    steps: int
    recipe: Recipe | None
    samples: int
    metrics: tuple[str, ...]
    extractor: str
    eval_every: int
    eval_samples: int

    @property
    def label(self) -> str:
        """`digits/wgan-gp`, for people."""
        return f"{self.dataset}/{self.name}"

    def place(self, out: Path, kind: str) -> Path:
        """The folder below `out` for this job's records, checkpoints, curves, samples, state or logs."""
        return out / kind / folder_name(self.dataset) / self.name

    def record_path(self, out: Path, seed: int) -> Path:
        """Where the record of one seed lies."""
        return self.place(out, "records") / f"seed-{seed}.json"

    def specification(self, setting: Setting) -> dict[str, Any]:
        """All that decides the numbers of a run but its seed, as plain values.

        A variant from a file of the user's carries the file's hash: other code is another specification.
        """
        # The number of processes is no part of it, as the number of threads is none: batches, batch norm and losses are those of
        # one process, so that only the order of sums is another, where a compiler or tf32 compute each number in another way. A
        # float32 training blows up either; but with it in here no other number of processes could go on with a training or fill
        # in its seeds. The record's environment names both, and how batch norm was taken.
        entry = find("variants", self.variant)
        recipe = asdict(self.recipe) | {"betas": list(self.recipe.betas)} if self.recipe else None
        return {
            "dataset": self.dataset,
            "variant": self.variant,
            "variant_source_hash": entry.source_hash if entry.module is None else None,
            "steps": self.steps,
            "recipe": recipe,
            "samples": self.samples,
            "metrics": list(self.metrics),
            "extractor": self.extractor,
            "eval_every": self.eval_every,
            "eval_samples": self.eval_samples if self.eval_every else None,
            "device": setting.device.split(":")[0],
            **setting.execution.specification(),
        }


def folder_name(dataset: str) -> str:
    """A data set's name as a folder: `folder:/a/cats` becomes `folder-cats-1f3a`, the end being a hash of the path."""
    kind, _, path = dataset.partition(":")
    return f"{kind}-{Path(path).stem}-{digest(path)[:4]}" if path else kind


def plan(suite: Suite, loaded: Mapping[str, LoadedDataset]) -> list[Job]:
    """The suite's jobs, data set by data set, in the order of its variants.

    `loaded` holds every data set of the suite. All that can be wrong with a job is checked here, before any work: unknown names,
    a method that does not apply, more samples than there are, metrics that the data set or the extractor does not serve.
    """
    entries = [find("variants", reference) for reference in suite.variants]
    _check_overrides(suite, entries)
    jobs = []
    for dataset_name, of_dataset in suite.datasets.items():
        dataset: Dataset = find("datasets", dataset_name.partition(":")[0]).load()
        for entry in entries:
            job = _job(suite, loaded[dataset_name], dataset, of_dataset, entry)
            _check(job, loaded[dataset_name], entry.load())
            jobs.append(job)
    name, times = Counter(entry.name for entry in entries).most_common(1)[0]
    if times > 1:
        raise UsageError(f"The variants {', '.join(suite.variants)} name one of them twice, {name}; remove or rename one.")
    return jobs


def pending(job: Job, setting: Setting, overwrite: bool = False) -> Job | None:
    """The job with the seeds that are still to be run, or None when all are done. A seed that failed is run again.

    Raises UsageError when a record of the job was made with other settings, unless `overwrite`.
    """
    wanted = job.specification(setting)
    left = []
    for seed in job.seeds:
        path = job.record_path(setting.out, seed)
        record = load_record(path) if path.exists() else None
        if record is not None and record.specification != wanted and not overwrite:
            raise UsageError(
                f"{path} was made with other settings ({difference(record.specification, wanted)}); "
                "choose another --out, or pass --overwrite."
            )
        if record is None or record.status == "failed" or record.specification != wanted:
            left.append(seed)
    return replace(job, seeds=tuple(left)) if left else None


def _job(suite: Suite, loaded: LoadedDataset, dataset: Dataset, of_dataset: DatasetPlan, entry: Entry) -> Job:
    variant = entry.load()
    space = Space(loaded.shape, loaded.classes, loaded.inputs)
    wide = of_dataset.recipe.model_dump(exclude_none=True)
    own = {
        **suite.overrides.get(entry.name, Override()).model_dump(exclude_none=True),
        **of_dataset.overrides.get(entry.name, Override()).model_dump(exclude_none=True),
    }
    override = Override.model_validate({**wide, **own})
    recipe = None
    if isinstance(variant, Control):
        idle = set(own)
    else:
        changes = override.of_recipe()
        idle = set() if variant.refuses(space) else unread(variant, space, changes)
        recipe = variant.recipe_for(space, {name: value for name, value in changes.items() if name not in idle})
    if told := sorted(idle & own.keys()):
        raise UsageError(f"{loaded.name}/{entry.name} reads no {told[0]}, which the suite's overrides set; remove it there.")
    return Job(
        suite=suite.name,
        dataset=loaded.name,
        variant=entry.reference,
        name=entry.name,
        seeds=tuple(suite.seed_list),
        steps=0 if recipe is None else override.steps or of_dataset.steps or suite.steps,
        recipe=recipe,
        samples=of_dataset.samples or suite.samples or min(dataset.samples, len(loaded.test)),
        metrics=tuple(of_dataset.metrics or suite.metrics or dataset.metrics),
        extractor=of_dataset.extractor or suite.extractor or dataset.extractor,
        eval_every=0 if recipe is None else suite.eval_every,
        eval_samples=suite.eval_samples,
    )


def job_metrics(job: Job, loaded: LoadedDataset) -> list[Metric]:
    """The metrics of a job. Raises UsageError for one that its extractor or data do not serve.

    Metrics by class are left out for samples without classes: those of controls and of variants that are not conditional.
    """
    extractor, variant = find_extractor(job.extractor), find("variants", job.variant).load()
    given = Given(loaded.modes, loaded.name, held_out=True, labels=loaded.train.labels is not None, images=len(loaded.shape) == 3)
    chosen = choose_metrics(job.metrics, extractor, given)
    if isinstance(variant, Variant) and variant.conditional:
        return chosen
    kept = [metric for metric in chosen if "labels" not in metric.needs]
    if not kept:
        raise UsageError(f"{job.name} has samples without classes, and {', '.join(job.metrics)} need them; add another metric.")
    return kept


def _check(job: Job, loaded: LoadedDataset, variant: Variant | Control) -> None:
    job_metrics(job, loaded)
    if isinstance(variant, Control):
        variant.draw(loaded, job.samples, stream(0, "check"))
        return
    space = Space(loaded.shape, loaded.classes, loaded.inputs)
    if reason := variant.refuses(space):
        raise UsageError(f"{job.name} cannot be trained on {job.dataset}: {reason}")
    if job.recipe is not None:
        check_batch_size(loaded, job.recipe.batch_size)
        try:
            check_networks(variant, space, job.recipe)
        except UsageError as error:
            raise UsageError(f"{job.label}: {error}") from None


def _check_overrides(suite: Suite, entries: list[Entry]) -> None:
    """An override for a variant that the suite does not run would be ignored in silence: it is an error for a misspelt name."""
    known = {entry.name for entry in entries}
    for name in {*suite.overrides, *(key for each in suite.datasets.values() for key in each.overrides)} - known:
        find("variants", name)


def difference(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first key in which two specifications differ, with both values, in words."""
    for key in {**wanted, **stored}:
        value = wanted.get(key, USUAL.get(key))
        old = stored.get(key, USUAL.get(key))
        if old != value:
            if isinstance(value, dict) and isinstance(old, dict):
                inner = next(k for k in {**value, **old} if old.get(k) != value.get(k))
                key, old, value = f"{key}.{inner}", old.get(inner), value.get(inner)
            return f"{key}: {old}, now {value}"
    return "its specification has other keys"
