"""Timing what scores cost: real held-out samples through a data set's extractor, and each metric on their features."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import ganbench
from ganbench.clock import utc_now
from ganbench.dataset import LoadedDataset
from ganbench.environment import device_in_words, environment
from ganbench.extractor import Features, LoadedExtractor
from ganbench.find_extractor import find_extractor
from ganbench.harness.plan import Setting
from ganbench.harness.reference import cached_extractor, real_side
from ganbench.harness.rounds import Timing, alone, surroundings, time_rounds
from ganbench.harness.run import dataset_facts
from ganbench.metric import Evidence, Metric
from ganbench.rng import stream
from ganbench.score.choose import Given, choose_metrics
from ganbench.score.score import Comparison
from ganbench.score.side import BATCH_SIZE, Pass, Side, read_side
from ganbench.sources.samples import in_memory
from ganbench.times import MetricTimes, Spread, metric_place


@dataclass(frozen=True)
class Scoring:
    """What the metrics of a data set share. It is read and timed once, when the first of them is.

    The samples are `count` held-out items in random order, all there are where there are fewer; the reference is the training part.
    """

    dataset: LoadedDataset
    extractor_name: str
    count: int
    setting: Setting
    rounds: int | None
    needs: frozenset[str] = field(default_factory=frozenset)

    @functools.cached_property
    def extractor(self) -> LoadedExtractor:
        """The extractor with its weights."""
        return cached_extractor(self.extractor_name, self.setting.weights, self.setting.device)

    @functools.cached_property
    def order(self) -> Tensor:
        """The places (N,) of the samples in the held-out part."""
        return torch.randperm(len(self.dataset.test), generator=stream(0, "time"))[: self.count]

    @functools.cached_property
    def samples(self) -> Side:
        """The samples after their pass."""
        test = self.dataset.test
        labels = None if test.labels is None else test.labels[self.order]
        items = in_memory(f"{self.dataset.name}:test", test.items[self.order], labels)
        return read_side(items, [self.extractor], Pass(), images="images" in self.needs)

    @functools.cached_property
    def reference(self) -> Side:
        """The training part after its pass, from the cache of the output folder where it is there."""
        return real_side(self.dataset, self.dataset.train, [self.extractor], self.setting.out / "cache")

    @functools.cached_property
    def held_out(self) -> Side | None:
        """The whole held-out part, where a metric needs it."""
        if "held-out" not in self.needs:
            return None
        return real_side(self.dataset, self.dataset.test, [self.extractor], self.setting.out / "cache")

    @functools.cached_property
    def extraction(self) -> Spread:
        """The seconds of a pass of the samples through the extractor."""
        batches = self.dataset.test.items[self.order].split(BATCH_SIZE)

        def extract(batches: Sequence[Tensor]) -> None:
            for batch in batches:
                self.extractor.extract(batch)

        return Spread.of(alone(time_rounds(lambda: batches, extract, self.setting.device, self.rounds)))

    def evidence(self) -> Evidence:
        """What a metric reads, with nothing in it that another has computed."""
        held_out = None if self.held_out is None else _afresh(self.held_out)
        compared = Comparison(_afresh(self.samples), _afresh(self.reference), self.dataset.name, self.dataset.modes, held_out)
        return compared.evidence(self.extractor.name)


@dataclass(frozen=True)
class MetricTask:
    """One metric of a data set."""

    metric: Metric
    scoring: Scoring

    @property
    def label(self) -> str:
        """What is timed, for people."""
        return f"{self.scoring.dataset.name}, {self.score_label}"

    @property
    def score_label(self) -> str:
        """The name of the metric's score."""
        return self.metric.label(self.scoring.extractor_name)

    @property
    def place(self) -> Path:
        """Where its record lies below the output folder."""
        device = device_in_words(environment(self.scoring.setting.device))
        return metric_place(device, self.scoring.dataset.name, self.score_label)

    @property
    def facts(self) -> dict[str, Any]:
        """The metric by itself, as a protocol describes it."""
        return {"name": self.metric.name, "version": self.metric.version, **self.metric.conventions}

    @property
    def specification(self) -> dict[str, Any]:
        """All that decides what is timed, the machine apart."""
        scoring = self.scoring
        return {
            "metric": self.facts,
            "extractor": scoring.extractor.facts,
            "samples": len(scoring.order),
            "samples_hash": scoring.dataset.test.hash,
            "reference_hash": scoring.dataset.train.hash,
            **surroundings(),
        }

    @property
    def turns(self) -> str:
        """Nothing takes turns with it."""
        return self.label

    def measure(self) -> Timing[MetricTimes]:
        """Compute it for some rounds."""
        scoring = self.scoring
        extraction = scoring.extraction
        rounds = yield from time_rounds(scoring.evidence, self.metric.compute, scoring.setting.device, scoring.rounds)
        return MetricTimes(
            ganbench_version=ganbench.__version__,
            command=scoring.setting.command,
            dataset=dataset_facts(scoring.dataset),
            specification=self.specification,
            environment=environment(scoring.setting.device),
            finished_at=utc_now(),
            label=self.score_label,
            metric=self.facts,
            extractor=scoring.extractor.facts,
            samples=scoring.samples.facts,
            reference=scoring.reference.facts,
            extraction=extraction,
            images_per_second=scoring.samples.facts.count / extraction.median,
            compute=Spread.of(rounds),
        )


def metric_tasks(scoring: Scoring, names: Sequence[str]) -> list[MetricTask]:
    """The tasks of some metrics, all on one pass.

    Raises UsageError for one that the data set or its extractor does not serve, and MissingDataError where weights are missing.
    """
    dataset = scoring.dataset
    given = Given(
        dataset.modes, dataset.name, held_out=True, labels=dataset.train.labels is not None, images=len(dataset.shape) == 3
    )
    metrics = choose_metrics(names, find_extractor(scoring.extractor_name), given)
    cached_extractor(scoring.extractor_name, scoring.setting.weights, scoring.setting.device)  # what is missing is told before work
    shared = replace(scoring, needs=frozenset(need for metric in metrics for need in metric.needs))
    return [MetricTask(metric, shared) for metric in metrics]


def _afresh(side: Side) -> Side:
    """A side whose features hold no result of an earlier metric, such as their moments."""
    features = {
        name: replace(each, known_moments=None) if isinstance(each, Features) else each for name, each in side.features.items()
    }
    return replace(side, features=features)
