"""Records to tables: what is compared with what, and what is said of each row.

Rows whose primary scores were measured under different protocols never share a table, and no column holds numbers of two protocols.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ganbench.errors import InvalidInputError
from ganbench.interval import finite, mean, spread
from ganbench.leaderboard.grouping import (
    blocks,
    dataset_identity,
    dataset_titles,
    differences,
    distinct,
    group,
    is_scored,
    row_identity,
    row_names,
    score_order,
    setting,
    shared_specification,
    specification_hash,
)
from ganbench.leaderboard.rank import Contender, standings
from ganbench.record import DatasetFacts, Plain, Protocol, Record, Score, VariantFacts

CONTROLS = ("real", "memorizer", "noise")  # the order in which controls stand


@dataclass(frozen=True)
class Column:
    """One score under one protocol: `key` names the protocol, `metric` is its version and conventions."""

    label: str
    better: Literal["higher", "lower"]
    key: str
    metric: Mapping[str, Plain]


@dataclass(frozen=True)
class Cell:
    """One score of one row, over the `count` seeds that ended well and have it.

    `std` is the sample standard deviation over seeds (ddof 1) and `half_width` that of the mean's 95 % Student-t interval: None for
     fewer than two seeds. `error` is the metric's own, of the kind `error_kind`, averaged over the seeds; it says nothing of seeds.
    """

    count: int = 0
    mean: float | None = None
    std: float | None = None
    half_width: float | None = None
    error: float | None = None
    error_kind: str | None = None
    best: bool = False

    @property
    def low(self) -> float | None:
        """The lower end of the interval; None where there is none."""
        return None if self.mean is None or self.half_width is None else finite(self.mean - self.half_width)

    @property
    def high(self) -> float | None:
        """The upper end of the interval; None where there is none."""
        return None if self.mean is None or self.half_width is None else finite(self.mean + self.half_width)


@dataclass(frozen=True)
class Row:
    """One variant under one specification: `cells` in the order of the table's columns, and the records of all its seeds.

    `rank` counts from 1, equal means share one, and a control or a row without the primary score has none. `best_rank` and
    `worst_rank` bound the ranks that it could hold, and `like_best` says that it is not told apart from the first: see `rank.py`.
    """

    name: str
    variant: VariantFacts
    specification: Mapping[str, Any]
    specification_hash: str
    cells: tuple[Cell, ...]
    records: tuple[Record, ...]
    rank: int | None = None
    best_rank: int | None = None
    worst_rank: int | None = None
    like_best: bool = False

    @property
    def control(self) -> bool:
        """True for a row that is shown for orientation and never ranked."""
        return self.variant.control

    def count(self, status: Literal["ok", "diverged", "failed"]) -> int:
        """How many seeds ended so."""
        return sum(record.status == status for record in self.records)

    @property
    def seeds(self) -> str:
        """How the seeds ended: "4", or "3 + 1 diverged". "1 seed" says why a row has no interval."""
        lost = [f" + {self.count(status)} {status}" for status in ("diverged", "failed") if self.count(status)]
        if self.count("ok") == 1 and not lost:
            return "1 seed"
        return f"{self.count('ok')}{''.join(lost)}"

    @property
    def train_seconds_per_seed(self) -> float | None:
        """Mean over the seeds that ended well of the stack's training seconds divided by its seeds; None for controls."""
        return None if self.control else mean(r.timing.train_seconds_per_seed for r in self.records if r.status == "ok")

    @property
    def images_per_second(self) -> float | None:
        """Mean over the seeds that ended well of the training throughput; None where it was not measured."""
        return mean(r.timing.images_per_second for r in self.records if r.status == "ok")

    @property
    def generator_parameters(self) -> int | None:
        """How many parameters the generator has; None where no record says."""
        return next((r.parameters["generator"] for r in self.records if "generator" in r.parameters), None)


@dataclass(frozen=True)
class Table:
    """Rows that one protocol measured on one data set: ranked ones, then those without the primary score, then controls.

    The first column is the primary score. `setting` says how the protocol differs from those of the data set's other tables, and is
    empty when there is one table. `protocol` is None when no run has scores; its `samples` are those of one row.
    """

    dataset: DatasetFacts
    title: str
    setting: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    protocol: Protocol | None
    notes: tuple[str, ...]


def summarise(records: Iterable[Record]) -> list[Table]:
    """The tables of some records: by data set in the order of names, one for each protocol. The records' order plays no part.

    Raises InvalidInputError when two records of one job and seed disagree, or a score has no protocol.
    """
    runs = distinct(records)
    titles = dataset_titles(runs)
    tables = []
    for identity, members in group(runs, dataset_identity).items():
        tables.extend(_tables(titles[identity], members))
    return tables


def _tables(title: str, runs: Sequence[Record]) -> list[Table]:
    parts = sorted(blocks(runs), key=lambda block: (-len(block), block[0].fingerprint))
    heads = differences([_head(block) for block in parts])
    return [_table(title, head, block) for head, block in zip(heads, parts, strict=True)]


def _head(block: Sequence[Record]) -> dict[str, Any]:
    """What must agree in a block: the setting, and the primary score's metric."""
    scored = [record for record in block if is_scored(record)]
    if not scored:
        return {}
    primary = score_order(scored)[0]
    protocol = next(r.protocol for r in scored if primary in r.scores)
    return {} if protocol is None else setting(protocol) | {"metric": {primary: protocol.metrics[primary]}}


def _table(title: str, head: str, block: Sequence[Record]) -> Table:
    names = row_names(block)
    columns = _columns(block)
    rows = [_row(names[identity], members, columns) for identity, members in group(block, row_identity).items()]
    contenders = _ranked(_with_best([row for row in rows if not row.control], columns), columns)
    controls = sorted((row for row in rows if row.control), key=_control_order)
    return Table(
        dataset=block[0].dataset,
        title=title,
        setting=head,
        columns=columns,
        rows=(*contenders, *controls),
        protocol=next((r.protocol for r in block if is_scored(r)), None),
        notes=_notes(contenders, columns),
    )


def _columns(block: Sequence[Record]) -> tuple[Column, ...]:
    scored = [(record, record.protocol) for record in block if is_scored(record)]
    columns: dict[tuple[str, str], Column] = {}
    for label in score_order(record for record, _ in scored):
        for record, protocol in scored:
            if protocol is not None and label in record.scores:
                key = protocol.key(label)
                column = Column(label, record.scores[label].better, key, protocol.metrics[label])
                if columns.setdefault((label, key), column).better != column.better:
                    raise InvalidInputError(
                        f"Two records of {record.dataset.name} disagree whether a higher {label} is better; leave one of them out."
                    )
    return tuple(columns.values())


def _row(name: str, members: Sequence[Record], columns: Sequence[Column]) -> Row:
    records = sorted(members, key=lambda record: record.seed)
    return Row(
        name=name,
        variant=records[0].variant,
        specification=shared_specification(records[0]),
        specification_hash=specification_hash(records[0]),
        cells=tuple(_cell([score for r in records if (score := score_under(r, column))]) for column in columns),
        records=tuple(records),
    )


def score_under(record: Record, column: Column) -> Score | None:
    """The score of a run that ended well in a column; None when it has none there or measured it under another protocol."""
    if not is_scored(record) or record.protocol is None or column.label not in record.scores:
        return None
    return record.scores[column.label] if record.protocol.key(column.label) == column.key else None


def _cell(scores: Sequence[Score]) -> Cell:
    values = [score.value for score in scores]
    std, half_width = spread(values)
    return Cell(
        count=len(values),
        mean=mean(values),
        std=std,
        half_width=half_width,
        error=mean(score.error for score in scores),
        error_kind=next((score.error_kind for score in scores if score.error is not None), None),
    )


def _with_best(rows: Sequence[Row], columns: Sequence[Column]) -> list[Row]:
    """The rows with the best mean of each column marked. A single row is no contest, and has no mark."""
    if len(rows) < 2:
        return list(rows)
    best = []
    for place, column in enumerate(columns):
        means = [row.cells[place].mean for row in rows]
        known = [mean for mean in means if mean is not None]
        best.append((max if column.better == "higher" else min)(known, default=None))
    return [
        replace(row, cells=tuple(replace(c, best=c.mean is not None and c.mean == b) for c, b in zip(row.cells, best, strict=True)))
        for row in rows
    ]


def _ranked(rows: Sequence[Row], columns: Sequence[Column]) -> list[Row]:
    """Best first by the primary score, rows without one last, in the order of `rank.standings`."""
    if not columns:
        return sorted(rows, key=lambda row: row.name)
    by_name = {row.name: row for row in rows}
    ranked = []
    for place in standings([contender(row, columns[0]) for row in rows], columns[0].better):
        row = by_name[place.name]
        if place.rank is not None:
            row = replace(row, rank=place.rank, best_rank=place.best_rank, worst_rank=place.worst_rank, like_best=place.like_best)
        ranked.append(row)
    return ranked


def contender(row: Row, column: Column) -> Contender:
    """What a row's seeds scored in a column, and how many of them did not end well: what rankings read."""
    scores = [score for record in row.records if (score := score_under(record, column))]
    return Contender(row.name, tuple(score.value for score in scores), lost=row.count("diverged") + row.count("failed"))


def _control_order(row: Row) -> tuple[int, str]:
    name = row.variant.name
    return (CONTROLS.index(name) if name in CONTROLS else len(CONTROLS)), row.name


def _notes(rows: Sequence[Row], columns: Sequence[Column]) -> tuple[str, ...]:
    """What a reader must know before comparing rows."""
    notes = []
    if any(row.count("diverged") or row.count("failed") for row in rows):
        notes.append(
            "Means are over the seeds that ended well; seeds that diverged or failed are counted beside them, and rank as the "
            "worst value of the table."
        )
    labels = [column.label for column in columns]
    if len(set(labels)) < len(labels):
        notes.append("Columns of one name were measured under different protocols and are not comparable.")
    machines = {tuple(sorted((k, str(v)) for k, v in r.environment.items())) for row in rows for r in row.records}
    if len(machines) > 1:
        notes.append(f"Seconds were measured in {len(machines)} different environments.")
    return tuple(notes)
