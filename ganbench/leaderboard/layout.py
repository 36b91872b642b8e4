"""A table as text: headings, entries and caption, the same ones for every format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ganbench.interval import INTERVAL
from ganbench.leaderboard.cost import MEANING, SEVERAL, cost
from ganbench.leaderboard.grouping import value_text
from ganbench.leaderboard.numbers import amount, clean, seconds, size, value_and_half
from ganbench.leaderboard.pareto import on_front
from ganbench.leaderboard.summary import Cell, Column, Row, Table
from ganbench.record import USUAL

ARROWS = {"lower": "↓", "higher": "↑"}
MISSING = "–"
RANGE = "In brackets: the ranks that a row could hold, by Welch's t tests with all others at 5 % after Holm's correction."


@dataclass(frozen=True)
class Entry:
    """One field of a table. `half` is the half-width's text, `order` what the field is sorted by (None: it has no value)."""

    value: str
    half: str = ""
    best: bool = False
    order: float | str | None = None

    @property
    def text(self) -> str:
        """The whole field in one line; a dash where there is nothing."""
        return f"{self.value} ± {self.half}" if self.half else self.value or MISSING


@dataclass(frozen=True)
class Heading:
    """One column's head. `names` marks the column of row names, `cost` one of what a row costs.

    `half_length` is the length of the column's longest half-width.
    """

    text: str
    numeric: bool = True
    names: bool = False
    cost: bool = False
    better: str = ""
    half_length: int = 0


@dataclass(frozen=True)
class Sheet:
    """A table laid out: columns in which no row has anything are left out. `meaning` says what columns of costs hold."""

    heading: str
    caption: tuple[str, ...]
    headings: tuple[Heading, ...]
    ranked: tuple[tuple[Entry, ...], ...]
    controls: tuple[tuple[Entry, ...], ...]
    meaning: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that is said under the table where it stands alone."""
        return self.caption + self.meaning


def lay_out(table: Table, costs: bool = False) -> Sheet:
    """The sheet of a table; with `costs`, columns of what sampling and training cost, the device, and the Pareto front."""
    headings = [
        Heading("#"),
        Heading("Variant", numeric=False, names=True),
        Heading("Seeds", numeric=False),
        *(_score_heading(column, table.columns) for column in table.columns),
        Heading("Train s/seed", cost=True),
        Heading("Images/s", cost=True),
        Heading("G parameters", cost=True),
        *(COST_HEADINGS if costs else ()),
    ]
    front = on_front(table) if costs else frozenset()
    rows = [_entries(row) + (_costs(row, front) if costs else ()) for row in table.rows]
    shown = [place for place in range(len(headings)) if headings[place].names or any(entries[place].value for entries in rows)]
    kept = [tuple(entries[place] for place in shown) for entries in rows]
    ranked = sum(not row.control for row in table.rows)
    return Sheet(
        heading=heading(table),
        caption=caption(table) + (_device_notes(table) if costs else ()),
        headings=tuple(
            replace(headings[place], half_length=max((len(entries[place].half) for entries in rows), default=0)) for place in shown
        ),
        ranked=tuple(kept[:ranked]),
        controls=tuple(kept[ranked:]),
        meaning=(MEANING,) if costs else (),
    )


COST_HEADINGS = (
    Heading("Latency s", cost=True),
    Heading("Samples/s", cost=True),
    Heading("FLOPs/sample", cost=True),
    Heading("Peak memory", cost=True),
    Heading("Device", numeric=False, cost=True),
    Heading("Pareto", numeric=False, cost=True),
)


def heading(table: Table) -> str:
    """The data set, and what sets this table apart where the data set has several."""
    key = f", protocol {table.columns[0].key}" if table.setting and table.columns else ""
    return clean(f"{table.title}: {table.setting}{key}" if table.setting else table.title)


def caption(table: Table) -> tuple[str, ...]:
    """Sentences that say what was compared with what, under which protocol, and how to read the table."""
    sentences = []
    if table.protocol is not None:
        samples, reference = table.protocol.samples, table.protocol.reference
        sentences.append(
            f"Data set {table.title}: {samples.count:,} generated samples (quantisation: {samples.quantisation}) against "
            f"{reference.count:,} of {reference.source} (quantisation: {reference.quantisation})."
        )
        sentences.append(f"Extractor: {describe(table.protocol.extractor)}.")
        precisions = {str(row.specification.get("precision", USUAL["precision"])) for row in table.rows if not row.control}
        if len(precisions) == 1 and USUAL["precision"] not in precisions:  # where rows differ, their names say so
            sentences.append(f"Trained in {precisions.pop()}.")
        keys = ", ".join(f"{column.label} {column.key}" for column in table.columns)
        sentences.append(f"Protocol {keys}.")
        ranking = f"Ranked by {table.columns[0].label}, {table.columns[0].better} is better"
        sentences.append(f"{ranking}; controls are shown for orientation and not ranked.")
        sentences.append(RANGE)
        sentences.append(INTERVAL)
    else:
        sentences.append(f"Data set {table.title}: no run has a score.")
    if any(cell.best for row in table.rows for cell in row.cells):
        sentences.append("Bold: the best mean.")
    return tuple(clean(sentence) for sentence in (*sentences, *table.notes))


def describe(facts: Mapping[str, Any]) -> str:
    """Plain facts in one line, the name first: "inception-v3-compat, version 1, weights_hash 6726825d0af5"."""
    named = [str(facts["name"])] if "name" in facts else []
    return ", ".join([*named, *(f"{k} {value_text(v)}" for k, v in facts.items() if k != "name" and v is not None)]) or "none"


def _score_heading(column: Column, columns: Sequence[Column]) -> Heading:
    several = [other.label for other in columns].count(column.label) > 1
    key = f" [{column.key}]" if several else ""
    return Heading(clean(f"{column.label} {ARROWS[column.better]}{key}"), better=column.better)


def _entries(row: Row) -> tuple[Entry, ...]:
    name = clean(row.name)
    return (
        Entry(places(row), order=row.rank),
        Entry(f"{name} (control)" if row.control else name, order=name),
        Entry(row.seeds, order=row.count("ok")),
        *(_score(cell) for cell in row.cells),
        Entry(seconds(row.train_seconds_per_seed), order=row.train_seconds_per_seed),
        Entry(amount(row.images_per_second), order=row.images_per_second),
        Entry(amount(row.generator_parameters), order=row.generator_parameters),
    )


def _costs(row: Row, front: frozenset[str]) -> tuple[Entry, ...]:
    """What stands under `COST_HEADINGS`."""
    each, on = cost(row), row.name in front and not row.control
    return (
        Entry(seconds(each.sample_latency_seconds), order=each.sample_latency_seconds),
        Entry(amount(each.samples_per_second), order=each.samples_per_second),
        Entry(amount(each.flops_per_sample), order=each.flops_per_sample),
        Entry(size(each.peak_memory_bytes), order=each.peak_memory_bytes),
        Entry(clean(each.device), order=each.device or None),
        Entry("yes" if on else "", order="yes" if on else None),
    )


def _device_notes(table: Table) -> tuple[str, ...]:
    """A warning where costs of one column were measured on different devices."""
    devices = {cost(row).device for row in table.rows if not row.control} - {""}
    notes = ("Rows of different devices do not compare in seconds.",) if len(devices) > 1 else ()
    return notes + (("A row of several devices shows means over them.",) if SEVERAL in devices else ())


def places(row: Row) -> str:
    """The rank, and in brackets those that the row could hold: "2 (1–4)"."""
    if row.rank is None:
        return ""
    return f"{row.rank}" if row.best_rank == row.worst_rank else f"{row.rank} ({row.best_rank}–{row.worst_rank})"


def _score(cell: Cell) -> Entry:
    value, half = value_and_half(cell.mean, cell.half_width)
    return Entry(value, half, cell.best, cell.mean)
