"""How a table's numbers were measured, in words, from the protocol that its records carry."""

from __future__ import annotations

from dataclasses import dataclass

from ganbench import registry
from ganbench.leaderboard.layout import describe
from ganbench.leaderboard.summary import Column, Table
from ganbench.registry import Entry


@dataclass(frozen=True)
class Measure:
    """One score: what it is, which way is better, its metric's version and conventions, and the key of its protocol."""

    label: str
    meaning: str
    better: str
    metric: str
    key: str


@dataclass(frozen=True)
class Method:
    """The protocol of a table in words."""

    measures: tuple[Measure, ...]
    extractor: str
    reference: str
    samples: str
    notes: tuple[str, ...]


def method(table: Table) -> Method | None:
    """The method box of a table; None when nothing was measured."""
    if table.protocol is None:
        return None
    reference, samples = table.protocol.reference, table.protocol.samples
    notes = dict.fromkeys(note for row in table.rows for record in row.records if record.protocol for note in record.protocol.notes)
    return Method(
        measures=tuple(_measure(column) for column in table.columns),
        extractor=describe(table.protocol.extractor),
        reference=f"{reference.count:,} of {reference.source}, quantisation {reference.quantisation}, "
        f"sha256 {reference.hash or 'not recorded'}",
        samples=f"{samples.count:,} of each generator, quantisation {samples.quantisation}",
        notes=tuple(notes),
    )


def _measure(column: Column) -> Measure:
    return Measure(column.label, meaning(column.label), f"{column.better} is better", describe(column.metric), column.key)


def meaning(label: str) -> str:
    """The first line that the metric of a score says of itself; "" for a metric that is not installed here."""
    entry = entry_of(label)
    return "" if entry is None else entry.doc.split("\n\n")[0]


def entry_of(label: str) -> Entry | None:
    """The installed metric of a score; None where there is none."""
    entries = registry.entries("metrics").values()
    known = {name: entry for entry in entries for name in (entry.name, entry.facts.get("field_name")) if name}
    names = [name for name in known if label == name or label.startswith(f"{name}-")]
    return known[max(names, key=len)] if names else None
