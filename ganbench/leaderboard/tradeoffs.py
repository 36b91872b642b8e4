"""Quality against training time: where each row ends, which rows no other beats, and how the scores got there.

The seconds of an evaluation are its step's share of the run's training seconds a seed: steps are taken to last alike.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ganbench.leaderboard.chart import Axis, Line, axis, path
from ganbench.leaderboard.cost import device
from ganbench.leaderboard.grouping import group
from ganbench.leaderboard.numbers import number, seconds
from ganbench.leaderboard.pareto import Better, Point, front, points
from ganbench.leaderboard.summary import Row, Table
from ganbench.record import Record

WIDTH, HEIGHT = 420.0, 220.0  # pixels
CUT = 0.02  # part of the scores while training at each end that the axis leaves out
NAME = (90.0, 10.0)  # pixels that a name takes
COLOURED = 4  # rows, the best-ranked; the others are grey
GREY = 4
CAPTIONS = (
    "Each dot is a row: its mean score against its mean training seconds a seed. The line joins the Pareto front: rows that no "
    "other on the same device beats in one and equals or beats in the other. Rows that lost a seed are hollow and take no part.",
    "Mean scores while training, over the seeds that ended well, against training seconds a seed: an evaluation's step as a share "
    "of all steps, times the seconds of the whole training. Coloured: the best-ranked rows; the others are grey.",
)


@dataclass(frozen=True)
class Dot:
    """One row, in pixels from the left and the top. `named`: on the front, with room for its name."""

    name: str
    told: str
    x: float
    y: float
    on_front: bool
    whole: bool
    named: bool = False


@dataclass(frozen=True)
class Plot:
    """A chart of one device's rows: dots with the front's path, or lines of scores while training. Ticks are (position, text)."""

    title: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    dots: tuple[Dot, ...] = ()
    front: str = ""
    lines: tuple[Line, ...] = ()
    width: float = WIDTH
    height: float = HEIGHT


def tradeoffs(table: Table) -> list[Plot]:
    """A chart of dots for each device on which two rows or more of a table were trained."""
    contests = {name: members for name, members in points(table).items() if len(members) > 1}
    return [_dots(table.columns[0].label, table.columns[0].better, name, members) for name, members in contests.items()]


def over_time(table: Table) -> list[Plot]:
    """A chart of scores while training for each device and number of samples, of the rows that took any."""
    if not table.columns:
        return []
    label = table.columns[0].label
    rows = [row for row in table.rows if not row.control and device(row)]
    charts = []
    for members in group(rows, lambda row: f"{device(row)} {row.specification.get('eval_samples')}").values():
        courses = {row.name: course for row in members if (course := _course(row, label))}
        if courses:
            count = members[0].specification.get("eval_samples")
            of = f", of {count:,} samples" if isinstance(count, int) else ""
            charts.append(_lines(f"{label} while training{of}, on {device(members[0])}", courses))
    return charts


def _dots(label: str, better: Better, where: str, members: Sequence[Point]) -> Plot:
    x, y = axis([p.seconds for p in members], WIDTH), axis([p.score for p in members], HEIGHT)
    best = front(members, better)
    dots = tuple(
        Dot(
            name=point.name,
            told=f"{point.name}: {label} {number(point.score)} in {seconds(point.seconds)} s a seed",
            x=x.position(point.seconds),
            y=round(HEIGHT - y.position(point.score), 1),
            on_front=point in best,
            whole=point.whole,
        )
        for point in members
    )
    dots = _named(dots)
    joined = path(x, y, [(point.seconds, point.score) for point in best])
    return _plot(f"{label} against training seconds a seed, on {where}", x, y, dots=dots, front=joined)


def _named(dots: Sequence[Dot]) -> tuple[Dot, ...]:
    """The dots with those of the front named that have room for it, from the cheapest on."""
    room: list[Dot] = []
    for dot in sorted((dot for dot in dots if dot.on_front), key=lambda dot: dot.x):
        if all(abs(dot.y - other.y) > NAME[1] or dot.x - other.x > NAME[0] for other in room):
            room.append(dot)
    return tuple(replace(dot, named=dot in room) for dot in dots)


def _lines(title: str, courses: dict[str, list[tuple[float, float]]]) -> Plot:
    every = [point for course in courses.values() for point in course]
    x = Axis(0.0, max(max(when for when, _ in every), 1e-9), WIDTH)
    y = axis([score for _, score in every], HEIGHT, CUT)
    lines = [
        Line(name, place if place < COLOURED else GREY, path(x, y, [(when, score) for when, score in course]))
        for place, (name, course) in enumerate(courses.items())
    ]
    return _plot(title, x, y, lines=tuple(reversed(lines)))  # the best on top


def _plot(title: str, x: Axis, y: Axis, dots: tuple[Dot, ...] = (), front: str = "", lines: tuple[Line, ...] = ()) -> Plot:
    logs = " and ".join(name for name, each in (("seconds", x), ("scores", y)) if each.log)
    return Plot(
        title=f"{title}; log axis of {logs}" if logs else title,
        x_ticks=tuple((x.position(value), f"{value:.4g}") for value in x.ticks()),
        y_ticks=tuple((round(y.length - y.position(value), 1), f"{value:.4g}") for value in y.ticks()),
        dots=dots,
        front=front,
        lines=lines,
    )


def _course(row: Row, label: str) -> list[tuple[float, float]]:
    """The mean score at each evaluated step that all seeds which ended well have, with the mean seconds until then."""
    seeds = [dict(_evaluated(record, label)) for record in row.records if record.status == "ok" and record.steps_done > 0]
    shared = sorted(set.intersection(*map(set, seeds))) if seeds else []
    at = [[seed[step] for seed in seeds] for step in shared]
    return [(statistics.mean(w for w, _ in step), statistics.mean(s for _, s in step)) for step in at]


def _evaluated(record: Record, label: str) -> list[tuple[int, tuple[float, float]]]:
    whole = record.timing.train_seconds_per_seed
    return [
        (each.step, (whole * each.step / record.steps_done, each.scores[label].value))
        for each in record.evaluations
        if label in each.scores
    ]
