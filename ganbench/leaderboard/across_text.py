"""The comparison across data sets as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ganbench.leaderboard.across import Across
from ganbench.leaderboard.numbers import clean, number
from ganbench.leaderboard.rank import ALPHA
from ganbench.leaderboard.table import escape_markdown

READING = (
    "Rank of each variant on each data set, equal ones at the mean of their places; lost seeds count as the worst value.",
    "Borda: how many others a variant beats, over all data sets.",
)


def to_markdown(found: Across) -> str:
    """A pipe table of ranks, then sentences on the test, on who was left out and on how to read it. Ends in a newline."""
    from tabulate import tabulate

    heads = [f"{clean(board.dataset)} ({clean(board.metric)})" for board in found.boards]
    rows = [
        [clean(each.variant), *map(_rank, each.ranks), number(each.mean_rank, 3), number(each.borda, 4)] for each in found.placings
    ]
    body = tabulate(
        [[escape_markdown(field) for field in row] for row in rows],
        headers=[escape_markdown(head) for head in ("Variant", *heads, "Mean rank", "Borda")],
        tablefmt="pipe",
        colalign=["left", *["right"] * (len(heads) + 2)],
        disable_numparse=True,
    )
    return f"{body}\n\n{escape_markdown(' '.join(sentences(found)))}\n"


def sentences(found: Across) -> list[str]:
    """What the table says and what it does not, one sentence each, safe to print."""
    return [clean(sentence) for sentence in (*READING, *findings(found), *_left_out(found))]


def findings(found: Across) -> list[str]:
    """What the tests say and what they do not, one sentence each, safe to print."""
    said = []
    if test := found.test:
        freedom, rest = len(found.placings) - 1, (len(found.placings) - 1) * (len(found.boards) - 1)
        f = "infinite, all data sets agree" if test.f is None else number(test.f)
        said.append(
            f"Friedman: chi square {number(test.chi_square)}, {freedom} degrees of freedom, p {_chance(test.chi_square_p)}."
        )
        said.append(f"Iman and Davenport: F {f}, {freedom} and {rest} degrees of freedom, p {_chance(test.f_p)}.")
        said.append(f"Nemenyi's critical difference of mean ranks at {ALPHA:.0%}: {number(test.critical_difference)}.")
        said += [f"Not told apart: {', '.join(group)}." for group in test.groups]
    return [clean(sentence) for sentence in (*said, *found.notes)]


def _left_out(found: Across) -> list[str]:
    return [f"Left out, for they do not stand on every data set: {', '.join(found.left_out)}."] if found.left_out else []


def to_csv(found: Across) -> str:
    """One line a variant and data set: variant, mean_rank, borda, dataset, metric, protocol_key, rank."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["variant", "mean_rank", "borda", "dataset", "metric", "protocol_key", "rank"])
    for each in found.placings:
        for board, rank in zip(found.boards, each.ranks, strict=True):
            names = (clean(board.dataset), clean(board.metric), board.protocol_key)
            writer.writerow([clean(each.variant), each.mean_rank, each.borda, *names, rank])
    return text.getvalue()


def plain(found: Across) -> dict[str, Any]:
    """The comparison as plain values, for JSON; `test` is null where there is none."""
    boards: Sequence[dict[str, Any]] = [
        {name: value for name, value in asdict(board).items() if name != "ranks"} for board in found.boards
    ]
    return {
        "alpha": ALPHA,
        "datasets": boards,
        "variants": [asdict(each) for each in found.placings],
        "left_out": list(found.left_out),
        "test": None if found.test is None else asdict(found.test),
        "notes": list(found.notes),
    }


def _rank(value: float) -> str:
    return f"{value:g}"


def _chance(p: float) -> str:
    return f"{p:.3g}" if p >= 1e-4 else f"{p:.1e}"
