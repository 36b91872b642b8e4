"""The pages of a site: what each template is given. Every text is escaped by the templates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ganbench import registry
from ganbench.catalogue import FAMILIES, listed
from ganbench.leaderboard.attachments import Folder
from ganbench.leaderboard.citations import bibtex, papers, table_bibtex
from ganbench.leaderboard.curves import CAPTION, RowCurves, row_curves
from ganbench.leaderboard.grouping import row_identity, score_order
from ganbench.leaderboard.layout import ARROWS, describe
from ganbench.leaderboard.numbers import named
from ganbench.leaderboard.published import HEADINGS, PublishedTable, printed
from ganbench.leaderboard.samples import Keep, Picture, pictures
from ganbench.leaderboard.section import counted, dataset_facts, origin, overview
from ganbench.leaderboard.seed_charts import CAPTION as SEEDS_COST
from ganbench.leaderboard.seed_charts import seed_charts
from ganbench.leaderboard.site.board import Board, DatasetPage, Line, Run, VariantPage
from ganbench.leaderboard.site.cards import card
from ganbench.leaderboard.site.comparisons import Comparison, addresses, method_in_words
from ganbench.leaderboard.site.definitions import COSTS, definitions, protocols, ranking_rules
from ganbench.leaderboard.site.filters import Mark, filters, marks
from ganbench.leaderboard.snapshots import snapshots
from ganbench.leaderboard.speed import apart, devices, metric_sheet, sheets, variant_sheet
from ganbench.leaderboard.summary import Row
from ganbench.leaderboard.templates import environment
from ganbench.leaderboard.tradeoffs import CAPTIONS, over_time, tradeoffs
from ganbench.record import Record
from ganbench.times import TimeRecord

PICTURES = 100  # of a data set's page; every row's samples are on its variant's
CURVES = 12
BESIDE = 100  # seeds that a run's page lists: all of them on each one's page would be the square of their number
# In a page that is opened as a file, 'self' is every file: Chromium loads the style and the script beside it.
POLICY = "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'"


def overview_page(board: Board, times: Sequence[TimeRecord]) -> str:
    """The first page: data sets, variants, what was timed, and how to cite all."""
    variants = [
        {
            "name": page.name,
            "href": f"variants/{page.slug}.html",
            "family": _family(page),
            "control": page.rows[0].control,
            "paper": paper[0] if (paper := papers(page.rows[0].records)) else None,
            "datasets": len(page.places),
            "runs": sum(len(line.runs) for _, lines in page.places for line in lines),
        }
        for page in board.variants
    ]
    return _render(
        "index.html",
        "",
        "ganbench board",
        overview=overview(board.records, len(board.datasets)),
        cards=[card(page) for page in board.datasets],
        variants=sorted(variants, key=lambda each: each["control"]),
        devices=list(devices(times)),
        bibtex=bibtex(board.records),
    )


def dataset_page(page: DatasetPage, published: Sequence[PublishedTable], folder: Folder, keep: Keep) -> str:
    """One data set: its tables, published ones beside them, samples and learning curves."""
    rows = [line.row for line in page.lines]
    best = _best_first(page)
    curves = _with_panels(row_curves(best[:CURVES], folder))
    records = [run.record for line in page.lines for run in line.runs]
    return _render(
        "dataset.html",
        "../",
        page.title,
        page=page,
        facts=dataset_facts(page.tables[0].table.dataset),
        counts=f"{counted(sum(not row.control for row in rows), 'row')}, {counted(len(records), 'run')}.",
        filters=filters(page),
        rankings=[(ranked.ranking, marks(page, ranked.table.rows), table_bibtex(ranked.table)) for ranked in page.tables],
        published=[printed(table, records) for table in published],
        headings=HEADINGS,
        pictures=_with_address(pictures(_first(rows, best), folder, keep)),
        curves=curves,
        captions=CAPTIONS,
        tradeoffs=[plot for ranked in page.tables for plot in tradeoffs(ranked.table)],
        over_time=[plot for ranked in page.tables for plot in over_time(ranked.table)],
        curves_caption=CAPTION,
        of_best=len(best) > CURVES,
        lost=[(line.row.name, run) for line in page.lines for run in line.runs if run.record.status != "ok"],
    )


def variant_page(page: VariantPage, folder: Folder, keep: Keep, times: Sequence[TimeRecord]) -> str:
    """One variant: paper, what it says of itself, scores, recipes and runs, samples as training went on, and its speed."""
    row = page.rows[0]
    places = [
        {
            "page": dataset,
            "tables": [(ranked.ranking.setting, *shown) for ranked in dataset.tables if (shown := ranked.only(page.name))],
            "lines": [_line(line) for line in lines],
            "pictures": _with_address(pictures([line.row for line in lines], folder, keep)),
            "snapshots": [
                replace(each, pictures=kept)
                for each in snapshots([line.row for line in lines], folder, keep)
                if (kept := tuple(_with_address(each.pictures)))
            ],
            "curves": _with_panels(row_curves([line.row for line in lines], folder)),
        }
        for dataset, lines in page.places
    ]
    return _render(
        "variant.html",
        "../",
        page.name,
        page=page,
        facts=row.variant,
        family=_family(page),
        paper=paper[0] if (paper := papers(row.records)) else None,
        about=_about(row.variant.name, {each.variant.source_hash for each in page.rows}),
        places=places,
        curves_caption=CAPTION,
        speed=sheets([record for record in apart(times)[0] if record.variant.name == page.name]),
    )


def record_text(record: Record) -> str:
    """A record as it is stored, or in ASCII where it holds a lone surrogate, which no file can."""
    try:
        return record.to_json()
    except ValueError:
        return json.dumps(record.model_dump(by_alias=True), indent=1) + "\n"


def run_page(page: DatasetPage, line: Line, run: Run) -> str:
    """One run: its scores and those of the seeds beside it, how it was made, and its record as a file."""
    record, beside = run.record, _beside(line.runs, run)
    return _render(
        "run.html",
        "../",
        f"{record.variant.name} on {page.title}, seed {record.seed}",
        page=page,
        line=line,
        run=run,
        record=record,
        keys={} if record.protocol is None else {label: record.protocol.key(label) for label in record.scores},
        beside=beside,
        labels=score_order(each.record for each in beside),
        environment=describe(record.environment),
        looked=score_order_of(record),
    )


def methodology_page(board: Board) -> str:
    """How everything was measured and compared."""
    return _render(
        "methodology.html",
        "",
        "Methodology",
        rules=ranking_rules(),
        costs=COSTS,
        definitions=definitions(board),
        protocols=protocols(board),
    )


def speed_page(board: Board, times: Sequence[TimeRecord]) -> str:
    """What was timed, a section for each device; names lead to the variants that the board has pages of."""
    pages = {page.name: Mark(f"variants/{page.slug}.html", {}, like_best=False) for page in board.variants}
    sections = []
    for device, members in devices(times).items():
        variants, metrics = apart(members)
        links = [pages.get(record.variant.name) for record in variants]
        tables = [("Training and sampling", variant_sheet(device, variants), links)] if variants else []
        tables += [("Scoring", metric_sheet(device, metrics), [])] if metrics else []
        sections.append((device, tables, seed_charts(variants)))
    described = sorted({describe(record.environment) for record in times})
    return _render("speed.html", "", "Speed", devices=sections, environments=described, seeds_cost=SEEDS_COST)


def across_page(board: Board, compared: Sequence[Comparison]) -> str:
    """Every comparison of variants over data sets, and how they are made."""
    return _render(
        "across.html",
        "",
        "Across data sets",
        comparisons=compared,
        addresses=addresses(board),
        arrows=ARROWS,
        method=method_in_words(),
    )


def _beside(runs: Sequence[Run], run: Run) -> Sequence[Run]:
    """The runs of a row next to one of them, itself in their middle: all where they are few."""
    place = next(number for number, each in enumerate(runs) if each.slug == run.slug)
    first = max(0, min(place - BESIDE // 2, len(runs) - BESIDE))
    return runs[first : first + BESIDE]


def score_order_of(record: Record) -> list[str]:
    """The scores that a run was looked at by while it trained, in the order in which it states them."""
    return list(dict.fromkeys(label for evaluation in record.evaluations for label in evaluation.scores))


def _render(template: str, root: str, title: str, **given: Any) -> str:
    return environment().get_template(f"site/{template}").render(policy=POLICY, root=root, title=named(title), **given)


def _family(page: VariantPage) -> str:
    family = page.rows[0].variant.family
    return FAMILIES.get(family, family)


def _line(line: Line) -> dict[str, Any]:
    recipe = line.row.specification.get("recipe")
    return {
        "line": line,
        "origin": origin(line.row),
        "recipe": {name: _words(value) for name, value in recipe.items()} if isinstance(recipe, dict) else {},
        "hrefs": [run.href for run in line.runs],
    }


def _words(value: Any) -> str:
    return "–" if value is None else value if isinstance(value, str) else json.dumps(value)


def _about(name: str, hashes: set[str]) -> dict[str, Any] | None:
    """What the variant's own file says, and whether the records were made by that code; None where it is not installed."""
    entry = registry.entries("variants").get(name)
    if entry is None:
        return None
    return {"listed": listed(entry), "same": hashes == {entry.source_hash}}


def _best_first(page: DatasetPage) -> list[Row]:
    """The trained rows of a page in the order of its tables."""
    trained = {row_identity(line.row.records[0]): line.row for line in page.lines if not line.row.control}
    order = dict.fromkeys(row_identity(row.records[0]) for ranked in page.tables for row in ranked.table.rows)
    return [trained[identity] for identity in order if identity in trained]


def _first(rows: Sequence[Row], best: Sequence[Row]) -> list[Row]:
    """Controls, which hold the real data, and as many of the best rows as a page shows."""
    return [*(row for row in rows if row.control), *best[:PICTURES]]


def _with_address(found: Iterable[Picture]) -> list[Picture]:
    """The pictures that there are: files beside records are often not kept, and a page need not say so a hundred times."""
    return [picture for picture in found if picture.uri]


def _with_panels(found: Iterable[RowCurves]) -> list[RowCurves]:
    return [row for row in found if row.panels]
