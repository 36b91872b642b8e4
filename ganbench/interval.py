"""What may be said of a mean over seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

CONFIDENCE = 0.95
INTERVAL = "± is the half-width of a 95 % Student-t interval of the mean over seeds; one seed has none."


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are there, exactly rounded; None when there is none."""
    known = [value for value in values if value is not None]
    return float(statistics.mean(known)) if known else None


def spread(values: Sequence[float]) -> tuple[float | None, float | None]:
    """The sample standard deviation (ddof 1) and the half-width t(0.975, n - 1) std / sqrt(n) of the mean's 95 % interval.

    None for fewer than two values, and for a number that no float64 holds.
    """
    from scipy.special import stdtrit

    if len(values) < 2:
        return None, None
    try:
        std = statistics.stdev(values)  # in exact fractions: equal values give exactly 0
    except OverflowError:
        return None, None
    quantile = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2))
    return finite(std), finite(quantile * std / math.sqrt(len(values)))


def finite(value: float) -> float | None:
    """The value, or None for an infinity or NaN."""
    return value if math.isfinite(value) else None
