"""Samples to scores: extract features once, let every metric read them, and say how it was done."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench import registry
from ganbench.dataset import ClassModes, Modes, PointModes
from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Extractor, Features, LoadedExtractor, Statistics
from ganbench.metric import Evidence, Metric, Need, Value
from ganbench.record import Plain, Protocol, Sampled, Score

INCEPTION = "inception-v3-compat"
USUAL_FID_COUNT = 10_000  # the fewest samples that the FID of papers is taken on (Heusel et al. 2017)


@dataclass(frozen=True)
class Reference:
    """What samples are compared with: the facts that the protocol tells, the features, extracted once, and the data set's name."""

    facts: Sampled
    features: Features | Statistics
    dataset: str


@dataclass(frozen=True)
class Scored:
    """Scores by name (`fid`, `fd-digits-cnn`, `modes`), and how they were measured."""

    scores: dict[str, Score]
    protocol: Protocol


def extract_all(extractor: LoadedExtractor, items: Tensor, batch_size: int = 256) -> Features:
    """Features of items (N, C, H, W) uint8 or (N, D) float32, in their order. The batch size changes no more than rounding.

    Raises InvalidInputError for fewer than 2 items, and for features that are not finite (how many rows, and the first).
    """
    if len(items) < 2:
        raise InvalidInputError(f"There are {len(items)} samples to score, and a score needs at least 2; give more.")
    batches = [extractor.extract(batch) for batch in items.split(batch_size)]
    logits = [batch.logits for batch in batches if batch.logits is not None]
    features = Features(torch.cat([batch.features for batch in batches]), torch.cat(logits) if logits else None)
    if len(features) != len(items):
        raise InvalidInputError(
            f"The extractor {extractor.name} gave {len(features)} rows of features for {len(items)} items; mend it."
        )
    features.check("samples")
    return features


def score(
    items: Tensor, sampled: Sampled, reference: Reference, extractor: LoadedExtractor, metrics: list[Metric], modes: Modes | None
) -> Scored:
    """The scores of items against a reference, with the protocol that they share.

    `sampled` are the items' facts. Raises InvalidInputError for items that cannot be scored or a metric that gives no finite
    number, and UsageError where a metric does not apply to these features.
    """
    evidence = Evidence(reference.features, extract_all(extractor, items), modes)
    values = {metric.label(extractor.name): _finite(metric, metric.compute(evidence)) for metric in metrics}
    facts: dict[str, dict[str, Plain]] = {
        metric.label(extractor.name): {"name": metric.name, "version": metric.version, **metric.conventions} for metric in metrics
    }
    for label, value in values.items():
        facts[label].update(value.conventions)
    protocol = Protocol(
        dataset=reference.dataset,
        extractor={
            "name": extractor.name,
            "version": extractor.version,
            "weights_hash": extractor.weights_hash,
            "resize": extractor.resize,
        },
        reference=reference.facts,
        samples=sampled,
        metrics=facts,
        notes=_notes(extractor, values, len(items)),
    )
    better = {metric.label(extractor.name): metric.better for metric in metrics}
    scores = {
        label: Score(value=value.value, better=better[label], error=value.error, error_kind=value.error_kind)
        for label, value in values.items()
    }
    return Scored(scores, protocol)


def choose_metrics(
    names: list[str], extractor: Extractor, modes: Modes | None, *, dataset: str = "this data set", statistics: bool = False
) -> list[Metric]:
    """The metrics that `names` ask for, each once, in their order: registered names, Python files, or "fid" for fd with Inception.

    `modes` are the data set's; `statistics` says that the reference is FID statistics, without features. Raises UsageError for a
    name that is not known, and for a metric that needs what the extractor, the data set or the reference does not have.
    """
    chosen: dict[str, Metric] = {}
    for name in names:
        metric = _find(name, extractor.name)
        for need in metric.needs:
            lack = _lack(need, extractor, modes, dataset, statistics)
            if lack:
                raise UsageError(f"The metric {metric.name} {lack}.")
        chosen[metric.name] = metric
    if not chosen:
        raise UsageError(f"No metric is asked for; name some of {', '.join(registry.entries('metrics'))}.")
    return list(chosen.values())


def _find(name: str, extractor: str) -> Metric:
    for entry in registry.entries("metrics").values():
        if name == entry.facts.get("inception_name") != entry.name:
            if extractor != INCEPTION:
                raise UsageError(
                    f"{name} is {entry.name} in the features of {INCEPTION}, and the extractor is {extractor}; "
                    f"ask for {entry.name}, which is reported as {entry.name}-{extractor}, or choose the extractor {INCEPTION}."
                )
            name = entry.name
    metric = registry.find("metrics", name).load()
    if not isinstance(metric, Metric):
        raise InvalidInputError(f"{name} holds a {type(metric).__name__}, not a Metric; end the file with METRIC = Metric(...).")
    return metric


def _lack(need: Need, extractor: Extractor, modes: Modes | None, dataset: str, statistics: bool) -> str | None:
    """What a metric with this need lacks, to stand after its name, or None."""
    match need:
        case "reference-features" if statistics:
            return "compares features, which FID statistics do not hold; give the reference's images, or leave the metric out"
        case "logits" if extractor.logits == "none":
            return (
                f"reads class logits, which the extractor {extractor.name} does not give; leave it out, or choose another extractor"
            )
        case "logits" if extractor.logits == "channel" and isinstance(modes, ClassModes) and modes.channels > 1:
            return f"reads one set of class logits an image, and {extractor.name} gives one a channel of {dataset}; leave it out"
        case "modes" if modes is None:
            return f"counts known modes, and {dataset} has none; leave it out"
        case "modes" if isinstance(modes, ClassModes) and extractor.logits == "none":
            return (
                f"tells the modes of {dataset} apart by class logits, which the extractor {extractor.name} does not give; "
                "leave it out, or choose another extractor"
            )
        case "point-modes" if not isinstance(modes, PointModes):
            return f"is for points of known Gaussian modes, and {dataset} has none; leave it out"
    return None


def _finite(metric: Metric, value: Value) -> Value:
    if not (math.isfinite(value.value) and (value.error is None or math.isfinite(value.error))):
        raise InvalidInputError(
            f"The metric {metric.name} gives {value.value} (error {value.error}) for these samples, which is no score; "
            "look at the samples, or leave the metric out."
        )
    return value


def _notes(extractor: LoadedExtractor, values: dict[str, Value], count: int) -> list[str]:
    notes = [*extractor.notes, *(f"{label}: {note}" for label, value in values.items() for note in value.notes)]
    if "fid" in values and count < USUAL_FID_COUNT:
        notes.append(
            f"fid: fewer than {USUAL_FID_COUNT:,} samples ({count:,}), so it is biased upwards and compares with no paper's."
        )
    return notes
