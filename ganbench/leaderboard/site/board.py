"""What a site shows, and where each page lies: data sets, variants and runs with their addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ganbench.leaderboard.grouping import group, row_identity
from ganbench.leaderboard.layout import Sheet
from ganbench.leaderboard.numbers import clean
from ganbench.leaderboard.section import Ranking, by_dataset, counted, merged_rows, ranking, runs_of
from ganbench.leaderboard.site.names import slug
from ganbench.leaderboard.strips import Strips
from ganbench.leaderboard.summary import Row, Table
from ganbench.record import Record


@dataclass(frozen=True)
class Run:
    """One record and the name of its page."""

    record: Record
    fingerprint: str
    slug: str

    @property
    def href(self) -> str:
        """The page's address from a page one folder down."""
        return f"../runs/{self.slug}.html"


@dataclass(frozen=True)
class Line:
    """One row of a data set with all its runs; `anchor` is its place on its variant's page."""

    row: Row
    anchor: str
    runs: tuple[Run, ...]

    @property
    def href(self) -> str:
        """The address of the row from a page one folder down."""
        return f"../variants/{slug(self.row.variant.name)}.html#{self.anchor}"


@dataclass(frozen=True)
class Ranked:
    """A table of a data set, as it is and as it is shown, with the places of each variant's rows."""

    table: Table
    ranking: Ranking
    places: Mapping[str, Sequence[int]]

    def only(self, name: str) -> tuple[Sheet, Strips | None] | None:
        """The sheet and the strips of one variant's rows; None where the table has none."""
        kept = self.places.get(name)
        if not kept:
            return None
        sheet, lines = self.ranking.sheet, self.ranking.strips
        first_control, scored = len(sheet.ranked), sum(row.rank is not None for row in self.table.rows)
        sheet = replace(
            sheet,
            ranked=tuple(sheet.ranked[place] for place in kept if place < first_control),
            controls=tuple(sheet.controls[place - first_control] for place in kept if place >= first_control),
            caption=(f"Among {counted(first_control, 'row')} of {clean(self.table.title)}{_unscored(first_control - scored)}.",),
        )
        return sheet, None if lines is None else replace(lines, rows=tuple(lines.rows[place] for place in kept), caption="")


def _unscored(count: int) -> str:
    return f", of which {count:,} {'has' if count == 1 else 'have'} no score to rank by" if count else ""


@dataclass(frozen=True)
class DatasetPage:
    """One data set: its tables, and every row once."""

    title: str
    slug: str
    tables: tuple[Ranked, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class VariantPage:
    """One variant: its rows by data set."""

    name: str
    slug: str
    places: tuple[tuple[DatasetPage, tuple[Line, ...]], ...]

    @property
    def rows(self) -> list[Row]:
        """Its rows of all data sets."""
        return [line.row for _, lines in self.places for line in lines]


@dataclass(frozen=True)
class Board:
    """All of a site. `runs` stand in the order of data sets and rows, each once."""

    datasets: tuple[DatasetPage, ...]
    variants: tuple[VariantPage, ...]
    runs: tuple[tuple[DatasetPage, Line, Run], ...]

    @property
    def tables(self) -> list[Table]:
        """The tables of all data sets."""
        return [ranked.table for page in self.datasets for ranked in page.tables]

    @property
    def records(self) -> list[Record]:
        """Every record once."""
        return [run.record for _, _, run in self.runs]


def board(tables: Sequence[Table]) -> Board:
    """The board of some tables."""
    datasets = tuple(_dataset_page(members) for members in by_dataset(tables))
    placed = [(page, line) for page in datasets for line in page.lines]
    by_variant = group(placed, lambda each: each[1].row.variant.name)
    variants = tuple(_variant_page(name, by_variant[name]) for name in sorted(by_variant))
    return Board(datasets, variants, tuple((page, line, run) for page, line in placed for run in line.runs))


def _dataset_page(tables: Sequence[Table]) -> DatasetPage:
    title = tables[0].title
    lines = tuple(_line(slug(title), row) for row in merged_rows(tables))
    return DatasetPage(title, slug(title), tuple(map(_ranked, tables)), lines)


def _ranked(table: Table) -> Ranked:
    places = group(range(len(table.rows)), lambda place: table.rows[place].variant.name)
    return Ranked(table, ranking(table, costs=True), places)


def _line(dataset: str, row: Row) -> Line:
    runs = []
    for record in runs_of([row]):
        fingerprint = record.fingerprint
        name = f"{dataset}-{slug(row.variant.name)}-seed-{record.seed % 10**12}-{fingerprint[:12]}"
        runs.append(Run(record, fingerprint, name))
    return Line(row, f"r-{row_identity(row.records[0])[:12]}", tuple(runs))


def _variant_page(name: str, placed: Sequence[tuple[DatasetPage, Line]]) -> VariantPage:
    by_page = group(placed, lambda each: each[0].slug)
    places = tuple((members[0][0], tuple(line for _, line in members)) for members in by_page.values())
    return VariantPage(name, slug(name), places)
