"""What the first page says of each data set: its best rows with their intervals, how much there is of it, and when it was made."""

from __future__ import annotations

from dataclasses import dataclass

from ganbench.leaderboard.layout import ARROWS, places
from ganbench.leaderboard.numbers import clean, named, value_and_half
from ganbench.leaderboard.section import counted, dataset_facts
from ganbench.leaderboard.site.board import DatasetPage
from ganbench.leaderboard.site.names import slug
from ganbench.leaderboard.summary import Row, Table

SHOWN = 3


@dataclass(frozen=True)
class Best:
    """One row: the ranks that it could hold, its name and its variant's page, its mean and the half-width of the interval."""

    places: str
    name: str
    href: str
    value: str
    half: str


@dataclass(frozen=True)
class Card:
    """One data set. `best` are the first rows of its first table; `more` says what these three must not hide."""

    title: str
    href: str
    facts: str
    metric: str
    best: tuple[Best, ...]
    more: str
    counts: str


def card(page: DatasetPage) -> Card:
    """The card of a data set's page."""
    table = page.tables[0].table
    ranked = [row for row in table.rows if row.rank is not None]
    return Card(
        title=page.title,
        href=f"datasets/{page.slug}.html",
        facts=dataset_facts(table.dataset),
        metric=clean(f"{table.columns[0].label} {ARROWS[table.columns[0].better]}") if table.columns else "",
        best=tuple(_best(row) for row in ranked[:SHOWN]),
        more=_more(table, ranked[SHOWN:], len(page.tables)),
        counts=_counts(page),
    )


def _best(row: Row) -> Best:
    value, half = value_and_half(row.cells[0].mean, row.cells[0].half_width)
    return Best(places(row), named(row.name), f"variants/{slug(row.variant.name)}.html", value, half)


def _more(table: Table, rest: list[Row], tables: int) -> str:
    like = sum(row.like_best for row in rest)
    said = ["No row has a score to rank by."] if not any(row.rank for row in table.rows) else []
    said += [f"{counted(like, 'more row')} {'is' if like == 1 else 'are'} not told apart from the first."] if like else []
    said += [f"Of {tables} protocols, which do not compare, the one with the most runs."] if tables > 1 else []
    return " ".join(said)


def _counts(page: DatasetPage) -> str:
    rows = [line for line in page.lines if not line.row.control]
    variants = {line.row.variant.name for line in rows}
    seeds = sorted({len(line.runs) for line in rows})
    days = sorted({run.record.timing.finished_at[:10] for line in page.lines for run in line.runs})
    a_row = "" if not seeds else f"{counted(seeds[0], 'seed')} a row" if len(seeds) == 1 else f"{seeds[0]}–{seeds[-1]} seeds a row"
    made = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    there = [
        counted(len(variants), "variant"),
        a_row,
        counted(sum(len(line.runs) for line in page.lines), "run"),
        f"made {clean(made)}",
    ]
    return " · ".join(part for part in there if part)
