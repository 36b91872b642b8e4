"""The critical-difference diagram (Demšar 2006, figure 1) for a page: geometry in pixels, which a template draws in its colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ganbench.leaderboard.across import Across
from ganbench.leaderboard.numbers import clean

LEFT, AXIS, RIGHT = 190.0, 260.0, 190.0  # pixels of the names on either side, and of the ranks between them
TOP, BAR, ROW = 64.0, 7.0, 19.0  # pixels above the line of ranks, of a bar, and of a name
LONGEST = 22  # letters of a name that has room
TICKS = 10


@dataclass(frozen=True)
class Place:
    """One variant: its foot on the line of ranks, the height of its name, and whether that stands on the left."""

    text: str
    x: float
    y: float
    left: bool


@dataclass(frozen=True)
class Bar:
    """One group of variants that are not told apart, from its first mean rank to its last."""

    x1: float
    x2: float
    y: float


@dataclass(frozen=True)
class Diagram:
    """The drawing. `difference` is how long the critical difference is; None where it is longer than the line of ranks."""

    ticks: tuple[tuple[float, str], ...]
    places: tuple[Place, ...]
    bars: tuple[Bar, ...]
    difference: float | None
    told: str
    label: str
    height: float
    width: float = LEFT + AXIS + RIGHT
    left: float = LEFT
    right: float = LEFT + AXIS
    top: float = TOP


def diagram(found: Across) -> Diagram:
    """The diagram of a comparison that has a test."""
    assert found.test is not None  # the caller has looked
    count, half = len(found.placings), -(-len(found.placings) // 2)
    under = TOP + 8 + BAR * len(found.test.groups)
    ranks = {each.variant: each.mean_rank for each in found.placings}
    places = []
    for place, each in enumerate(found.placings):
        row = place if place < half else count - 1 - place
        text = f"{_cut(clean(each.variant))} {each.mean_rank:.2f}"
        places.append(Place(text, _across(each.mean_rank, count), under + ROW * (row + 1), place < half))
    long = found.test.critical_difference
    return Diagram(
        ticks=tuple((_across(rank, count), str(rank)) for rank in range(1, count + 1, max(1, -(-count // TICKS)))),
        places=tuple(places),
        bars=tuple(_bar(place, [ranks[name] for name in members], count) for place, members in enumerate(found.test.groups)),
        difference=round(AXIS * long / (count - 1), 1) if long <= count - 1 else None,
        told=f"critical difference {long:.2f}",
        label=_label(found),
        height=under + ROW * half + 12,
    )


def _across(rank: float, count: int) -> float:
    return round(LEFT + AXIS * (rank - 1) / (count - 1), 1)


def _bar(place: int, ranks: Sequence[float], count: int) -> Bar:
    return Bar(_across(ranks[0], count) - 4, _across(ranks[-1], count) + 4, TOP + 8 + BAR * place)


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _label(found: Across) -> str:
    """The diagram in words, for those who do not see it; the table beside it has the numbers."""
    assert found.test is not None
    groups = "; ".join(", ".join(map(clean, members)) for members in found.test.groups)
    return f"Critical-difference diagram of {len(found.placings)} variants. Not told apart: {groups or 'none'}."
