"""An audit as small multiples: a row a metric, a column a damage, in each cell the worsening over the levels.

The worsening is in standard deviations of real against real (`judge.worsening`), on an inverse hyperbolic sine scale that all cells
share. The grey band is the range of real against real; a line joins the medians and a dot is one repeat.
"""

from __future__ import annotations

import io
import math
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.audit.judge import worsening
from ganbench.audit.result import Audit, AuditedDamage, AuditedMetric, Response, Verdict
from ganbench.audit.table import heading
from ganbench.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: dict[Verdict, str] = {"tells": "#0072b2", "partly": "#56b4e9", "misses": "#7f7f7f", "rewards": "#d55e00", "gap": "#7f7f7f"}
SAID: dict[Verdict, str] = {
    "tells": "tells the damage",
    "partly": "tells it at some level, not at the strongest",
    "misses": "misses it",
    "rewards": "rewards it: told as better",
    "gap": "gives no values",
}
LARGEST = 300.0  # standard deviations at the edge of a cell
PADDING = 0.08  # of a cell
NARROWEST = 9.5  # inches: the sentence under the cells needs them


def save_figure(audit: Audit, folder: Path) -> list[Path]:
    """Write `audit.png` and `audit.svg` into a folder and return their paths."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = draw(audit)
    FigureCanvasAgg(figure)
    paths = []
    for form, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=form, dpi=150, metadata=metadata)
        path = folder / f"audit.{form}"
        write_atomically(path, buffer.getvalue())
        paths.append(path)
    return paths


def draw(audit: Audit) -> Figure:
    """The figure. One axes holds all cells: a cell is a unit square at (column, -row)."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    columns, rows = len(audit.damages), len(audit.metrics)
    wide, high = max(NARROWEST, 2.2 + 0.95 * columns), 2.0 + 0.55 * rows
    figure = Figure(figsize=(wide, high))
    axes = figure.add_axes((1.7 / wide, 0.75 / high, 0.95 * columns / wide, 0.55 * rows / high), frameon=False)
    axes.set(xlim=(0, columns), ylim=(-rows, 0))
    axes.set_xticks([column + 0.5 for column in range(columns)], [f"{each.name}\n{each.unit}" for each in audit.damages])
    axes.set_yticks([-row - 0.5 for row in range(rows)], [metric.name for metric in audit.metrics])
    axes.tick_params(length=0, labelsize=7)
    axes.tick_params(axis="x", labeltop=True, labelbottom=False, rotation=30)
    for label in axes.get_xticklabels():
        label.set(horizontalalignment="left", rotation_mode="anchor")
    for row, metric in enumerate(audit.metrics):
        for column, damage in enumerate(audit.damages):
            _draw_cell(axes, column, row, metric, damage, audit.response(metric.name, damage.name))
    seen = [verdict for verdict in COLOURS if any(each.verdict == verdict for each in audit.responses)]
    handles = [Line2D([], [], color=COLOURS[verdict], marker="o", markersize=3, label=SAID[verdict]) for verdict in seen]
    figure.legend(handles=handles, loc="lower left", ncols=len(handles), fontsize=7, frameon=False)
    figure.text(0.01, 1 - 0.16 / high, heading(audit), fontsize=8, va="top")
    figure.text(
        0.01,
        0.5 / high,
        f"Up: worse. Height: asinh of the worsening in standard deviations of real against real, cut at ±{LARGEST:g}; "
        "the band is the range of real against real. Left to right: real data, then the levels from weak to strong.",
        fontsize=7,
        va="center",
    )
    return figure


def _draw_cell(axes: Axes, column: int, row: int, metric: AuditedMetric, damage: AuditedDamage, response: Response) -> None:
    step = (1 - 2 * PADDING) / len(damage.levels)
    left, colour = column + PADDING, COLOURS[response.verdict]
    real = worsening(metric.real, metric)
    low, high = height(min(real)) - row, height(max(real)) - row
    axes.fill_between([left, left + 1 - 2 * PADDING], low, high, color="#dddddd", linewidth=0)
    axes.plot([left, left + 1 - 2 * PADDING], [-row - 0.5] * 2, color="#bbbbbb", linewidth=0.5)
    line = [(left, height(statistics.median(real)) - row)]
    for place, values in enumerate(response.values, start=1):
        worse = worsening([value for value in values if value is not None], metric)
        if worse:
            heights = [height(each) - row for each in worse]
            axes.plot([left + place * step] * len(heights), heights, ".", color=colour, markersize=1.5, alpha=0.5, rasterized=True)
            line.append((left + place * step, height(statistics.median(worse)) - row))
    axes.plot(*zip(*line, strict=True), color=colour, linewidth=1)


def height(worse: float) -> float:
    """Where a worsening lies in a cell: between -1 (better) and 0 (worse), -1/2 for none."""
    share = math.asinh(worse) / math.asinh(LARGEST)
    return -0.5 + (0.5 - PADDING) * max(-1.0, min(1.0, share))
