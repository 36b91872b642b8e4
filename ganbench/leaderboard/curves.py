"""Learning curves: what networks and scores did while training, as means and ranges over seeds."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganbench.errors import GanbenchError, InvalidInputError
from ganbench.leaderboard.attachments import Folder, attachment
from ganbench.leaderboard.chart import Axis, Line, Panel, axis, band, bounded, panel, path
from ganbench.leaderboard.summary import Row
from ganbench.record import Record

WIDTH, HEIGHT = 210.0, 120.0  # pixels
POINTS = 80  # of a drawn curve: more steps than that are averaged in bins
CUT = 0.01  # part of the values at each end that the axes leave out
TITLES = {"loss": "Loss", "grad_norm": "Gradient norm", "output": "Discriminator output"}
SERIES = {"d": "discriminator", "g": "generator", "d_real": "on real", "d_fake": "on fake"}
CAPTION = (
    "Lines are means over the seeds that ended well, and bands run from the smallest seed to the largest. Curves of more than "
    f"{POINTS} steps are averaged in bins first, and axes leave out the outermost 1 % of the values. Dashed lines are single seeds "
    "that diverged or failed. Scores while training stand on one axis for all rows."
)

Values = Mapping[int, float]  # by step


@dataclass(frozen=True)
class Curve:
    """One seed's values of one series."""

    values: Values
    apart: bool


@dataclass(frozen=True)
class RowCurves:
    """The panels of one row; `notes` say what is missing where only a part of it is."""

    name: str
    panels: tuple[Panel, ...]
    notes: tuple[str, ...]


def row_curves(rows: Sequence[Row], folder: Folder) -> list[RowCurves]:
    """The learning curves of every row that is trained. Files that are missing or broken become notes."""
    trained = [row for row in rows if not row.control]
    scores = {row.name: _scores(row.records) for row in trained}
    labels = {label: None for series in scores.values() for label in series}
    axes = {label: _y_axis([c for series in scores.values() for c in series.get(label, [])]) for label in labels}
    found = []
    for row in trained:
        series, notes = _series(row.records, folder)
        panels = [_panel(TITLES.get(title, title), named) for title, named in _panels(series).items()]
        panels += [_panel(f"{label} while training", {label: curves}, axes[label]) for label, curves in scores[row.name].items()]
        found.append(RowCurves(row.name, tuple(panels), tuple(notes)))
    return found


def read_curves(file: Path) -> dict[str, Values]:
    """The series of a curves file by name, values that are not finite left out. Raises InvalidInputError for any other content."""
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        steps, series = raw["steps"], raw["series"]
        if not all(isinstance(step, int) for step in steps) or any(len(values) != len(steps) for values in series.values()):
            raise ValueError("series and steps do not fit")
        return {str(name): _finite(zip(steps, values, strict=True)) for name, values in series.items()}
    except (OSError, ArithmeticError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise InvalidInputError(f"{file.name} is not a file of learning curves: {type(error).__name__}: {error}.") from None


def _finite(pairs: Iterable[tuple[int, Any]]) -> dict[int, float]:
    return {step: bounded(float(value)) for step, value in pairs if isinstance(value, int | float) and math.isfinite(value)}


def _series(records: Sequence[Record], folder: Folder) -> tuple[dict[str, list[Curve]], list[str]]:
    series: dict[str, list[Curve]] = {}
    without = [str(record.seed) for record in records if "curves" not in record.files]
    notes = [f"No curves were kept of seed {', '.join(without)}."] if 0 < len(without) < len(records) else []
    for record in records:
        if "curves" not in record.files:
            continue
        try:
            for name, values in read_curves(attachment(record, "curves", folder)).items():
                series.setdefault(name, []).append(Curve(values, record.status != "ok"))
        except GanbenchError as error:
            notes.append(str(error))
    return series, notes


def _scores(records: Iterable[Record]) -> dict[str, list[Curve]]:
    """Scores while training, by label."""
    series: dict[str, list[Curve]] = {}
    for record in records:
        for label in dict.fromkeys(label for evaluation in record.evaluations for label in evaluation.scores):
            taken = _finite((e.step, e.scores[label].value) for e in record.evaluations if label in e.scores)
            series.setdefault(label, []).append(Curve(taken, record.status != "ok"))
    return series


def _panels(series: Mapping[str, list[Curve]]) -> dict[str, dict[str, list[Curve]]]:
    """Series by panel and name: `d.loss` and `g.loss` share one, so do D's outputs, of which one phase's are enough."""
    panels: dict[str, dict[str, list[Curve]]] = {}
    for full_name, curves in series.items():
        phase, _, quantity = full_name.rpartition(".")
        is_output = quantity in ("d_real", "d_fake")
        name = quantity if is_output else phase
        panels.setdefault("output" if is_output else quantity, {}).setdefault(SERIES.get(name, name), curves)
    order = [title for title in TITLES if title in panels]
    return {title: panels[title] for title in (*order, *(title for title in panels if title not in TITLES))}


def _panel(title: str, named: Mapping[str, list[Curve]], y: Axis | None = None) -> Panel:
    every = [curve for curves in named.values() for curve in curves]
    steps = [step for curve in every for step in curve.values]
    x = Axis(min(steps, default=0), max(max(steps, default=1), min(steps, default=0) + 1), WIDTH)
    y = y or _y_axis(every)
    lines = []
    for tone, (name, curves) in enumerate(named.items()):
        together = _binned([curve.values for curve in curves if not curve.apart])
        apart = [_binned([curve.values]) for curve in curves if curve.apart]
        ends = [(step, min(values), max(values)) for step, values in together if len(values) > 1]
        lines.append(
            Line(
                name=name,
                tone=tone % 4,
                mean=path(x, y, [(step, statistics.fmean(values)) for step, values in together]),
                band=band(x, y, ends),
                apart=tuple(path(x, y, [(step, values[0]) for step, values in curve]) for curve in apart),
            )
        )
    return panel(title, x, y, lines)


def _y_axis(curves: Sequence[Curve]) -> Axis:
    """The axis of the seeds that ended well, or of all when none did."""
    chosen = [curve for curve in curves if not curve.apart] or curves
    return axis([value for curve in chosen for value in curve.values.values()], HEIGHT, CUT)


def _binned(seeds: Sequence[Values]) -> list[tuple[float, list[float]]]:
    """For each bin of steps its middle and one number a seed: the mean of that seed's values in it."""
    steps = sorted({step for values in seeds for step in values})
    size = max(1, -(-len(steps) // POINTS))
    bins = []
    for start in range(0, len(steps), size):
        within = steps[start : start + size]
        taken = [[values[step] for step in within if step in values] for values in seeds]
        bins.append((statistics.fmean(within), [statistics.fmean(values) for values in taken if values]))
    return bins
