"""Rankings with honest uncertainty: pure functions of what each variant's seeds scored under one protocol.

Two variants are told apart by Welch's t test (Welch 1947, Biometrika 34), which can decide at five seeds where a permutation test
cannot: of 252 ways to deal ten values the rarest has a p of 0.008, and Holm's correction over ten variants asks for 0.001. All
pairs are corrected together (Holm 1979, Scandinavian Journal of Statistics 6), so that with probability 0.95 no pair of equals is
called different.

A seed that diverged or failed counts as the worst value that any run of the table scored: a method that works half of the time must
not be ranked by its better half. Of equals the one that lost fewer seeds stands first. The mean that a table shows is still that
of the seeds that ended well, with the count beside it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

ALPHA = 0.05

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
    `like_best` is False where it is told apart from the first, and where it lost more seeds than the first did.
    """

    name: str
    rank: int | None
    best_rank: int
    worst_rank: int
    like_best: bool


def standings(contenders: Sequence[Contender], better: Better) -> list[Standing]:
    """The standings of variants with different names, the best mean first, equal ones by name; those without a value last.

    A variant with one value, and one without, cannot be told from any other: its range spans all places.
    """
    counted = _counted(contenders, better)
    costs = _costs(contenders, counted, better)
    different = {pair for pair, p in adjusted(_pairwise(counted)).items() if p <= ALPHA}
    ordered = sorted(contenders, key=lambda each: (costs[each.name], each.name))
    return [_standing(each.name, [other.name for other in ordered], costs, different) for each in ordered]


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


def _standing(
    name: str, ordered: Sequence[str], costs: Mapping[str, tuple[float, int]], different: set[tuple[str, str]]
) -> Standing:
    def told(other: str) -> bool:
        return (name, other) in different or (other, name) in different

    above = sum(told(other) and costs[other] < costs[name] for other in ordered)
    below = sum(told(other) and costs[other] > costs[name] for other in ordered)
    known = math.isfinite(costs[name][0])
    return Standing(
        name,
        rank=1 + sum(costs[other] < costs[name] for other in ordered) if known else None,
        best_rank=1 + above,
        worst_rank=len(ordered) - below,
        like_best=known and not told(ordered[0]) and costs[name][1] <= costs[ordered[0]][1],
    )


def welch(one: Sequence[float], other: Sequence[float]) -> float:
    """The two-sided p of Welch's t test that two means are equal, by Welch and Satterthwaite's degrees of freedom.

    1 where a side has fewer than two values, which tells nothing, and where a variance is more than a float64 holds. Where neither
    side varies, which counts of modes often do not: 1 for equal means, else the exact permutation p, 2 in (n + m over n).
    """
    return _welch(_Moments.of(one), _Moments.of(other))


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


def _welch(one: _Moments, other: _Moments) -> float:
    if min(one.count, other.count) < 2:
        return 1.0
    from scipy.special import stdtr

    shares = [side.variance / side.count for side in (one, other)]  # of its mean
    gap, total = abs(one.mean - other.mean), sum(shares)
    if total == 0:
        return 1.0 if gap == 0 else min(1.0, 2 / math.comb(one.count + other.count, one.count))
    if not math.isfinite(total):
        return 1.0
    freedom = 1 / sum((share / total) ** 2 / (side.count - 1) for share, side in zip(shares, (one, other), strict=True))
    return float(2 * stdtr(freedom, -gap / math.sqrt(total)))


def adjusted(p_values: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Holm's step-down correction: each p times the number of those not smaller, never falling, at most 1."""
    corrected: dict[tuple[str, str], float] = {}
    largest = 0.0
    for place, pair in enumerate(sorted(p_values, key=lambda pair: (p_values[pair], pair))):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[pair]))
        corrected[pair] = largest
    return corrected


def _pairwise(counted: Mapping[str, Sequence[float]]) -> dict[tuple[str, str], float]:
    moments = {name: _Moments.of(values) for name, values in counted.items()}
    return {(one, other): _welch(moments[one], moments[other]) for one, other in combinations(sorted(counted), 2)}


def _worst(contenders: Sequence[Contender], better: Better) -> float | None:
    values = [value for each in contenders for value in each.values]
    return (min if better == "higher" else max)(values) if values else None


def _with_lost(contender: Contender, worst: float | None) -> tuple[float, ...]:
    """The values, and for each lost seed the worst of the table; nothing for a variant without a value of its own."""
    if not contender.values or worst is None:
        return ()
    return (*contender.values, *[worst] * contender.lost)
