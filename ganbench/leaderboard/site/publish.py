"""`ganbench publish`: records to a folder of pages that need no server and no network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganbench.errors import MissingDataError
from ganbench.leaderboard.across_text import plain, to_csv
from ganbench.leaderboard.attachments import Folder
from ganbench.leaderboard.citations import bibtex, table_bibtex
from ganbench.leaderboard.published import PublishedTable
from ganbench.leaderboard.site import pages
from ganbench.leaderboard.site.board import Board, board
from ganbench.leaderboard.site.comparisons import Comparison, comparisons
from ganbench.leaderboard.site.folder import SiteFolder
from ganbench.leaderboard.speed import render_times
from ganbench.leaderboard.summary import Table, summarise
from ganbench.leaderboard.table import render
from ganbench.leaderboard.templates import FOLDER
from ganbench.record import Record
from ganbench.times import TimeRecord

Report = Callable[[str, int, int], None]
FORMS = {"csv": "csv", "json": "json", "latex": "tex"}
TIME_FORMS = ("csv", "json")
STYLES = ("report.css", "site/site.css")
SCRIPTS = ("sort.js", "site/filter.js")


@dataclass(frozen=True)
class Published:
    """What a publish left: the first page, the names of all files (relative, sorted), and those of an earlier one it removed."""

    index: Path
    files: tuple[str, ...]
    removed: tuple[str, ...]


def publish(
    records: Iterable[Record],
    folder: Folder,
    out: Path,
    published: Sequence[PublishedTable] = (),
    report: Report | None = None,
    times: Sequence[TimeRecord] = (),
) -> Published:
    """Write the site of some records to `out`: a function of the records, the files that they name, the published tables and the
    time records, which have a page of their own where there are any.

    Files that records name are looked for under `folder`. `report` is told (what, done, total). Raises MissingDataError when there
    are no records, UsageError where `out` cannot be written or holds other files, and what `summarise` raises.
    """
    report = report or (lambda what, done, total: None)
    report("ranking", 0, 0)
    made = board(summarise(records))
    if not made.datasets:
        raise MissingDataError("There are no records of runs to publish; run a suite first.")
    with SiteFolder(out) as site:
        _write(site, made, comparisons(made), times)
        total = len(made.datasets) + len(made.variants) + len(made.runs)
        for done, (name, page) in enumerate(_pages(made, folder, published, site, times), 1):
            site.write(name, page)
            report("writing pages", done, total)
        removed = site.close()
    return Published(out / "index.html", tuple(sorted(site.written)), tuple(removed))


def _write(site: SiteFolder, made: Board, compared: Sequence[Comparison], times: Sequence[TimeRecord]) -> None:
    """The pages that say something of all records, their downloads, and what every page loads."""
    site.write(".nojekyll", "")  # GitHub Pages shall serve the files as they are
    for name, parts in (("style.css", STYLES), ("site.js", SCRIPTS)):
        site.write(name, "\n".join((FOLDER / part).read_text(encoding="utf-8") for part in parts))
    site.write("index.html", pages.overview_page(made, times))
    site.write("methodology.html", pages.methodology_page(made))
    site.write("across.html", pages.across_page(made, compared))
    if times:
        site.write("speed.html", pages.speed_page(made, times))
        for form in TIME_FORMS:
            site.write(f"speed.{form}", render_times(times, form))
    for each in compared:
        if each.found is not None:
            site.write(f"across/{each.slug}.csv", to_csv(each.found))
            site.write(f"across/{each.slug}.json", json.dumps(plain(each.found), indent=1) + "\n")
    _downloads(site, "board", made.tables, bibtex(made.records))


def _pages(
    made: Board, folder: Folder, published: Sequence[PublishedTable], site: SiteFolder, times: Sequence[TimeRecord]
) -> Iterable[tuple[str, str]]:
    """The pages below the first, by name; pictures and downloads are written on the way."""
    for dataset in made.datasets:
        tables = [ranked.table for ranked in dataset.tables]
        _downloads(site, f"datasets/{dataset.slug}", tables, "\n\n".join(map(table_bibtex, tables)))
        fitting = [table for table in published if table.dataset == tables[0].dataset.name]
        yield f"datasets/{dataset.slug}.html", pages.dataset_page(dataset, fitting, folder, site.keep)
    for variant in made.variants:
        yield f"variants/{variant.slug}.html", pages.variant_page(variant, folder, site.keep, times)
    for dataset, line, run in made.runs:
        site.write(f"runs/{run.slug}.json", pages.record_text(run.record))
        yield f"runs/{run.slug}.html", pages.run_page(dataset, line, run)


def _downloads(site: SiteFolder, name: str, tables: Sequence[Table], citation: str) -> None:
    for form, suffix in FORMS.items():
        site.write(f"{name}.{suffix}", render(tables, form))
    site.write(f"{name}.bib", citation + "\n")
