"""What the rows of a data set's page can be filtered by. A page holds choices by number: no text of a record reaches a script."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ganbench.catalogue import FAMILIES
from ganbench.leaderboard.grouping import row_identity
from ganbench.leaderboard.site.board import DatasetPage, Line
from ganbench.leaderboard.summary import Row


@dataclass(frozen=True)
class Filter:
    """One filter: the name of its data attribute, its label, and its choices in words."""

    name: str
    label: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Mark:
    """What a page knows of one row of a table: where it leads to, and by each filter the numbers of the choices that it fits."""

    href: str
    choices: Mapping[str, str]
    like_best: bool


FACTS: dict[str, tuple[str, Callable[[Row], Iterable[str]]]] = {
    "family": ("Family", lambda row: [FAMILIES.get(row.variant.family, row.variant.family)]),
    "device": ("Device", lambda row: [str(record.environment.get("device") or "not recorded") for record in row.records]),
    "suite": ("Suite", lambda row: [record.suite for record in row.records]),
}


def filters(page: DatasetPage) -> list[Filter]:
    """The filters of a page: family, device and suite of its rows, and the protocol of its tables."""
    found = [Filter(name, label, _choices(page, fact)) for name, (label, fact) in FACTS.items()]
    protocols = tuple(
        f"{ranked.table.columns[0].label}, {ranked.table.columns[0].key}" if ranked.table.columns else "no score"
        for ranked in page.tables
    )
    return [*found, Filter("protocol", "Protocol", protocols)]


def marks(page: DatasetPage, rows: Sequence[Row]) -> list[Mark]:
    """The marks of some rows of a page, in their order."""
    lines: dict[str, Line] = {row_identity(line.row.records[0]): line for line in page.lines}
    numbers = {name: {choice: str(place) for place, choice in enumerate(_choices(page, fact))} for name, (_, fact) in FACTS.items()}
    contest = sum(not row.control for row in rows) > 1
    found = []
    for row in rows:
        line = lines[row_identity(row.records[0])]
        fits = {name: " ".join(sorted({numbers[name][c] for c in fact(line.row)})) for name, (_, fact) in FACTS.items()}
        found.append(Mark(line.href, fits, row.like_best and contest))
    return found


def _choices(page: DatasetPage, fact: Callable[[Row], Iterable[str]]) -> tuple[str, ...]:
    return tuple(sorted({choice for line in page.lines for choice in fact(line.row)}))
