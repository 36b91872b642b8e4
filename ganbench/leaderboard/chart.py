"""Geometry of the page's charts: values to positions. The templates draw them as SVG, so that they follow the page's colours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LARGEST = 1e150  # a value beyond is drawn at the edge, so that no difference of two overflows
LOG_RATIO = 10.0  # an axis of positive values that span more is logarithmic


def bounded(value: float) -> float:
    """The value, or the largest one that is drawn."""
    return min(max(value, -LARGEST), LARGEST)


@dataclass(frozen=True)
class Axis:
    """A map from values to 0..`length`."""

    low: float
    high: float
    length: float
    log: bool = False

    def position(self, value: float) -> float:
        """Where a value lies, with a tenth of a pixel; beyond the ends for a value beyond them, by one length at most."""
        value, low, high = bounded(value), self.low, self.high
        if self.log:
            value, low, high = (math.log(max(v, 1 / LARGEST)) for v in (value, low, high))
        part = (value - low) / (high - low)
        return round(self.length * min(max(part, -1.0), 2.0), 1)

    def ticks(self, count: int = 4) -> list[float]:
        """Up to about `count` round values between the ends.

        A logarithmic axis has powers of ten where there are three or more, else 1, 2 and 5 times each.
        """
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            if last > first + 1:
                return [10.0**k for k in range(first, last + 1, -(-(last - first + 1) // count))]
            fine = [m * 10.0**k for k in range(first - 1, last + 1) for m in (1, 2, 5) if self.low <= m * 10.0**k <= self.high]
            if len(fine) > 1:
                return fine
        rough = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
        return [k * step for k in range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)]


def axis(values: Iterable[float], length: float, cut: float = 0.0) -> Axis:
    """An axis around values, logarithmic when they are positive and span more than a factor of 10.

    `cut` is the part of the values that is left out at each end, so that one spike does not flatten the rest.
    """
    known = sorted(map(bounded, values))
    if not known:
        return Axis(0.0, 1.0, length)
    out = int(cut * len(known))
    low, high = known[out], known[-1 - out]
    if low > 1 / LARGEST and high / low > LOG_RATIO:
        return Axis(low / 1.1, high * 1.1, length, log=True)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    return Axis(low - margin, high + margin, length)


@dataclass(frozen=True)
class Line:
    """One curve: the path of its mean, of the band around it ("" for one seed), and of each seed that stands apart."""

    name: str
    tone: int
    mean: str
    band: str = ""
    apart: tuple[str, ...] = ()


@dataclass(frozen=True)
class Panel:
    """A small chart. Ticks are (position, text) pairs; y runs down, as it does in SVG."""

    title: str
    width: float
    height: float
    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


def path(x: Axis, y: Axis, points: Sequence[tuple[float, float | None]]) -> str:
    """An SVG path through points (x, y); a missing y breaks it."""
    parts = []
    pen = "M"
    for across, up in points:
        if up is None:
            pen = "M"
        else:
            parts.append(f"{pen}{x.position(across):g} {round(y.length - y.position(up), 1):g}")
            pen = "L"
    return "".join(parts)


def band(x: Axis, y: Axis, points: Sequence[tuple[float, float | None, float | None]]) -> str:
    """A closed SVG path between the lower and the upper ends of points (x, low, high); points without ends are passed over."""
    known = [(across, low, high) for across, low, high in points if low is not None and high is not None]
    if len(known) < 2:
        return ""
    there = path(x, y, [(across, high) for across, _, high in known])
    back = path(x, y, [(across, low) for across, low, _ in reversed(known)])
    return f"{there}L{back[1:]}Z"


def panel(title: str, x: Axis, y: Axis, lines: Sequence[Line]) -> Panel:
    """The panel of some lines, with the ticks of its axes."""
    return Panel(
        title=f"{title}, log axis" if y.log else title,
        width=x.length,
        height=y.length,
        lines=tuple(lines),
        x_ticks=tuple((x.position(v), f"{v:,g}") for v in (x.low, x.high)),
        y_ticks=tuple((round(y.length - y.position(v), 1), f"{v:.6g}") for v in y.ticks()),
    )
