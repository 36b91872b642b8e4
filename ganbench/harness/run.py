"""A job while it runs, and the records that it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

import ganbench
from ganbench.clock import Stopwatch, utc_now
from ganbench.dataset import Dataset, LoadedDataset, find_dataset
from ganbench.environment import environment
from ganbench.extractor import LoadedExtractor
from ganbench.harness.lockstep import pass_of
from ganbench.harness.plan import Job, Setting
from ganbench.harness.progress import Reporter
from ganbench.metric import Metric
from ganbench.nets.shared import BATCH_NORM
from ganbench.picture import save_picture
from ganbench.record import DatasetFacts, Evaluation, Plain, Record, Timing, VariantFacts
from ganbench.registry import Entry, find
from ganbench.score.score import Asked, Comparison, Scored, score
from ganbench.score.side import Report, Side, read_side, silent
from ganbench.sources.samples import in_memory
from ganbench.variant import Control

Status = Literal["ok", "diverged", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What training a seed came to, before its samples are scored; a control has none of it but `timing`."""

    timing: Timing
    steps_done: int = 0
    checkpoint_hash: str | None = None
    parameters: dict[str, int] = field(default_factory=dict)
    execution: str | None = None


@dataclass
class Run:
    """What a job works with, loaded once, and what it has found so far: evaluations and files by seed, and what sampling costs."""

    job: Job
    setting: Setting
    dataset: LoadedDataset
    extractor: LoadedExtractor
    metrics: list[Metric]
    reference: Side
    held_out: Side | None
    report: Reporter
    still_wanted: Callable[[], None]
    evaluations: dict[int, list[Evaluation]] = field(default_factory=dict)
    files: dict[int, dict[str, str]] = field(default_factory=dict)
    sampling: dict[str, float | int | None] | None = None  # of the first seed that was scored: the others' generators are like it

    def score(self, items: Tensor, source: str, labels: Tensor | None = None, report: Report = silent) -> Scored:
        """Scores and protocol of one set of samples, with their classes where they have any; `report` hears of the pass."""
        images = any("images" in metric.needs for metric in self.metrics)
        how = pass_of(items, self.setting, report)
        samples = read_side(in_memory(source, items, labels), [self.extractor], how, images=images)
        compared = Comparison(samples, self.reference, self.dataset.name, self.dataset.modes, self.held_out)
        return score(compared, [Asked(self.extractor, self.metrics)])

    def keep(self, seed: int, name: str, path: Path) -> None:
        """Note a file of a seed for its record, relative to the output folder."""
        self.files.setdefault(seed, {})[name] = path.relative_to(self.setting.out).as_posix()

    def finish(self, seed: int, items: Tensor, outcome: Outcome, sample_seconds: float, labels: Tensor | None = None) -> None:
        """Score the samples of one seed, keep a picture of them, and write its record."""
        with Stopwatch(self.setting.device) as scoring:
            scored = self.score(items, f"{self.job.name} seed {seed}", labels, self.report.counts("scoring"))
        self.keep(seed, "samples", save_picture(self.job.place(self.setting.out, "samples") / f"seed-{seed}" / "final", items))
        seconds = {"sample_seconds": sample_seconds, "score_seconds": scoring.seconds, "finished_at": utc_now()}
        record = self._record(seed, "ok", outcome).model_copy(
            update={"scores": scored.scores, "protocol": scored.protocol, "timing": outcome.timing.model_copy(update=seconds)}
        )
        self._save(record)

    def give_up(self, seed: int, outcome: Outcome, message: str) -> None:
        """Write the record of a seed that diverged."""
        self._save(self._record(seed, "diverged", outcome, message))

    def _record(self, seed: int, status: Status, outcome: Outcome, message: str | None = None) -> Record:
        facts = {"evaluations": self.evaluations.get(seed, []), "files": self.files.get(seed, {})}
        return make_record(self.job, self.setting, self.dataset, seed, status, outcome, message).model_copy(update=facts)

    def _save(self, record: Record) -> None:
        self.still_wanted()
        record.save(self.job.record_path(self.setting.out, record.seed))


def make_record(
    job: Job, setting: Setting, dataset: LoadedDataset, seed: int, status: Status, outcome: Outcome, message: str | None = None
) -> Record:
    """A record without scores: what was run, on what data, where, and what came of it."""
    entry = find("variants", job.variant)
    return Record(
        ganbench_version=ganbench.__version__,
        suite=job.suite,
        command=setting.command,
        dataset=dataset_facts(dataset),
        variant=variant_facts(entry),
        specification=job.specification(setting),
        seed=seed,
        steps_done=outcome.steps_done,
        status=status,
        message=message,
        checkpoint_hash=outcome.checkpoint_hash,
        parameters=outcome.parameters,
        timing=outcome.timing,
        environment=environment(setting.device) | _execution(setting, outcome),
    )


def _execution(setting: Setting, outcome: Outcome) -> dict[str, Plain]:
    """How a training was carried out, which decides nothing but roundings."""
    facts: dict[str, Plain] = {"steps": outcome.execution} if outcome.execution else {}
    return facts | (
        {"processes": setting.ranks.count, "batch_norm": BATCH_NORM} if outcome.execution and setting.ranks.several else {}
    )


def variant_facts(entry: Entry) -> VariantFacts:
    """A variant or control as it is registered."""
    registered = entry.load()
    return VariantFacts(
        name=entry.name,
        family=registered.family,
        paper=registered.paper,
        control=isinstance(registered, Control),
        reference=entry.reference,
        source_hash=entry.source_hash,
    )


def dataset_facts(dataset: LoadedDataset) -> DatasetFacts:
    """A data set as it was loaded."""
    registered: Dataset = find_dataset(dataset.name)[0]
    facts: dict[str, Any] = {
        f"{part.name}_{what}": value
        for part in (dataset.train, dataset.test)
        for what, value in (("count", len(part)), ("hash", part.hash))
    }
    return DatasetFacts(
        name=dataset.name, version=registered.version, licence=registered.licence, shape=list(dataset.shape), **facts
    )
