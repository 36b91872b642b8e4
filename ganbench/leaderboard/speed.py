"""Tables of speed: time records by device, laid out for every format. Records of two devices never stand in one table."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from ganbench.errors import unknown_name
from ganbench.leaderboard.grouping import group
from ganbench.leaderboard.layout import Entry, Heading, Sheet
from ganbench.leaderboard.numbers import amount, clean, number, seconds, size
from ganbench.leaderboard.table import csv_of, html_of, latex_of, markdown_of
from ganbench.times import MetricTimes, Spread, TimeRecord, VariantTimes

UNKNOWN = "a device that is not recorded"
TRAINED = (
    "ms/step: one training step of all stacked seeds that learning curves do not look at, the median over rounds, with its "
    "quartiles. Images/s: those of all phases' batches (a step of nsgan has two), of all seeds.",
    "× 1 seed: the step in times of that of the same variant with one seed.",
    "Latency: one sample in a batch of one, Samples/s: in batches of 256, medians over passes. FLOPs: of the generator's forward "
    "pass of one sample, a multiply-add as 2. Peak memory: the most that torch held on a CUDA device while all seeds trained.",
)
SCORED = (
    "Extraction: images a second through the extractor. Seconds: the metric alone, from the features of both sides on, median over "
    "rounds with its quartiles, with nothing kept that another metric has computed; metrics are computed on the processor.",
)


def render_times(records: Sequence[TimeRecord], format: str, base: str | None = None) -> str:
    """The tables as one text that ends in a newline; `format` is md, csv, latex, html or json.

    CSV holds one line a record. Raises UsageError for another format, and as `sheets` does.
    """
    drawn: dict[str, Callable[[Sequence[Sheet]], str]] = {
        "md": lambda found: "\n\n".join(map(markdown_of, found)) + "\n",
        "latex": latex_of,
        "html": html_of,
    }
    if format in drawn:
        text = drawn[format](sheets(records, base))
    elif format == "csv":
        text = csv_of(lines(records, base))
    elif format == "json":
        text = json.dumps({"times": lines(records, base)}, indent=1, allow_nan=False) + "\n"
    else:
        raise unknown_name("table format", format, ["md", "csv", "latex", "html", "json"])
    return text.encode("utf-8", "replace").decode()


def devices(records: Sequence[TimeRecord]) -> dict[str, list[TimeRecord]]:
    """The records by the device that they were measured on, in words, in the order of their tables."""
    ordered = sorted(records, key=_order)
    return {device or UNKNOWN: members for device, members in group(ordered, lambda record: record.device).items()}


def sheets(records: Sequence[TimeRecord], base: str | None = None) -> list[Sheet]:
    """For each device, a sheet of how fast variants train and sample, and one of how long metrics take.

    `base` is a variant that all others on its data set, with as many seeds, are compared with. Raises UsageError where no record is
    of it.
    """
    _check_base(records, base)
    found = []
    for device, members in devices(records).items():
        variants, metrics = apart(members)
        found += [variant_sheet(device, variants, base)] if variants else []
        found += [metric_sheet(device, metrics)] if metrics else []
    return found


def apart(records: Sequence[TimeRecord]) -> tuple[list[VariantTimes], list[MetricTimes]]:
    """The records of variants and those of metrics, each in their order."""
    return (
        [record for record in records if isinstance(record, VariantTimes)],
        [record for record in records if isinstance(record, MetricTimes)],
    )


def variant_sheet(device: str, records: Sequence[VariantTimes], base: str | None = None) -> Sheet:
    """How fast variants train and sample on one device, a row a record in their order."""
    return _sheet(f"Training and sampling on {device}", variant_columns(records, base), records, TRAINED)


def metric_sheet(device: str, records: Sequence[MetricTimes]) -> Sheet:
    """How long metrics take on one device, a row a record in their order."""
    return _sheet(f"Scoring on {device}", METRIC_COLUMNS, records, SCORED)


def lines(records: Sequence[TimeRecord], base: str | None = None) -> list[dict[str, Any]]:
    """One plain dictionary a record, all of the same keys, None where a record of its kind has none."""
    _check_base(records, base)
    variants, _ = apart(records)
    found = []
    for record in sorted(records, key=_order):
        shared = {"kind": record.kind, "device": record.device, "dataset": record.dataset.name}
        mine = _variant_line(record, variants, base) if isinstance(record, VariantTimes) else _metric_line(record)
        found.append(shared | mine | {"torch": record.environment.get("torch"), "finished_at": record.finished_at})
    names = list(dict.fromkeys(name for line in found for name in line))
    return [{name: line.get(name) for name in names} for line in found]


def beside(record: VariantTimes, others: Sequence[VariantTimes], variant: str, seeds: int) -> float | None:
    """A record's step in times of that of a variant with so many seeds: on the same device and data set, executed in the same way.

    For the variant itself its recipe is the same too. None where no record, or more than one, is of it.
    """
    found = [
        other
        for other in others
        if (other.variant.name, other.seeds) == (variant, seeds)
        and (other.device, other.dataset.name, other.how) == (record.device, record.dataset.name, record.how)
        and (variant != record.variant.name or other.specification.get("recipe") == record.specification.get("recipe"))
    ]
    return record.step.median / found[0].step.median if len(found) == 1 and found[0].step.median > 0 else None


Column = tuple[Heading, Callable[[Any], Entry]]


def variant_columns(among: Sequence[VariantTimes], base: str | None) -> list[Column]:
    """The columns of a table of variants; ratios are to records `among` these. A narrow page leaves out those of costs."""
    compared: list[Column] = [(Heading("× 1 seed"), lambda r: _ratio(beside(r, among, r.variant.name, 1)))]
    if base is not None:
        compared.append((Heading(f"× {clean(base)}"), lambda r: _ratio(beside(r, among, base, r.seeds))))
    return [
        (Heading("Variant", numeric=False, names=True), lambda r: _word(r.variant.name)),
        (Heading("Data set", numeric=False), lambda r: _word(r.dataset.name)),
        (Heading("Seeds"), lambda r: Entry(str(r.seeds), order=r.seeds)),
        (Heading("ms/step"), lambda r: Entry(number(1000 * r.step.median, 3), order=r.step.median)),
        (Heading("Quartiles"), lambda r: _quartiles(r.step, 1000)),
        (Heading("Images/s"), lambda r: Entry(amount(r.images_per_second), order=r.images_per_second)),
        *compared,
        (Heading("Latency ms", cost=True), lambda r: _milliseconds(r.latency)),
        (Heading("Samples/s", cost=True), lambda r: Entry(amount(r.samples_per_second), order=r.samples_per_second)),
        (Heading("FLOPs/sample", cost=True), lambda r: Entry(amount(r.flops_per_sample), order=r.flops_per_sample)),
        (Heading("Peak memory", cost=True), lambda r: Entry(size(r.peak_memory_bytes), order=r.peak_memory_bytes)),
        (
            Heading("Steps", numeric=False),
            lambda r: _word(r.executed + (f", {r.how['precision']}" if "precision" in r.how else "")),
        ),
        (Heading("Recipe", numeric=False, cost=True), lambda r: _word(r.recipe_of)),
        (Heading("Rounds", cost=True), lambda r: Entry(str(r.step.rounds), order=r.step.rounds)),
        (
            Heading("Diverged", cost=True),
            lambda r: Entry(str(r.diverged_seeds) if r.diverged_seeds else "", order=r.diverged_seeds),
        ),
    ]


METRIC_COLUMNS: list[Column] = [
    (Heading("Score", numeric=False, names=True), lambda r: _word(r.label)),
    (Heading("Data set", numeric=False), lambda r: _word(r.dataset.name)),
    (Heading("Samples"), lambda r: Entry(f"{r.samples.count:,}", order=r.samples.count)),
    (Heading("Reference"), lambda r: Entry(f"{r.reference.count:,}", order=r.reference.count)),
    (Heading("Extractor", numeric=False), lambda r: _word(str(r.extractor.get("name")))),
    (Heading("Extraction"), lambda r: Entry(amount(r.images_per_second), order=r.images_per_second)),
    (Heading("Seconds"), lambda r: Entry(seconds(r.compute.median), order=r.compute.median)),
    (Heading("Quartiles"), lambda r: _quartiles(r.compute, 1)),
    (Heading("Rounds", cost=True), lambda r: Entry(str(r.compute.rounds), order=r.compute.rounds)),
]


def _sheet(heading: str, columns: Sequence[Column], records: Sequence[TimeRecord], meaning: Sequence[str]) -> Sheet:
    """The records of one device as a sheet without the columns in which none has anything."""
    rows = [[entry(record) for _, entry in columns] for record in records]
    shown = [place for place in range(len(columns)) if any(row[place].value for row in rows)]
    return Sheet(
        heading=clean(heading),
        caption=tuple(meaning),
        headings=tuple(columns[place][0] for place in shown),
        ranked=tuple(tuple(row[place] for place in shown) for row in rows),
        controls=(),
    )


def _order(record: TimeRecord) -> tuple[str, str, str, str, int, str]:
    name, count = (record.variant.name, record.seeds) if isinstance(record, VariantTimes) else (record.label, 0)
    return record.device, record.dataset.name, record.kind, name, count, record.finished_at


def _check_base(records: Sequence[TimeRecord], base: str | None) -> None:
    known = sorted({record.variant.name for record in apart(records)[0]})
    if base is not None and base not in known:
        raise unknown_name("variant among the time records", base, known)


def _word(text: str) -> Entry:
    return Entry(clean(text), order=clean(text) or None)


def _ratio(value: float | None) -> Entry:
    return Entry("" if value is None else number(value, 3), order=value)


def _milliseconds(spread: Spread | None) -> Entry:
    return Entry("") if spread is None else Entry(number(1000 * spread.median, 3), order=spread.median)


def _quartiles(spread: Spread, factor: float) -> Entry:
    low, high = number(factor * spread.first_quartile, 3), number(factor * spread.third_quartile, 3)
    return Entry(f"{low}–{high}", order=spread.third_quartile - spread.first_quartile)


def _plain(name: str, spread: Spread | None) -> dict[str, Any]:
    fields = Spread.model_fields
    return {f"{name}_{field}": None if spread is None else getattr(spread, field) for field in fields}


def _variant_line(record: VariantTimes, among: Sequence[VariantTimes], base: str | None) -> dict[str, Any]:
    compared = {} if base is None else {"base": base, "times_base": beside(record, among, base, record.seeds)}
    return {
        "variant": record.variant.name,
        "seeds": record.seeds,
        "suite": record.specification.get("suite"),
        "executed": record.executed,
        "tf32": record.how.get("precision") == "tf32",
        "bf16": record.how.get("precision") == "bf16",
        **_plain("step_seconds", record.step),
        "steps_per_round": record.steps_per_round,
        "images_per_step": record.images_per_step,
        "images_per_second": record.images_per_second,
        "times_one_seed": beside(record, among, record.variant.name, 1),
        **compared,
        **_plain("latency_seconds", record.latency),
        "samples_per_second": record.samples_per_second,
        "flops_per_sample": record.flops_per_sample,
        "peak_memory_bytes": record.peak_memory_bytes,
        "compile_seconds": record.compile_seconds,
        "diverged_seeds": record.diverged_seeds,
    }


def _metric_line(record: MetricTimes) -> dict[str, Any]:
    return {
        "score": record.label,
        "extractor": record.extractor.get("name"),
        "samples": record.samples.count,
        "reference": record.reference.count,
        "extraction_images_per_second": record.images_per_second,
        **_plain("extraction_seconds", record.extraction),
        **_plain("compute_seconds", record.compute),
    }
