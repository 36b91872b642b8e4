"""One data set of a page: its tables as they are shown, its pictures and curves, and how each row was made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ganbench.leaderboard.attachments import Folder
from ganbench.leaderboard.curves import RowCurves, row_curves
from ganbench.leaderboard.grouping import group, row_identity, row_names, score_order
from ganbench.leaderboard.layout import Sheet, describe, lay_out
from ganbench.leaderboard.method import Method, method
from ganbench.leaderboard.numbers import number, value_and_half
from ganbench.leaderboard.samples import Picture, pictures
from ganbench.leaderboard.snapshots import Snapshots, snapshots
from ganbench.leaderboard.strips import Strips, strips
from ganbench.leaderboard.summary import Row, Table
from ganbench.leaderboard.table import long_form
from ganbench.leaderboard.tradeoffs import Plot, over_time, tradeoffs
from ganbench.record import DatasetFacts, Record

NAMED = 3  # rows that a line about the best ones names


@dataclass(frozen=True)
class Ranking:
    """One table of a section: laid out, with every seed's strip, all its numbers and how they were measured."""

    sheet: Sheet
    strips: Strips | None
    setting: str
    numbers: list[dict[str, str]]
    method: Method | None


@dataclass(frozen=True)
class Origin:
    """How one row was made: commands, the resolved specification, and what came of each seed, by the scores `labels`."""

    name: str
    commands: tuple[str, ...]
    specification_hash: str
    specification: str
    environments: tuple[str, ...]
    labels: tuple[str, ...]
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Section:
    """One data set of the page."""

    anchor: str
    title: str
    facts: str
    lead: str
    rankings: list[Ranking]
    tradeoffs: list[Plot]
    over_time: list[Plot]
    pictures: list[Picture]
    snapshots: list[Snapshots]
    curves: list[RowCurves]
    lost: list[tuple[str, Record]]
    origins: list[Origin]


def by_dataset(tables: Iterable[Table]) -> list[list[Table]]:
    """The tables of each data set, in their order."""
    return list(group(tables, lambda table: table.title).values())


def runs_of(rows: Iterable[Row]) -> list[Record]:
    """Every record of some rows once."""
    return _distinct(record for row in rows for record in row.records)


def _distinct(records: Iterable[Record]) -> list[Record]:
    return list({record.fingerprint: record for record in records}.values())


def overview(runs: Sequence[Record], sections: int) -> str:
    """What there is, in two sentences: variants, data sets, runs and how they ended, versions, and the day of the last run."""
    variants = {record.variant.name for record in runs if not record.variant.control}
    count = {status: sum(record.status == status for record in runs) for status in ("ok", "diverged", "failed")}
    ended = ", ".join(f"{count[status]:,} {status}" for status in count if count[status])
    versions = ", ".join(sorted({record.ganbench_version for record in runs}))
    last = max(record.timing.finished_at for record in runs)[:10]
    return (
        f"{counted(len(variants), 'variant')} on {counted(sections, 'data set')}: {counted(len(runs), 'run')} ({ended}). "
        f"ganbench {versions}; the last run finished on {last}."
    )


def counted(count: int, noun: str) -> str:
    """A count with its noun: "1 run", "1,234 runs"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def section(anchor: str, tables: Sequence[Table], folder: Folder) -> Section:
    """The section of one data set's tables. Files that records name are looked for under `folder`."""
    merged = merged_rows(tables)
    return Section(
        anchor=anchor,
        title=tables[0].title,
        facts=dataset_facts(tables[0].dataset),
        lead=lead(tables[0]),
        rankings=[ranking(table) for table in tables],
        tradeoffs=[plot for table in tables for plot in tradeoffs(table)],
        over_time=[plot for table in tables for plot in over_time(table)],
        pictures=pictures(merged, folder),
        snapshots=snapshots(merged, folder),
        curves=row_curves(merged, folder),
        lost=[(row.name, record) for row in merged for record in row.records if record.status != "ok"],
        origins=[origin(row) for row in merged],
    )


def merged_rows(tables: Sequence[Table]) -> list[Row]:
    """Every row of some tables once, with its seeds of all of them: pictures and curves do not depend on the protocol."""
    rows = [row for table in tables for row in table.rows]
    names = row_names([record for row in rows for record in row.records])
    merged = []
    for identity, parts in group(rows, lambda row: row_identity(row.records[0])).items():
        records = _distinct(record for part in parts for record in part.records)
        merged.append(replace(parts[0], name=names[identity], records=tuple(sorted(records, key=lambda record: record.seed))))
    return sorted(merged, key=lambda row: row.control)


def dataset_facts(facts: DatasetFacts) -> str:
    """What the data are, how many, and their licence, in two sentences."""
    shape = " × ".join(map(str, facts.shape))
    kind = f"Points in {facts.shape[0]} dimensions" if len(facts.shape) == 1 else f"Images of {shape} (channels × height × width)"
    return f"{kind}; {facts.train_count:,} to train on, {facts.test_count:,} held out. Licence: {facts.licence}."


def lead(table: Table) -> str:
    """The best row, or the best ones, in one line, of many the first three; "" where no two rows compete."""
    best = [row for row in table.rows if row.cells and row.cells[0].best]
    if not best:
        return ""
    cell = best[0].cells[0]
    value, half = value_and_half(cell.mean, cell.half_width if len(best) == 1 else None)
    names = [row.name for row in best[:NAMED]] + ([f"{len(best) - NAMED} more"] if len(best) > NAMED else [])
    return f"best {table.columns[0].label}: {' and '.join(names)}, {value}{f' ± {half}' if half else ''}"


def ranking(table: Table, costs: bool = False) -> Ranking:
    """A table as a page shows it; with `costs`, columns of what each row costs."""
    sheet = lay_out(table, costs)
    setting = sheet.heading.removeprefix(f"{table.title}: ") if table.setting else ""
    return Ranking(sheet, strips(table, sheet), setting, [_shown(line) for line in long_form(table)], method(table))


def _shown(line: dict[str, Any]) -> dict[str, str]:
    """One row and score of the table of all numbers; the full digits are in the CSV and JSON forms."""
    digits = {name: "" if line[name] is None else number(line[name], 6) for name in ("mean", "std", "ci95_low", "ci95_high")}
    own = (
        ""
        if line["metric_error"] is None
        else f"{number(line['metric_error'], 3)} ({line['metric_error_kind'] or 'of no stated kind'})"
    )
    return digits | {"row": line["row"], "score": line["score"] or "", "n_scored": str(line["n_scored"]), "own_error": own}


def origin(row: Row) -> Origin:
    """How a row was made."""
    return Origin(
        name=row.name,
        commands=tuple(sorted({record.command for record in row.records})),
        specification_hash=row.specification_hash,
        specification=json.dumps(row.specification, indent=2),
        environments=tuple(sorted({describe(record.environment) for record in row.records})),
        labels=tuple(score_order(row.records)),
        records=row.records,
    )
