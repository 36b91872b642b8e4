"""Rankings with honest uncertainty: pure functions of what each variant's seeds scored under one protocol.

Two variants are told apart by Welch's t test (Welch 1947, Biometrika 34), which can decide at five seeds where a permutation test
cannot: of 252 ways to deal ten values the rarest has a p of 0.008, and Holm's correction over ten variants asks for 0.001. The
comparisons of one variant with all others are corrected together (Holm 1979, Scandinavian Journal of Statistics 6), so that its
range of ranks holds its true rank with probability 0.95: a marginal confidence set (Mogstad et al. 2024, Review of Economic Studies
91). That is said of each row by itself. To hold for all rows at once all pairs would have to be corrected together, and with fifty
variants of five seeds nothing could then be told from anything.

A seed that diverged or failed counts as the worst value that any run of the table scored: a method that works half of the time must
not be ranked by its better half. Of equals the one that lost fewer seeds stands first. The mean that a table shows is still that
of the seeds that ended well, with the count beside it.
"""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALPHA = 0.05
ROWS = 256  # compared with all others at a time: the pairs of thousands of rows would take more than a gigabyte

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Contender:
    """One variant: what its seeds scored, and how many more of them diverged or failed."""

    name: str
    values: tuple[float, ...]
    lost: int = 0


@dataclass(frozen=True)
class Standing:
    """A variant's place. `rank` counts from 1 by the mean, then by lost seeds, equals share one; None where no seed has a value.

    `best_rank` and `worst_rank` bound the places that it could hold: so many variants are told to be better, so many worse.
    `like_best` is False where the first is told apart from it, and where it lost more seeds than the first did.
    """

    name: str
    rank: int | None
    best_rank: int
    worst_rank: int
    like_best: bool


def standings(contenders: Sequence[Contender], better: Better) -> list[Standing]:
    """The standings of variants with different names, the best mean first, equal ones by name; those without a value last.

    A variant with one value, and one that lost all its seeds, cannot be told from any other: its range spans all places. One that
    was not measured at all takes no place, so that it widens no other's range.
    """
    entered = [each for each in contenders if each.values or each.lost]
    counted = _counted(entered, better)
    costs = _costs(entered, counted, better)
    ordered = sorted(entered, key=lambda each: (costs[each.name], each.name))
    different = _different([_Moments.of(counted[each.name]) for each in ordered])
    # In the order of costs those of one cost stand together, so that what is better and what is worse are slices.
    places = [costs[each.name] for each in ordered]
    found = []
    for place, each in enumerate(ordered):
        better_ones, worse_from = bisect.bisect_left(places, places[place]), bisect.bisect_right(places, places[place])
        known = math.isfinite(places[place][0])
        standing = Standing(
            each.name,
            rank=1 + better_ones if known else None,
            best_rank=1 + int(different[place, :better_ones].sum()),
            worst_rank=len(ordered) - int(different[place, worse_from:].sum()),
            like_best=known and not different[0, place] and each.lost <= ordered[0].lost,
        )
        found.append(standing)
    absent = sorted({each.name for each in contenders} - {each.name for each in entered})
    return [*found, *(Standing(name, None, 1, max(1, len(entered)), False) for name in absent)]


def average_ranks(contenders: Sequence[Contender], better: Better) -> dict[str, float]:
    """Every variant's rank by name, from 1 for the best, equal ones at the mean of their places (Friedman 1937).

    Lost seeds count as in `standings`; variants without a value share the last places.
    """
    costs = _costs(contenders, _counted(contenders, better), better)
    costs = {name: cost if math.isfinite(cost[0]) else (math.inf, 0) for name, cost in costs.items()}
    return {
        name: sum(other < cost for other in costs.values()) + (sum(other == cost for other in costs.values()) + 1) / 2
        for name, cost in costs.items()
    }


def _counted(contenders: Sequence[Contender], better: Better) -> dict[str, tuple[float, ...]]:
    worst = _worst(contenders, better)
    return {each.name: _with_lost(each, worst) for each in contenders}


def _costs(contenders: Sequence[Contender], counted: Mapping[str, Sequence[float]], better: Better) -> dict[str, tuple[float, int]]:
    """What variants are ranked by, less is better: the mean, its sign turned where higher is better, then the lost seeds."""
    sign = -1.0 if better == "higher" else 1.0
    return {
        each.name: (sign * statistics.mean(counted[each.name]) if counted[each.name] else math.inf, each.lost)
        for each in contenders
    }


def welch(one: Sequence[float], other: Sequence[float]) -> float:
    """The two-sided p of Welch's t test that two means are equal, by Welch and Satterthwaite's degrees of freedom.

    1 where a side has fewer than two values, which tells nothing, and where a variance is more than a float64 holds. Where neither
    side varies, which counts of modes often do not: 1 for equal means, else the exact permutation p, 2 in (n + m over n).
    """
    sides = [_Moments.of(one), _Moments.of(other)]
    return 1.0 if min(side.count for side in sides) < 2 else float(_welch(sides, np.array([0]), np.array([1]))[0])


@dataclass(frozen=True)
class _Moments:
    """What the test reads of one side, taken once however many others it meets."""

    count: int
    mean: float
    variance: float  # N - 1; infinite where no float64 holds it

    @classmethod
    def of(cls, values: Sequence[float]) -> _Moments:
        if len(values) < 2:
            return cls(len(values), math.nan, math.nan)
        try:
            return cls(len(values), statistics.mean(values), statistics.variance(values))
        except OverflowError:
            return cls(len(values), statistics.mean(values), math.inf)


def _welch(sides: Sequence[_Moments], one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.float64]:
    """The p of the test between each of `one` and its `other`, of one shape: places among sides of at least two values."""
    from scipy.special import binom, stdtr

    counts = np.array([side.count for side in sides], dtype=np.float64)
    means = np.array([side.mean for side in sides], dtype=np.float64)
    shares = np.array([side.variance for side in sides], dtype=np.float64) / counts  # of its mean
    with np.errstate(all="ignore"):  # where neither side varies, and where a float64 overflows: both are told apart below
        gap, total = np.abs(means[one] - means[other]), shares[one] + shares[other]
        parts = [(shares[side] / total) ** 2 / (counts[side] - 1) for side in (one, other)]
        p = 2 * stdtr(1 / (parts[0] + parts[1]), -gap / np.sqrt(total))
    p[~np.isfinite(total)] = 1.0
    still = total == 0
    exact = np.minimum(1.0, 2 / binom(counts[one[still]] + counts[other[still]], counts[np.minimum(one, other)[still]]))
    p[still] = np.where(gap[still] == 0, 1.0, exact)
    return np.asarray(p, dtype=np.float64)


def adjusted(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's step-down correction within each row of p (..., n): each times the number of those not smaller, at most 1."""
    order = np.argsort(p_values, axis=-1, kind="stable")
    left = p_values.shape[-1] - np.arange(p_values.shape[-1])
    ascending = np.minimum(1.0, left * np.take_along_axis(p_values, order, axis=-1))
    corrected = np.empty_like(p_values)
    np.put_along_axis(corrected, order, np.maximum.accumulate(ascending, axis=-1), axis=-1)
    return corrected


def _different(sides: Sequence[_Moments]) -> NDArray[np.bool_]:
    """From which others each side is told (n, n), the comparisons of a row corrected together. One value is told from none."""
    count = len(sides)
    different = np.zeros((count, count), dtype=np.bool_)
    known = np.array([place for place, side in enumerate(sides) if side.count > 1], dtype=np.intp)
    if len(known) < 2:
        return different
    for start in range(0, len(known), ROWS):
        rows = known[start : start + ROWS]
        p = np.ones((len(rows), count))
        p[:, known] = _welch(sides, *np.meshgrid(rows, known, indexing="ij"))
        apart = np.arange(count) != rows[:, None]  # a side is not compared with itself
        told = np.zeros_like(apart)
        told[apart] = (adjusted(p[apart].reshape(len(rows), count - 1)) <= ALPHA).ravel()
        different[rows] = told
    return different


def _worst(contenders: Sequence[Contender], better: Better) -> float | None:
    values = [value for each in contenders for value in each.values]
    return (min if better == "higher" else max)(values) if values else None


def _with_lost(contender: Contender, worst: float | None) -> tuple[float, ...]:
    """The values, and for each lost seed the worst of the table; nothing for a variant without a value of its own."""
    if not contender.values or worst is None:
        return ()
    return (*contender.values, *[worst] * contender.lost)
