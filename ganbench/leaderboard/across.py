"""Variants across several data sets: ranks, the test that they differ at all, and which then differ. Pure functions of tables.

Demšar 2006 (JMLR 7, "Statistical Comparisons of Classifiers over Multiple Data Sets"): each data set ranks the variants once,
Friedman's test (1937) asks whether their mean ranks could be chance, in the F form of Iman and Davenport (1980), and Nemenyi's test
(1963) says how far two mean ranks must lie apart. Seeds make each data set's mean sure, and count once however many they are.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ganbench.errors import UsageError
from ganbench.leaderboard.grouping import group
from ganbench.leaderboard.rank import ALPHA, Better, average_ranks
from ganbench.leaderboard.summary import Column, Table, contender


@dataclass(frozen=True)
class Board:
    """One data set: the metric and protocol that it is ranked by, and every compared variant's rank there, from 1."""

    dataset: str
    metric: str
    better: Better
    protocol_key: str
    ranks: Mapping[str, float]


@dataclass(frozen=True)
class Placing:
    """One variant: its mean rank over the data sets, and its Borda count, how many others it beats in all, a tie as a half."""

    variant: str
    ranks: tuple[float, ...]
    mean_rank: float
    borda: float


@dataclass(frozen=True)
class Test:
    """Friedman's test of N data sets and k variants, and Nemenyi's critical difference of two mean ranks at 5 %.

    `chi_square` has k - 1 degrees of freedom and is corrected for ties; `f` has k - 1 and (k - 1)(N - 1), and is None where all
    data sets agree, for which `f_p` is the exact chance of that, k! to the power 1 - N. `groups` are the variants that are not told
    apart, the largest sets of neighbours: all of them where `f_p` is above 5 %, for then nothing says that they differ at all.
    """

    chi_square: float
    chi_square_p: float
    f: float | None
    f_p: float
    critical_difference: float
    groups: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Across:
    """Variants that stand on every data set, the best mean rank first, and the names of those that do not.

    `notes` are what a reader must know of the test, and why there is none where there is none.
    """

    boards: tuple[Board, ...]
    placings: tuple[Placing, ...]
    left_out: tuple[str, ...]
    test: Test | None
    notes: tuple[str, ...]


def across(tables: Sequence[Table], metric: str | None = None) -> Across:
    """The comparison of variants over the data sets of some tables, by each one's primary score, or by one of the name `metric`.

    `metric` is a score's label or its metric's name, so that `fd` means `fd-points` here and `fd-digits-cnn` there. Raises
    UsageError where a data set was measured under several protocols, lacks the metric, or no variant stands on all of them.
    """
    chosen = [_chosen(title, members, metric) for title, members in group(tables, lambda table: table.title).items()]
    if not chosen:
        raise UsageError("There is no score to rank by; give records of runs that ended well.")
    names = [[row.name for row in table.rows if not row.control] for table, _ in chosen]
    shared = [name for name in names[0] if all(name in others for others in names)]
    if not shared:
        raise UsageError("No variant stands on every data set; run a suite on all of them, or leave records out.")
    boards = tuple(_board(table, column, shared) for table, column in chosen)
    left_out = sorted({name for others in names for name in others} - set(shared))
    placings = _placings(boards, shared)
    ranks = [[board.ranks[each.variant] for each in placings] for board in boards]
    test = friedman(ranks, [each.variant for each in placings]) if len(shared) >= 3 and len(boards) >= 2 else None
    return Across(boards, placings, tuple(left_out), test, tuple(_notes(len(shared), len(boards), test)))


def _chosen(title: str, tables: Sequence[Table], metric: str | None) -> tuple[Table, Column]:
    """The table and column by which a data set is ranked."""
    columns = [(table, column) for table in tables for column in table.columns]
    found = [each for each in columns if metric in (each[1].label, each[1].metric.get("name"))]
    if metric is None:
        found = [(table, table.columns[0]) for table in tables if table.columns]
    if not found:
        known = ", ".join(dict.fromkeys(column.label for _, column in columns))
        lacks = f"has no score {metric!r} (it has {known})" if known else "has no score"
        raise UsageError(f"{title} {lacks}; leave its records out{', or name another metric' if known else ''}.")
    if len(found) > 1:
        raise UsageError(
            f"{title} was measured under {len(found)} protocols, which do not compare; give records of one, or name a metric."
        )
    return found[0]


def _board(table: Table, column: Column, names: Sequence[str]) -> Board:
    contenders = [contender(row, column) for row in table.rows if row.name in names and not row.control]
    return Board(table.title, column.label, column.better, column.key, average_ranks(contenders, column.better))


def _placings(boards: Sequence[Board], names: Sequence[str]) -> tuple[Placing, ...]:
    found = []
    for name in names:
        ranks = tuple(board.ranks[name] for board in boards)
        found.append(Placing(name, ranks, statistics.fmean(ranks), sum(len(names) - rank for rank in ranks)))
    return tuple(sorted(found, key=lambda each: (each.mean_rank, each.variant)))


def friedman(ranks: Sequence[Sequence[float]], names: Sequence[str]) -> Test:
    """The tests of ranks (N data sets, k variants), the columns in the order of mean ranks; at least 2 data sets and 3 variants."""
    from scipy.special import fdtrc
    from scipy.stats import friedmanchisquare

    count, variants = len(ranks), len(names)
    if all(min(row) == max(row) for row in ranks):
        chi_square, p = 0.0, 1.0  # nothing is ordered, and the correction for ties would divide by zero
    else:
        chi_square, p = map(float, friedmanchisquare(*zip(*ranks, strict=True)))
    left = count * (variants - 1) - chi_square
    if left > 1e-9 * count * variants:
        f = (count - 1) * chi_square / left
        f_p = float(fdtrc(variants - 1, (variants - 1) * (count - 1), f))
    else:
        f, f_p = None, math.exp((1 - count) * math.lgamma(variants + 1))
    difference = critical_difference(variants, count)
    means = [statistics.fmean(column) for column in zip(*ranks, strict=True)]
    groups = (tuple(names),) if f_p > ALPHA else _groups(means, names, difference)
    return Test(chi_square, p, f, f_p, difference, groups)


def critical_difference(variants: int, datasets: int, alpha: float = ALPHA) -> float:
    """Nemenyi's critical difference of two mean ranks at the level alpha: q(alpha, k, inf) / sqrt(2) sqrt(k (k + 1) / 6 N)."""
    from scipy.stats import studentized_range  # type: ignore[attr-defined]

    quantile = float(studentized_range.ppf(1 - alpha, variants, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(variants * (variants + 1) / (6 * datasets))


def _groups(means: Sequence[float], names: Sequence[str], difference: float) -> tuple[tuple[str, ...], ...]:
    """The largest runs of sorted mean ranks that span no more than the critical difference; a single variant is no group."""
    runs = []
    reached = 0
    for start in range(len(means)):
        end = max(place for place in range(start, len(means)) if means[place] - means[start] <= difference) + 1
        if end > reached and end - start > 1:
            runs.append(tuple(names[start:end]))
        reached = max(reached, end)
    return tuple(runs)


def _notes(variants: int, datasets: int, test: Test | None) -> list[str]:
    if test is None:
        return [
            f"Friedman's test needs at least 3 variants and 2 data sets, here are {variants} and {datasets}: ranks stand alone."
        ]
    notes = []
    if datasets <= 10 or variants <= 5:
        notes.append(
            f"With {variants} variants on {datasets} data sets the tests are approximate: Demšar asks for more than 5 on 10."
        )
    if test.f_p > ALPHA:
        notes.append("Friedman's test does not tell the variants apart, so none is called better than another.")
    return notes
