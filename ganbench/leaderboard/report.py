"""The report: one HTML file that holds all it shows, and loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path

from markupsafe import Markup

from ganbench.errors import MissingDataError
from ganbench.files import write_atomically
from ganbench.leaderboard.citations import bibtex, papers
from ganbench.leaderboard.curves import CAPTION
from ganbench.leaderboard.section import by_dataset, overview, runs_of, section
from ganbench.leaderboard.summary import summarise
from ganbench.leaderboard.templates import FOLDER, environment
from ganbench.leaderboard.tradeoffs import CAPTIONS
from ganbench.record import Record

REPORT = "report.html"


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
    sections = [section(f"d{place}", members, folder) for place, members in enumerate(by_dataset(tables), start=1)]
    runs = runs_of(row for table in tables for row in table.rows)
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
            overview=overview(runs, len(sections)),
            curves_caption=CAPTION,
            captions=CAPTIONS,
            bibtex=bibtex(runs),
            papers=papers(runs),
        )
    )


def _source(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
