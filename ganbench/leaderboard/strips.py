"""Every seed of a table's primary score as a dot, a row a strip, all strips on one axis."""

from __future__ import annotations

from dataclasses import dataclass

from ganbench.leaderboard.chart import Axis, axis
from ganbench.leaderboard.layout import Sheet
from ganbench.leaderboard.numbers import number
from ganbench.leaderboard.summary import Cell, Row, Table, score_under

WIDTH, HEIGHT, EDGE = 130, 16, 5  # pixels


@dataclass(frozen=True)
class Strip:
    """One row's strip in pixels from the left: dots for seeds, the mean, and the interval of the mean where there is one.

    `beyond` is -1 or 1 for a control that lies to the left or the right of the axis.
    """

    label: str
    dots: tuple[float, ...] = ()
    mean: float = 0.0
    band: tuple[float, float] | None = None
    beyond: int = 0
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True)
class Strips:
    """The strips of a table's rows, in their order, and the number of the sheet's column that they stand after."""

    after: int
    rows: tuple[Strip, ...]
    caption: str


def strips(table: Table, sheet: Sheet) -> Strips | None:
    """The strips of a table, on an axis around its ranked rows; None when it has no score."""
    places = [place for place, heading in enumerate(sheet.headings) if heading.better]
    if not places:
        return None
    values = [_seeds(table, row) for row in table.rows]
    ranked = [value for row, seeds in zip(table.rows, values, strict=True) if not row.control for value in seeds]
    scale = axis(ranked or [value for seeds in values for value in seeds], WIDTH - 2 * EDGE)
    label = table.columns[0].label
    kind = "a logarithmic axis" if scale.log else "an axis"
    ends = f"from {number(scale.low, 3)} to {number(scale.high, 3)}"
    return Strips(
        after=places[0],
        rows=tuple(_strip(label, row.cells[0], seeds, scale) for row, seeds in zip(table.rows, values, strict=True)),
        caption=f"Every seed: {label} on {kind} {ends}, which controls may lie beyond (arrows); a dot is a seed, the bar the "
        "interval, the upright line the mean.",
    )


def _seeds(table: Table, row: Row) -> list[float]:
    scores = [score_under(record, table.columns[0]) for record in row.records]
    return [score.value for score in scores if score is not None]


def _strip(label: str, cell: Cell, seeds: list[float], scale: Axis) -> Strip:
    if cell.mean is None:
        return Strip(f"no {label}")

    def place(value: float) -> float:
        return EDGE + min(max(scale.position(value), 0.0), scale.length)

    if not scale.low <= cell.mean <= scale.high:
        return Strip(f"{label} {number(cell.mean)}, beyond the axis", beyond=-1 if cell.mean < scale.low else 1)
    ends = None if cell.low is None or cell.high is None else (place(cell.low), place(cell.high))
    text = f"{label} of each seed: {', '.join(number(value) for value in seeds)}"
    return Strip(text, tuple(map(place, seeds)), place(cell.mean), ends)
