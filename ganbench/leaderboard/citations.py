"""How to cite what a page shows: ganbench itself, and the paper of each variant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ganbench.files import digest
from ganbench.leaderboard.layout import heading
from ganbench.leaderboard.summary import Table
from ganbench.leaderboard.table import escape_latex
from ganbench.record import Record

ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


@dataclass(frozen=True)
class Paper:
    """A variant's paper as its record states it; `url` is its page on arXiv, "" where the text names none."""

    variant: str
    text: str
    url: str


def papers(records: Iterable[Record]) -> list[Paper]:
    """The papers of all variants in the order of their names; controls have none."""
    texts = {
        (record.variant.name, record.variant.paper) for record in records if record.variant.paper and not record.variant.control
    }
    return [Paper(variant, text, _url(text)) for variant, text in sorted(texts)]


def _url(text: str) -> str:
    found = ARXIV.search(text)
    return f"https://arxiv.org/abs/{found.group(1)}" if found else ""


def bibtex(records: Sequence[Record]) -> str:
    """A BibTeX entry of the ganbench that made the records: their versions, and the year of the last one."""
    versions = ", ".join(sorted({record.ganbench_version for record in records}))
    year = max(record.timing.finished_at for record in records)[:4]
    return (
        "@software{ganbench,\n"
        "  title   = {ganbench: evaluation and benchmarking of generative adversarial networks},\n"
        "  author  = {{The ganbench authors}},\n"
        f"  version = {{{escape_latex(versions)}}},\n"
        f"  year    = {{{escape_latex(year)}}}\n"
        "}"
    )


def table_bibtex(table: Table) -> str:
    """BibTeX entries of one table, which its runs' fingerprints name, and of the papers of its variants."""
    runs = [record for row in table.rows for record in row.records]
    content = digest(sorted({record.fingerprint for record in runs}))[:12]
    keys = ", ".join(f"{column.label} {column.key}" for column in table.columns)
    year = max(record.timing.finished_at for record in runs)[:4]
    entry = (
        f"@misc{{ganbench-{content},\n"
        f"  title  = {{{{ganbench board: {escape_latex(heading(table))}}}}},\n"
        "  author = {{The ganbench authors}},\n"
        f"  year   = {{{escape_latex(year)}}},\n"
        f"  note   = {{{len(set(map(id, runs)))} runs, content {content}; protocol {escape_latex(keys or 'none')}}}\n"
        "}"
    )
    return "\n\n".join([entry, *(_paper_entry(paper) for paper in papers(runs))])


def _paper_entry(paper: Paper) -> str:
    name = re.sub(r"[^A-Za-z0-9]+", "-", paper.variant)[:40].strip("-")
    number = f"  eprint        = {{{paper.url.rsplit('/', 1)[-1]}}},\n  archiveprefix = {{arXiv}},\n" if paper.url else ""
    key = f"{name}-{digest([paper.variant, paper.text])[:6]}"
    return f"@misc{{{key},\n{number}  note          = {{{escape_latex(paper.variant)}: {escape_latex(paper.text)}}}\n}}"
