"""An audit from beginning to end: choose what applies, measure it, judge it."""

from __future__ import annotations

import shlex
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import ganbench
from ganbench import registry
from ganbench.audit.damage import Damage
from ganbench.audit.damages import choose_damages
from ganbench.audit.judge import REAL_REPEATS, RULE, judge
from ganbench.audit.measure import Bench, Measured, measure_damage, measure_real
from ganbench.audit.pool import Pool, Report, extract, pool_of
from ganbench.audit.result import Audit, AuditedDamage, AuditedMetric, Response
from ganbench.dataset import LoadedDataset
from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Extractor, Loading
from ganbench.files import digest
from ganbench.metric import Metric
from ganbench.score.choose import Given, choose_metrics, find_metric, lacking

REASONS = 5  # kept of those why a metric gives no value under a damage


@dataclass(frozen=True)
class Wanted:
    """What the user asks for; None: all metrics and damages that apply, and N as large as the data allow, at most 1,000."""

    metrics: Sequence[str] | None = None
    damages: list[str] | None = None
    samples: int | None = None
    repeats: int = 20
    seed: int = 0
    workers: int = 1


def audit(dataset: LoadedDataset, extractor: Extractor, loading: Loading, wanted: Wanted, report: Report) -> Audit:
    """Every metric's response to every damage.

    `report` hears of the progress. Raises UsageError for a metric or a damage that does not apply and for too few data,
    MissingDataError for weights that are not there, and InvalidInputError where no metric can be computed on real data.
    """
    if wanted.repeats < 1:
        raise UsageError(f"--repeats {wanted.repeats} is too few; give 1 or more.")
    pool = pool_of(dataset, wanted.samples, wanted.seed)
    damages = choose_damages(wanted.damages, pool.subject)
    metrics, skipped = _applicable(wanted.metrics, dataset, extractor, pool)
    loaded = extractor.load(loading)
    clean = extract(loaded, pool.items, pool.labels, "real data", report)
    with_images = any("images" in metric.needs for metric in metrics.values())
    bench = Bench(
        pool,
        clean,
        loaded,
        dataset.modes,
        tuple(metrics),
        with_images,
        repeats=wanted.repeats,
        seed=wanted.seed,
        workers=wanted.workers,
        report=report,
    )
    real = measure_real(bench)
    usable, refused = _usable(metrics, real)
    if not usable:
        raise InvalidInputError(f"No metric can be computed on these data: {'; '.join(refused.values())}")
    measured = {damage.name: measure_damage(bench, damage) for damage in damages}
    rows = [_damage_row(damage, pool, measured[damage.name]) for damage in damages]
    columns = [_metric_row(name, metric, loaded.name, real, measured) for name, metric in usable.items()]
    return Audit(
        ganbench_version=ganbench.__version__,
        command=shlex.join(["ganbench", *sys.argv[1:]]),
        dataset=dataset.name,
        dataset_hash=digest([dataset.train.hash, dataset.test.hash]),
        extractor=loaded.facts,
        samples=pool.subject.count,
        repeats=wanted.repeats,
        real_repeats=REAL_REPEATS,
        seed=wanted.seed,
        rule=RULE,
        metrics=columns,
        damages=rows,
        responses=[_response(name, column, row, measured) for name, column in zip(usable, columns, strict=True) for row in rows],
        skipped=skipped | refused,
        notes=list(loaded.notes),
    )


def _applicable(
    names: Sequence[str] | None, dataset: LoadedDataset, extractor: Extractor, pool: Pool
) -> tuple[dict[str, Metric], dict[str, str]]:
    """The metrics by the reference that finds them again, and why others are left out."""
    given = Given(
        modes=dataset.modes,
        dataset=dataset.name,
        held_out=True,
        labels=pool.labels is not None,
        images=pool.subject.is_image,
    )
    if names is not None:
        choose_metrics(names, extractor, given)
        references = {find_metric(name, extractor.name).name: name for name in names}  # "fid" and "fd" are one metric
        return {name: find_metric(name, extractor.name) for name in references.values()}, {}
    known = {name: find_metric(name, extractor.name) for name in registry.entries("metrics")}
    lacks = {name: lack for name, metric in known.items() if (lack := lacking(metric, extractor, given))}
    return {name: metric for name, metric in known.items() if name not in lacks}, {
        name: f"{name} {lack}." for name, lack in lacks.items()
    }


def _usable(metrics: dict[str, Metric], real: Measured) -> tuple[dict[str, Metric], dict[str, str]]:
    """The metrics that gave all values of real against real: without them there is nothing to tell damage from."""
    refused = {
        name: f"{len(reasons)} of {REAL_REPEATS} values of real against real are missing: {reasons[0]}"
        for name in metrics
        if (reasons := real.gaps.get(name))
    }
    return {name: metric for name, metric in metrics.items() if name not in refused}, refused


def _damage_row(damage: Damage, pool: Pool, measured: Sequence[Measured]) -> AuditedDamage:
    return AuditedDamage(
        name=damage.name,
        kind=damage.kind,
        unit=damage.unit,
        levels=list(damage.levels(pool.subject)),
        distinct=[statistics.mean(level.distinct) for level in measured],
    )


def _metric_row(name: str, metric: Metric, extractor: str, real: Measured, measured: dict[str, list[Measured]]) -> AuditedMetric:
    parts = [real, *(level for levels in measured.values() for level in levels)]
    seconds = sum(part.seconds[name] for part in parts) / sum(len(part.values[name]) for part in parts)
    return AuditedMetric(
        name=metric.name,
        label=metric.label(extractor),
        version=metric.version,
        better=metric.better,
        conventions=metric.conventions,
        real=[value for value in real.values[name] if value is not None],
        seconds=seconds,
    )


def _response(name: str, metric: AuditedMetric, damage: AuditedDamage, measured: dict[str, list[Measured]]) -> Response:
    levels = measured[damage.name]
    gaps = list(dict.fromkeys(reason for level in levels for reason in level.gaps.get(name, [])))[:REASONS]
    return judge(metric, damage, [level.values[name] for level in levels], gaps)
