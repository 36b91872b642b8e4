"""Are time records what they claim to be? Nothing is timed again: a record that passes may still be invented."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from ganbench.clock import is_utc
from ganbench.errors import InvalidInputError
from ganbench.record import SAMPLING_BATCH
from ganbench.times import MetricTimes, Spread, TimeRecord, VariantTimes, place_of

AGAIN = "time it again"
CLOSE = 1e-9  # relative: what is computed from numbers of the same record agrees but for rounding


def time_faults(record: TimeRecord, path: Path | None = None) -> Iterator[str]:
    """What is wrong with a time record by itself and, where its path is known, with where it lies."""
    if not record.device:
        yield f"Its environment names no device, so that it compares with nothing; {AGAIN}."
    if not is_utc(record.finished_at):
        yield f"It finished at {record.finished_at[:40]!r}, no time in UTC such as 2026-01-31T12:00:00Z; {AGAIN}."
    yield from _of_variant(record) if isinstance(record, VariantTimes) else _of_metric(record)
    if path is not None:
        yield from _of_place(record, path)


def check_times(records: Iterable[TimeRecord]) -> None:
    """Raise InvalidInputError for the first time record with a fault (`time_faults`): no table shows what no timing leaves."""
    for record in records:
        for fault in time_faults(record):
            raise InvalidInputError(f"A time record of {_timed(record)[:100]} is not valid. {fault}")


def _timed(record: TimeRecord) -> str:
    what = record.label if isinstance(record, MetricTimes) else record.variant.name
    return f"{what} on {record.dataset.name}"


def _of_variant(record: VariantTimes) -> Iterator[str]:
    for name in ("seeds", "steps_per_round", "images_per_step"):
        if (value := getattr(record, name)) < 1:
            yield f"Its {name} is {value}, and nothing is timed with fewer than 1; {AGAIN}."
    if record.specification.get("seeds") != record.seeds:
        yield f"Its specification has {record.specification.get('seeds')} seeds and it is of {record.seeds}; {AGAIN}."
    if not 0 <= record.diverged_seeds <= max(record.seeds, 0):
        yield f"Of its {record.seeds} seeds {record.diverged_seeds} diverged; {AGAIN}."
    yield from _of_costs(record)
    for name, spread in (("step", record.step), ("latency", record.latency), ("batch", record.batch)):
        if spread is not None:
            yield from _of_spread(name, spread)
    if record.variant.control:
        yield f"It times the control {record.variant.name}, which nothing trains; leave it out."
    yield from _of_rate("images_per_second", record.images_per_second, record.images_per_step * record.seeds, record.step)
    if record.batch is not None and record.samples_per_second is not None:
        yield from _of_rate("samples_per_second", record.samples_per_second, SAMPLING_BATCH, record.batch)
    if (record.batch is None) != (record.samples_per_second is None):
        yield f"It has samples_per_second or the seconds of a batch, and not both; {AGAIN}."


def _of_costs(record: VariantTimes) -> Iterator[str]:
    for name in ("compile_seconds", "peak_memory_bytes", "flops_per_sample"):
        value = getattr(record, name)
        if value is not None and value <= 0:
            yield f"Its {name} is {value:g}, and nothing costs that; {AGAIN}."


def _of_metric(record: MetricTimes) -> Iterator[str]:
    if record.samples.count < 2:
        yield f"It is timed on {record.samples.count} samples, and a score needs 2; {AGAIN}."
    yield from _of_spread("extraction", record.extraction)
    yield from _of_spread("compute", record.compute)
    yield from _of_rate("images_per_second", record.images_per_second, record.samples.count, record.extraction)


def _of_spread(name: str, spread: Spread) -> Iterator[str]:
    if spread.rounds < 1:
        yield f"Its {name} has {spread.rounds} rounds, and without one nothing was timed; {AGAIN}."
    if spread.fastest <= 0:
        yield f"The fastest round of its {name} took {spread.fastest:g} seconds, which nothing does; {AGAIN}."
    ordered = [spread.fastest, spread.first_quartile, spread.median, spread.third_quartile]
    if ordered != sorted(ordered):
        said = ", ".join(f"{value:g}" for value in ordered)
        yield f"The fastest round, first quartile, median and third quartile of its {name} are out of order ({said}); {AGAIN}."
    elif spread.rounds == 1 and len(set(ordered)) > 1:
        yield f"Its {name} has 1 round and quartiles that differ; {AGAIN}."


def _of_rate(name: str, rate: float, count: int, spread: Spread) -> Iterator[str]:
    """A rate is the count over the median seconds, as the record itself has both."""
    if spread.median > 0 and not math.isclose(rate, count / spread.median, rel_tol=CLOSE):
        yield f"Its {name} is {rate:g}, and {count:,} in {spread.median:g} seconds make {count / spread.median:g}; {AGAIN}."


def _of_place(record: TimeRecord, path: Path) -> Iterator[str]:
    """Where it lies in a folder `times` as `ganbench time` makes them, it lies where that puts it: devices stay apart."""
    wanted = place_of(record)
    parts = path.resolve().parts[-len(wanted.parts) :]
    if parts[0] == "times" and parts != wanted.parts:
        yield f"It lies in {Path(*parts)} and is of {wanted}; move it there."
