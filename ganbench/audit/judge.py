"""What may be said of a metric's values under a damage, given its values of real against real.

The rule assumes no distribution: of 39 values of real against real and one more, each is the smallest with chance 1/40 and the
largest with chance 1/40, so a value of real data lies outside the range of the 39 with chance 2/40 = 5 %, or less where values
are equal. A damage is told at a level when at least 95 % of the repeats there lie outside that range, all on one side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ganbench.audit.result import AuditedDamage, AuditedMetric, Response, Told, Verdict

REAL_REPEATS = 39
POWER = 0.95
RULE = (
    f"A level is told from real against real when at least {100 * POWER:g} % of its repeats lie outside the range of "
    f"{REAL_REPEATS} values of real against real, all on one side; a value of real data lies outside it with a chance of at most "
    "5 %. A damage is told from the weakest level that is told as worse, with all stronger levels that have values."
)


def judge(metric: AuditedMetric, damage: AuditedDamage, values: list[list[float | None]], gaps: list[str]) -> Response:
    """The response of a metric to a damage, from its values: one list a level, one value a repeat."""
    told = [told_at(each, metric) for each in values]
    rewarded = [level for level, verdict in zip(damage.levels, told, strict=True) if verdict == "better"]
    start = _told_from(told)
    return Response(
        metric=metric.name,
        damage=damage.name,
        values=values,
        gaps=gaps,
        rho=spearman(values, metric),
        told=told,
        verdict=_verdict(told, start),
        told_from=None if start is None else damage.levels[start],
        rewarded_at=rewarded,
    )


def told_at(values: Sequence[float | None], metric: AuditedMetric) -> Told:
    """Whether a level's values are told from real against real, and on which side. A missing value is not told."""
    low, high = min(metric.real), max(metric.real)
    below = sum(value is not None and value < low for value in values)
    above = sum(value is not None and value > high for value in values)
    needed = math.ceil(POWER * len(values))
    if sum(value is not None for value in values) < needed:
        return "gap"
    worse, better = (above, below) if metric.better == "lower" else (below, above)
    return "worse" if worse >= needed else "better" if better >= needed else "no"


def spearman(values: Sequence[Sequence[float | None]], metric: AuditedMetric) -> float | None:
    """Spearman's rho between the rank of the level, 0 for real against real, and the worsening; ties share ranks.

    Of real against real there are as many values as a level has repeats (the first), so that all levels weigh the same. The values
    of one level differ, so rho stays a little under 1 in a perfect order too. None where all values are equal: it is not defined.
    """
    from scipy.stats import spearmanr

    repeats = max(map(len, values))
    pairs = [(0, value) for value in metric.real[:repeats]]
    pairs += [(level, value) for level, each in enumerate(values, start=1) for value in each if value is not None]
    levels, numbers = zip(*pairs, strict=True)
    if len(set(numbers)) < 2 or len(set(levels)) < 2:
        return None
    rho = float(spearmanr(levels, numbers).statistic)
    return rho if metric.better == "lower" else -rho


def worsening(values: Sequence[float], metric: AuditedMetric) -> list[float]:
    """How much worse values are than real against real: less its median, in its standard deviations (ddof 1).

    Where the values of real against real are all equal, in the metric's own unit.
    """
    import statistics

    middle, spread = statistics.median(metric.real), statistics.stdev(metric.real)
    sign = 1 if metric.better == "lower" else -1
    return [sign * (value - middle) / (spread or 1.0) for value in values]


def _told_from(told: Sequence[Told]) -> int | None:
    start = None
    for place, verdict in reversed(list(enumerate(told))):
        if verdict == "worse":
            start = place
        elif verdict != "gap":
            break
    return start


def _verdict(told: Sequence[Told], start: int | None) -> Verdict:
    if "better" in told:
        return "rewards"
    if start is not None:
        return "tells"
    if set(told) == {"gap"}:
        return "gap"
    return "partly" if "worse" in told else "misses"
