"""All values of all metrics at all damages: features once for each set of images, then the metrics on rows of them."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ganbench.audit import rows
from ganbench.audit.damage import Chosen, Damage, Draw
from ganbench.audit.judge import REAL_REPEATS
from ganbench.audit.pool import Pool, Report, change_items, extract, join
from ganbench.dataset import Modes
from ganbench.errors import GanbenchError, InvalidInputError
from ganbench.extractor import Features, LoadedExtractor
from ganbench.metric import Evidence
from ganbench.rng import stream
from ganbench.score.choose import find_metric

TASK_REPEATS = 4  # evidence that one task of a worker holds


@dataclass(frozen=True)
class Measured:
    """Values of each metric, None where it gives none; why it gives none; processor seconds; and shares of distinct samples."""

    values: dict[str, list[float | None]]
    gaps: dict[str, list[str]]
    seconds: dict[str, float]
    distinct: list[float]


@dataclass(frozen=True)
class Task:
    """Some repeats of one level of one damage, with all that a worker needs for them. `metrics` are names or files."""

    metrics: tuple[str, ...]
    clean: Features
    changed: Features | None
    images: Tensor | None  # of the clean rows, then of the changed ones; None where no metric reads images
    modes: Modes | None
    extractor: str
    repeats: tuple[tuple[Draw, Chosen], ...]


@dataclass(frozen=True)
class Bench:
    """What stays the same over an audit."""

    pool: Pool
    clean: Features
    extractor: LoadedExtractor
    modes: Modes | None
    metrics: tuple[str, ...]
    with_images: bool
    repeats: int
    seed: int
    workers: int
    report: Report = field(repr=False)


def measure_real(bench: Bench) -> Measured:
    """39 values of real against real. Their splits are not those of the damages."""
    return _run(bench, "real against real", [_tasks(bench, REAL, 0, None, range(REAL_REPEATS))])[0]


def measure_damage(bench: Bench, damage: Damage) -> list[Measured]:
    """The values at each level of a damage, from weak to strong."""
    positions = range(REAL_REPEATS, REAL_REPEATS + bench.repeats)
    levels, last, changed = [], None, None
    for level in damage.levels(bench.pool.subject):
        strength = damage.strength_at(level)
        if strength != last:
            changed, last = _changed(bench, damage, strength), strength
        levels.append(_tasks(bench, damage, level, changed, positions))
    return _run(bench, damage.name, levels)


REAL = Damage("real", "size", "", lambda subject: (0.0,), rows.as_drawn)


@dataclass(frozen=True)
class _Changed:
    features: Features
    images: Tensor | None


def _changed(bench: Bench, damage: Damage, strength: float) -> _Changed | None:
    items = change_items(bench.pool, damage, strength, bench.seed)
    if items is None:
        return None
    features = extract(bench.extractor, items, bench.pool.labels, f"{damage.name} {strength:g}", bench.report)
    return _Changed(features, items if bench.with_images else None)


def _tasks(bench: Bench, damage: Damage, level: float, changed: _Changed | None, positions: range) -> list[Task]:
    images = bench.pool.items if bench.with_images else None
    if images is not None and changed is not None and changed.images is not None:
        images = torch.cat([images, changed.images])
    repeats = []
    for position in positions:
        draw = bench.pool.draw(bench.seed, position)
        generator = stream(bench.seed, f"audit {damage.name} rows", round(1000 * level), position)
        repeats.append((draw, damage.choose(draw, level, generator)))
    return [
        Task(
            bench.metrics,
            bench.clean,
            None if changed is None else changed.features,
            images,
            bench.modes,
            bench.extractor.name,
            tuple(repeats[start : start + TASK_REPEATS]),
        )
        for start in range(0, len(repeats), TASK_REPEATS)
    ]


def _run(bench: Bench, what: str, levels: Sequence[Sequence[Task]]) -> list[Measured]:
    """Measure the tasks of each level, in worker processes where the bench has several."""
    flat = [task for tasks in levels for task in tasks]
    done: list[Measured] = []
    for measured in _measured(flat, bench.workers):
        done.append(measured)
        bench.report(what, len(done), len(flat))
    ends = iter(done)
    return [_merge([next(ends) for _ in tasks]) for tasks in levels]


def _measured(tasks: Sequence[Task], workers: int) -> Iterator[Measured]:
    if workers == 1:
        yield from map(measure_task, tasks)
        return
    import joblib

    with joblib.parallel_config("loky", inner_max_num_threads=1):
        yield from joblib.Parallel(n_jobs=workers, return_as="generator")(joblib.delayed(measure_task)(task) for task in tasks)


def measure_task(task: Task) -> Measured:
    """Every metric on every repeat of a task, on one thread. A metric that refuses leaves a gap and its reason."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _measure_task(task)
    finally:
        torch.set_num_threads(threads)


def _measure_task(task: Task) -> Measured:
    metrics = {name: find_metric(name, task.extractor) for name in task.metrics}
    shown = task.clean if task.changed is None else join([task.clean, task.changed])
    values: dict[str, list[float | None]] = {name: [] for name in metrics}
    gaps: dict[str, list[str]] = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)
    for draw, chosen in task.repeats:
        evidence = _evidence(task, shown, draw, chosen)
        for name, metric in metrics.items():
            start = time.process_time()
            try:
                value = metric.compute(evidence).value
                if not math.isfinite(value):
                    raise InvalidInputError(f"{metric.name} gives {value}.")
                values[name].append(value)
            except GanbenchError as error:
                values[name].append(None)
                gaps[name].append(str(error))
            seconds[name] += time.process_time() - start
    return Measured(values, dict(gaps), dict(seconds), [chosen.distinct for _, chosen in task.repeats])


def _evidence(task: Task, shown: Features, draw: Draw, chosen: Chosen) -> Evidence:
    at = chosen.rows + chosen.changed * len(task.clean)
    return Evidence(
        task.clean.take(draw.reference),
        shown.take(at),
        task.modes,
        held_out=task.clean.take(draw.held_out),
        images=None if task.images is None else task.images[at],
    )


def _merge(parts: Sequence[Measured]) -> Measured:
    values: dict[str, list[float | None]] = defaultdict(list)
    gaps: dict[str, list[str]] = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)
    for part in parts:
        for name, found in part.values.items():
            values[name] += found
            seconds[name] += part.seconds[name]
            gaps[name] += part.gaps.get(name, [])
    return Measured(dict(values), dict(gaps), dict(seconds), [share for part in parts for share in part.distinct])
