"""Are scores what a metric can give? Nothing is scored again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ganbench import registry
from ganbench.errors import GanbenchError, InvalidInputError
from ganbench.record import Record, Score

if TYPE_CHECKING:
    from ganbench.metric import Metric

ROUNDING = 1e-9  # a bound may be missed by so much, of its size or of 1


def score_faults(record: Record) -> Iterator[str]:
    """What is wrong with a record's scores, and which ones it lacks."""
    for label, score in record.scores.items():
        yield from fault_of(record, label, score)
    asked = record.specification.get("metrics")
    for name in map(str, asked if record.scores and isinstance(asked, list) else []):
        if _owed(record, name) and not any(label == name or label.startswith(f"{name}-") for label in record.scores):
            yield f"Its specification asks for {name[:80]}, and it has no such score; run its job again."


def _owed(record: Record, name: str) -> bool:
    """Whether a record must have the score of a metric that was asked for: samples without classes have none of those by class."""
    metric = registry.entries("metrics").get(name)
    if metric is None or "labels" not in metric.facts.get("needs", ()):
        return True
    variant = registry.entries("variants").get(record.variant.name)  # of somebody's own variant it is not known
    return variant is not None and variant.facts.get("conditional") is True


def check_scores(records: Iterable[Record]) -> None:
    """Raise InvalidInputError for the first record with a fault: nothing is ranked by what no samples score."""
    for record in records:
        for fault in score_faults(record):
            whose = f"{record.variant.name} on {record.dataset.name}"[:100]
            raise InvalidInputError(f"A record of {whose}, seed {record.seed}, is not valid. {fault}")


def fault_of(record: Record, label: str, score: Score) -> Iterator[str]:
    """What is wrong with one score of a record, one of those while it trained too."""
    described = record.protocol.metrics.get(label) if record.protocol else None
    if described is None:
        yield f"It has a score {label!r} that its protocol does not describe; score its checkpoint again."
        return
    known = registry.entries("metrics").get(str(described.get("name")))
    if known is None:
        return  # a metric of somebody's own: nothing is known of its range
    metric = known.load()
    try:
        extractor = record.protocol.extractor_of(label) if record.protocol else {}
    except GanbenchError as error:
        yield str(error)
        return
    if label != metric.label(str(extractor.get("name"))):
        yield f"Its score {label!r} is described as {metric.name} of {extractor.get('name')} features; score its checkpoint again."
        return
    version = described.get("version")
    if not isinstance(version, int) or not 1 <= version <= metric.version:
        yield f"Its {label} is version {version} of {metric.name}, and this ganbench has {metric.version}; upgrade ganbench."
    if score.better != metric.better:
        yield f"Its {label} says that {score.better} is better, and for {metric.name} {metric.better} is; run its job again."
    most = _most(record, label, metric)
    if metric.least is not None and score.value < metric.least - ROUNDING * max(1.0, abs(metric.least)):
        yield f"Its {label} is {score.value:g}, and no samples score below {metric.least:g}; run its job again."
    if most is not None and score.value > most + ROUNDING * max(1.0, abs(most)):
        yield f"Its {label} is {score.value:g}, and no samples score above {most:g}; run its job again."
    if metric.name == "modes" and not score.value.is_integer():
        yield f"Its {label} is {score.value:g}, and modes are counted; run its job again."
    if score.interval is not None and not score.interval[0] <= score.interval[1]:
        yield f"The interval of its {label} ends before it begins; run its job again."
    if score.error is not None and score.error < 0:
        yield f"The error of its {label} is {score.error:g}, below 0; run its job again."


def _most(record: Record, label: str, metric: Metric) -> float | None:
    """The largest value of a metric on a record's data; None where nothing bounds it."""
    if metric.name == "is":
        return _classes(record, label)
    dataset = registry.entries("datasets").get(record.dataset.name)
    modes = None if dataset is None else dataset.load().modes
    if modes is not None and metric.name in ("modes", "reverse-kl"):
        return float(modes) if metric.name == "modes" else math.log(modes)
    return metric.most


def _classes(record: Record, label: str) -> float | None:
    """The number of classes of a score's extractor, which an Inception Score cannot pass; None where it is not known."""
    assert record.protocol is not None  # it describes the score
    extractor = registry.entries("extractors").get(str(record.protocol.extractor_of(label).get("name")))
    return None if extractor is None else extractor.load().classes
