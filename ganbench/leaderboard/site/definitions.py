"""The methodology page: every metric by its docstring and facts, and every protocol of the board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganbench import registry
from ganbench.interval import INTERVAL
from ganbench.leaderboard import rank
from ganbench.leaderboard.cost import MEANING
from ganbench.leaderboard.grouping import group, value_text
from ganbench.leaderboard.layout import RANGE
from ganbench.leaderboard.method import Method, entry_of, method
from ganbench.leaderboard.site.board import Board

COMPARED = (
    INTERVAL,
    RANGE,
    "Scores are ranked together only where their protocols agree: metric and version, extractor and weights, reference and its "
    "content, numbers of real and generated samples, quantisation.",
    "Controls are shown for orientation and never ranked: `real` is held-out data, `memorizer` training data again, and `noise` "
    "knows nothing of the data.",
    "Published numbers stand under their own protocol, as their source prints them, and are never ranked with runs.",
)

COSTS = (
    "Means over a row's seeds that ended well, on the device in its row, beside whatever else the machine ran. A column is there "
    "where a record has its number.",
    "Train s/seed: the wall seconds of a training, divided by the seeds that were trained in it together. Images/s: those of "
    "all phases' batches (a step of nsgan has two), of all its seeds, in a second of training. G parameters: the generator's.",
    MEANING,
)


@dataclass(frozen=True)
class Fact:
    """One metric of a file: its name, what the registry knows of it, and the scores of the board that it gave."""

    name: str
    facts: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Definition:
    """The metrics that one file defines, with its docstring by paragraphs."""

    anchor: str
    title: str
    paragraphs: tuple[str, ...]
    metrics: tuple[Fact, ...]

    @property
    def used(self) -> bool:
        """Whether the board has a score of it."""
        return any(metric.labels for metric in self.metrics)


@dataclass(frozen=True)
class ProtocolBox:
    """The protocol of one table: `href` is its data set's page."""

    title: str
    setting: str
    href: str
    method: Method


def ranking_rules() -> list[str]:
    """How rows are compared, in paragraphs: the rules of tables, then those of `rank`, which its docstring says."""
    return [*COMPARED, *_paragraphs(rank.__doc__ or "")[1:]]


def definitions(board: Board) -> list[Definition]:
    """Every installed metric by file, those that the board has scores of first."""
    labels = {column.label for table in board.tables for column in table.columns}
    given = {label: entry.name for label in sorted(labels) if (entry := entry_of(label)) is not None}
    found = []
    for entries in group(registry.entries("metrics").values(), lambda entry: str(entry.path)).values():
        metrics = tuple(
            Fact(entry.name, _facts(entry.facts), tuple(label for label, name in given.items() if name == entry.name))
            for entry in entries
        )
        title = ", ".join(entry.name for entry in entries)
        found.append(Definition(f"m-{entries[0].path.stem}", title, tuple(_paragraphs(entries[0].doc)), metrics))
    return sorted(found, key=lambda definition: (not definition.used, definition.title))


def protocols(board: Board) -> list[ProtocolBox]:
    """Every table's protocol, in the order of data sets."""
    return [
        ProtocolBox(page.title, ranked.table.setting, f"datasets/{page.slug}.html", how)
        for page in board.datasets
        for ranked in page.tables
        if (how := method(ranked.table)) is not None
    ]


def _facts(facts: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    named = {name: value for name, value in facts.items() if name != "name" and value not in (None, (), {}, [])}
    return tuple((name.replace("_", " "), _words(value)) for name, value in named.items())


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {value_text(each)}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _paragraphs(doc: str) -> list[str]:
    return [" ".join(paragraph.split()) for paragraph in doc.split("\n\n")]
