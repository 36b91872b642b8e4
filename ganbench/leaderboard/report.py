"""The report: one HTML file that holds all it shows, and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ganbench.errors import MissingDataError
from ganbench.files import write_atomically
from ganbench.leaderboard.citations import bibtex, papers
from ganbench.leaderboard.curves import CAPTION, RowCurves, row_curves
from ganbench.leaderboard.grouping import group, row_identity, row_names
from ganbench.leaderboard.layout import Sheet, describe, lay_out
from ganbench.leaderboard.method import Method, method
from ganbench.leaderboard.numbers import number, value_and_half
from ganbench.leaderboard.samples import Picture, pictures
from ganbench.leaderboard.snapshots import Snapshots, snapshots
from ganbench.leaderboard.strips import Strips, strips
from ganbench.leaderboard.summary import Row, Table, summarise
from ganbench.leaderboard.table import long_form
from ganbench.leaderboard.templates import FOLDER, environment
from ganbench.leaderboard.tradeoffs import CAPTION as TRADEOFF_CAPTION
from ganbench.leaderboard.tradeoffs import OVER_TIME, Plot, over_time, tradeoffs
from ganbench.record import DatasetFacts, Record

REPORT = "report.html"


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
    """How one row was made: commands, the resolved specification, and what came of each seed."""

    name: str
    commands: tuple[str, ...]
    specification_hash: str
    specification: str
    environments: tuple[str, ...]
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


def write_report(records: Iterable[Record], folder: Path) -> Path:
    """Write `folder/report.html` and return its path. Files that records name are looked for under `folder`.

    A file that is missing or broken leaves a sentence on the page. Raises MissingDataError when there are no records, and what
    `summarise` raises.
    """
    path = folder / REPORT
    write_atomically(path, report(records, folder).encode("utf-8", "replace"))
    return path


def report(records: Iterable[Record], folder: Path) -> str:
    """The page as text. It is a function of the records and of the files they name: no clock, no network."""
    tables = summarise(records)
    if not tables:
        raise MissingDataError("There are no records to report; run a suite first.")
    sections = [_section(f"d{place}", members, folder) for place, members in enumerate(group(tables, _data).values(), start=1)]
    runs = _distinct(record for table in tables for row in table.rows for record in row.records)
    style, script = ((FOLDER / name).read_text(encoding="utf-8") for name in ("report.css", "sort.js"))
    return (
        environment()
        .get_template("report.html")
        .render(
            policy=f"default-src 'none'; img-src data:; style-src {_source(style)}; script-src {_source(script)}; "
            "base-uri 'none'; form-action 'none'",
            style=Markup(style),  # ours, and the policy names its hash
            script=Markup(script),
            sections=sections,
            overview=_overview(runs, len(sections)),
            curves_caption=CAPTION,
            tradeoff_caption=TRADEOFF_CAPTION,
            over_time_caption=OVER_TIME,
            bibtex=bibtex(runs),
            papers=papers(runs),
        )
    )


def _source(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _data(table: Table) -> str:
    return table.title


def _distinct(records: Iterable[Record]) -> list[Record]:
    return list({record.fingerprint: record for record in records}.values())


def _overview(runs: Sequence[Record], sections: int) -> str:
    variants = {record.variant.name for record in runs if not record.variant.control}
    count = {status: sum(record.status == status for record in runs) for status in ("ok", "diverged", "failed")}
    ended = ", ".join(f"{count[status]} {status}" for status in count if count[status])
    versions = ", ".join(sorted({record.ganbench_version for record in runs}))
    last = max(record.timing.finished_at for record in runs)[:10]
    return (
        f"{_counted(len(variants), 'variant')} on {_counted(sections, 'data set')}: {_counted(len(runs), 'run')} ({ended}). "
        f"ganbench {versions}; the last run finished on {last}."
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _section(anchor: str, tables: Sequence[Table], folder: Path) -> Section:
    merged = _merged(tables)
    return Section(
        anchor=anchor,
        title=tables[0].title,
        facts=_dataset_facts(tables[0].dataset),
        lead=_lead(tables[0]),
        rankings=[_ranking(table) for table in tables],
        tradeoffs=[plot for table in tables for plot in tradeoffs(table)],
        over_time=[plot for table in tables for plot in over_time(table)],
        pictures=pictures(merged, folder),
        snapshots=snapshots(merged, folder),
        curves=row_curves(merged, folder),
        lost=[(row.name, record) for row in merged for record in row.records if record.status != "ok"],
        origins=[_origin(row) for row in merged],
    )


def _merged(tables: Sequence[Table]) -> list[Row]:
    """Every row of some tables once, with its seeds of all of them: pictures and curves do not depend on the protocol."""
    rows = [row for table in tables for row in table.rows]
    names = row_names([record for row in rows for record in row.records])
    merged = []
    for identity, parts in group(rows, lambda row: row_identity(row.records[0])).items():
        records = _distinct(record for part in parts for record in part.records)
        merged.append(replace(parts[0], name=names[identity], records=tuple(sorted(records, key=lambda record: record.seed))))
    return sorted(merged, key=lambda row: row.control)


def _dataset_facts(facts: DatasetFacts) -> str:
    shape = " × ".join(map(str, facts.shape))
    kind = f"Points in {facts.shape[0]} dimensions" if len(facts.shape) == 1 else f"Images of {shape} (channels × height × width)"
    return f"{kind}; {facts.train_count:,} to train on, {facts.test_count:,} held out. Licence: {facts.licence}."


def _lead(table: Table) -> str:
    """The best row, or the best ones, in one line; "" where no two rows compete."""
    best = [row for row in table.rows if row.cells and row.cells[0].best]
    if not best:
        return ""
    cell = best[0].cells[0]
    value, half = value_and_half(cell.mean, cell.half_width if len(best) == 1 else None)
    return f"best {table.columns[0].label}: {' and '.join(row.name for row in best)}, {value}{f' ± {half}' if half else ''}"


def _ranking(table: Table) -> Ranking:
    sheet = lay_out(table)
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


def _origin(row: Row) -> Origin:
    return Origin(
        name=row.name,
        commands=tuple(sorted({record.command for record in row.records})),
        specification_hash=row.specification_hash,
        specification=json.dumps(row.specification, indent=2),
        environments=tuple(sorted({describe(record.environment) for record in row.records})),
        records=row.records,
    )
