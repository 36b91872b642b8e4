"""How to cite what a page shows: ganbench itself, and the paper of each variant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
        f"  version = {{{versions}}},\n"
        f"  year    = {{{year}}}\n"
        "}"
    )
