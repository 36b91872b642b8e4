"""The variants as a reader finds them: by family, with paper, year and what departs from the paper, read without importing them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ganbench import registry
from ganbench.registry import Entry

FAMILIES = {
    "loss": "Losses",
    "regulariser": "Regularisers",
    "mode-collapse": "Against mode collapse",
    "conditional": "Conditional",
    "architecture": "Architectures",
    "few-data": "Few data",
    "vae": "The other family: autoencoders and diffusion",
    "image-to-image": "Image to image",
    "control": "Controls",
}
DEPARTS = "Departs from "


@dataclass(frozen=True)
class Listed:
    """One variant or control. `year` is the paper's, None where there is no paper; `departures` is empty where none are told."""

    name: str
    family: str
    paper: str
    year: int | None
    summary: str
    departures: str
    doc: str


def listed(entry: Entry) -> Listed:
    """What an entry of the kind "variants" says of itself."""
    family = entry.facts.get("family", "control" if entry.symbol == "CONTROL" else "")
    paper = entry.facts.get("paper", "")
    # An arXiv number is no year: those have four digits before a point.
    year = re.search(r"\b(?:19|20)\d\d\b(?!\.)", paper)
    words = " ".join(entry.doc.split("\n\n")[0].split())
    return Listed(entry.name, family, paper, int(year[0]) if year else None, words, departures(entry.doc), entry.doc)


def departures(doc: str) -> str:
    """What a docstring says after "Departs from", to the end of its paragraph, on one line; empty where it has no such words."""
    place = doc.find(DEPARTS)
    if place < 0:
        return ""
    paragraph = " ".join(doc[place:].split("\n\n")[0].split())
    words = paragraph.partition(": ")[2] or paragraph
    return words[:1].upper() + words[1:]


def catalogue() -> list[Listed]:
    """Every registered variant and control: family by family in the order of FAMILIES, others after them, then by name."""
    order = list(FAMILIES)
    rows = [listed(entry) for entry in registry.entries("variants").values()]
    return sorted(rows, key=lambda row: (order.index(row.family) if row.family in order else len(order), row.family, row.name))


def markdown() -> str:
    """The page of all variants: a table for each family."""
    lines = ["# Variants", "", "Made by `ganbench list variants --markdown`; what a variant says of itself stands in its file.", ""]
    lines += ["All draw z from N(0, 1), where some of the papers have it uniform; a suite can say so (`latent_law`).", ""]
    points = "Adam without momentum, a latent of 2 and steps ten times as long in most variants (`ganbench show` tells)"
    lines += [f"Papers have no recipe for the point sets here, which have {points}.", ""]
    family = None
    for row in catalogue():
        if row.family != family:
            family = row.family
            heading = ["", f"## {FAMILIES.get(family, family)}", "", "| variant | paper | what it is | departs from its paper |"]
            lines += [*heading[not lines[-1] :], "|:--|:--|:--|:--|"]
        cells = (f"`{row.name}`", row.paper, row.summary, row.departures)
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
