"""Quality against cost: which rows no other row beats in both. Pure functions.

A point is on the front (Pareto 1906) when no other is at least as good in both the score and the seconds, and better in one. Equal
points stand there together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ganbench.leaderboard.cost import SEVERAL, device
from ganbench.leaderboard.grouping import group
from ganbench.leaderboard.summary import Row, Table

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Point:
    """A row's mean training seconds a seed, and its mean score. `whole` is False where a seed diverged or failed."""

    name: str
    seconds: float
    score: float
    whole: bool = True


def front(points: Sequence[Point], better: Better) -> list[Point]:
    """The points that no other beats, by their seconds, then by name.

    A point that is not whole is never among them, and beats none: its mean is of its better part.
    """
    sign = -1.0 if better == "higher" else 1.0
    kept: list[Point] = []
    for point in sorted((p for p in points if p.whole), key=lambda p: (p.seconds, sign * p.score, p.name)):
        last = kept[-1] if kept else None
        if last is None or sign * point.score < sign * last.score or (point.seconds, point.score) == (last.seconds, last.score):
            kept.append(point)
    return kept


def points(table: Table) -> dict[str, list[Point]]:
    """The ranked rows of a table that have a primary score and training seconds, by the device that they were trained on.

    Seconds of two devices do not compare, so each device's rows stand by themselves; a row whose seeds ran on several has no point,
    nor has one whose device is not known.
    """
    if not table.columns:
        return {}
    rows = [row for row in table.rows if not row.control and device(row) not in (SEVERAL, "")]
    found = {name: [point for row in members if (point := _point(row))] for name, members in group(rows, device).items()}
    return {name: members for name, members in found.items() if members}


def _point(row: Row) -> Point | None:
    seconds, score = row.train_seconds_per_seed, row.cells[0].mean
    if seconds is None or score is None or seconds <= 0:
        return None
    return Point(row.name, seconds, score, whole=row.count("ok") == len(row.records))


def on_front(table: Table) -> frozenset[str]:
    """The names of the rows on their device's front, where two rows or more compete for it."""
    if not table.columns:
        return frozenset()
    contests = [members for members in points(table).values() if len(members) > 1]
    return frozenset(point.name for members in contests for point in front(members, table.columns[0].better))
