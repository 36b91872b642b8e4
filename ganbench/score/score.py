"""Two sides to scores: every metric reads the same features, and the protocol says how it was done."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ganbench.dataset import Modes
from ganbench.errors import InvalidInputError
from ganbench.extractor import Features, LoadedExtractor
from ganbench.files import digest
from ganbench.metric import Evidence, Metric, PathSteps, Value
from ganbench.record import Plain, Protocol, Sampled, Score
from ganbench.score.notes import protocol_notes
from ganbench.score.resample import KIND, SIGMAS, Resampling, intervals
from ganbench.score.side import Side


@dataclass(frozen=True)
class Asked:
    """Metrics in the features of one extractor."""

    extractor: LoadedExtractor
    metrics: Sequence[Metric]


@dataclass(frozen=True)
class Comparison:
    """What is compared: both sides after their pass, the data set's name and modes, and, where they were wanted, held-out real data
    and steps in latent space by the extractor's name."""

    samples: Side
    reference: Side | None
    dataset: str
    modes: Modes | None = None
    held_out: Side | None = None
    paths: dict[str, PathSteps] = field(default_factory=dict)

    def evidence(self, extractor: str) -> Evidence:
        """What metrics read in the features of one extractor. Raises InvalidInputError for what none can read."""
        samples = self.samples.features[extractor]
        assert isinstance(samples, Features), "samples whose features were not kept are no evidence"
        held_out = None if self.held_out is None else self.held_out.features.get(extractor)
        assert held_out is None or isinstance(held_out, Features)
        reference = None if self.reference is None else self.reference.features.get(extractor)
        return Evidence(reference, samples, self.modes, held_out, self.samples.images, self.paths.get(extractor))


@dataclass(frozen=True)
class Scored:
    """Scores by name (`fid`, `fd-digits-cnn`, `modes`), and how they were measured."""

    scores: dict[str, Score]
    protocol: Protocol


def score(
    comparison: Comparison,
    asked: Sequence[Asked],
    resampling: Resampling | None = None,
    report: Callable[[str], None] = lambda metric: None,
) -> Scored:
    """The scores that are asked for, with the protocol that they share; with `resampling`, their intervals too.

    `report` hears the name of each metric before it is computed. Raises InvalidInputError for features that cannot be scored and
    for a metric that gives no finite number, UsageError where a metric does not apply to these features.
    """
    scores: dict[str, Score] = {}
    facts: dict[str, dict[str, Plain]] = {}
    notes: list[str] = []
    main = asked[0].extractor
    for some in asked:
        compute, evidence = _computer(comparison, some.extractor.name)
        metrics = {metric.label(some.extractor.name): metric for metric in some.metrics}
        metrics = {label: metric for label, metric in metrics.items() if label not in scores}
        values = {}
        for label, metric in metrics.items():
            report(label)
            values[label] = _finite(metric, compute(metric))
        errors = intervals(metrics, evidence, resampling) if resampling and evidence else {}
        for label, metric in metrics.items():
            scores[label] = _score(metric, values[label], errors.get(label))
            facts[label] = _facts(metric, values[label], comparison, some.extractor, main)
            if resampling and label not in errors:
                notes.append(f"{label}: half of the samples are too few for it, so it has no interval.")
        notes += [*some.extractor.notes, *(f"{label}: {note}" for label, value in values.items() for note in value.notes)]
    protocol = Protocol(
        dataset=comparison.dataset,
        extractor=main.facts,
        reference=comparison.reference.facts if comparison.reference else Sampled(source="none", count=0),
        samples=comparison.samples.facts,
        metrics=facts,
        notes=[*notes, *protocol_notes(comparison.samples, comparison.reference, list(scores), [some.extractor for some in asked])],
        held_out=comparison.held_out.facts if comparison.held_out else None,
        other_extractors={some.extractor.name: some.extractor.facts for some in asked[1:]},
    )
    return Scored(scores, protocol)


def _computer(comparison: Comparison, extractor: str) -> tuple[Callable[[Metric], Value], Evidence | None]:
    """How a metric is computed in these features, and the evidence it reads; None where moments are all that was kept."""
    samples = comparison.samples.features[extractor]
    if isinstance(samples, Features):
        evidence = comparison.evidence(extractor)
        return (lambda metric: metric.compute(evidence)), evidence
    assert comparison.reference is not None
    reference = comparison.reference.features[extractor]
    for name, side in (("samples", samples), ("reference", reference)):
        side.check(name)

    def compute(metric: Metric) -> Value:
        assert metric.from_moments is not None, "features are let go only where moments suffice"
        return metric.from_moments(samples, reference)

    return compute, None


def _score(metric: Metric, value: Value, standard_error: float | None) -> Score:
    interval = None
    if standard_error is not None:
        interval = (value.value - SIGMAS * standard_error, value.value + SIGMAS * standard_error)
    return Score(
        value=value.value,
        better=metric.better,
        error=value.error,
        error_kind=value.error_kind,
        interval=interval,
        interval_kind=KIND if interval else None,
    )


def _facts(
    metric: Metric, value: Value, comparison: Comparison, extractor: LoadedExtractor, main: LoadedExtractor
) -> dict[str, Plain]:
    """What the protocol tells of one score, beyond what all share."""
    facts: dict[str, Plain] = {"name": metric.name, "version": metric.version, **metric.conventions, **value.conventions}
    if "held-out" in metric.needs and comparison.held_out:
        facts["held_out_hash"] = comparison.held_out.facts.hash
    if "labels" in metric.needs and comparison.reference:
        side = comparison.reference.features[extractor.name]
        if isinstance(side, Features) and side.labels is not None:
            facts["reference_labels_hash"] = digest(side.labels.tolist())[:12]
    if extractor.name != main.name:
        facts["extractor"] = extractor.name
    return facts


def _finite(metric: Metric, value: Value) -> Value:
    if not (math.isfinite(value.value) and (value.error is None or math.isfinite(value.error))):
        raise InvalidInputError(
            f"The metric {metric.name} gives {value.value} (error {value.error}) for these samples, which is no score; "
            "look at the samples, or leave the metric out."
        )
    return value
