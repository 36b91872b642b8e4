"""Nearest neighbours, and how far the balls around one side's points hold the other's: once for all metrics that ask.

Distances are those of `distances`: exact comparisons in float64, in blocks, so that N x N numbers are never held.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganbench.distances import Block, Pairs, Points, Space, scale_of
from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Features

if TYPE_CHECKING:
    from ganbench.metric import Evidence

SPARE = 11  # candidates beyond the k-th that are kept, so that few rows have more that float32 cannot tell apart


@dataclass(frozen=True)
class Rule:
    """What a ball is: its radius is the distance to the k-th nearest other point; `inclusive`: its surface belongs to it."""

    k: int
    inclusive: bool


KYNKAANNIEMI = Rule(k=3, inclusive=True)
NAEEM = Rule(k=5, inclusive=False)


@dataclass(frozen=True)
class Overlap:
    """How the balls of two sides hold each other's points, by one rule."""

    precision: float  # the share of samples in at least one ball of the reference
    recall: float  # the share of reference points in at least one ball of the samples
    density: float  # the mean over samples of the number of reference balls that hold it, divided by k
    coverage: float  # the share of reference balls that hold at least one sample
    points: bool  # all balls of both sides have radius 0


class Kept:
    """For each row of one side, the rows of another with the least keys so far: squared distances, or bounds of them."""

    def __init__(self, count: int, width: int, device: torch.device) -> None:
        self.keys = torch.full((count, width), math.inf, dtype=torch.float64, device=device)  # ascending
        self.index = torch.full((count, width), -1, device=device)

    def limits(self, rows: slice = slice(None)) -> Tensor:
        """What a key must be below to be kept, (rows,)."""
        return self.keys[rows, -1]

    def take_in(self, i: Tensor, j: Tensor, keys: Tensor) -> None:
        """Keep the rows j (P,) for rows i (P,) whose keys (P,) are among the least. No pair may come twice."""
        closer = keys < self.limits()[i]
        i, order = i[closer].sort(stable=True)
        if len(i) == 0:
            return
        j, keys = j[closer][order], keys[closer][order]
        rows, place, sizes = i.unique_consecutive(return_inverse=True, return_counts=True)
        width = self.keys.shape[1]
        column = torch.arange(len(i), device=i.device) - (sizes.cumsum(0) - sizes)[place] + width
        all_keys = keys.new_full((len(rows), width + int(sizes.max())), math.inf)
        all_index = j.new_full(all_keys.shape, -1)
        all_keys[:, :width], all_index[:, :width] = self.keys[rows], self.index[rows]
        all_keys[place, column], all_index[place, column] = keys, j
        least, best = all_keys.sort(dim=1, stable=True)
        self.keys[rows], self.index[rows] = least[:, :width], all_index.gather(1, best[:, :width])


def radii(points: Points, ks: tuple[int, ...], scale: float) -> list[Tensor]:
    """For each k, the squared distance (U,) float64, scaled, of each distinct row to its k-th nearest other row.

    A row that occurs n times has n - 1 others at distance 0. Infinite where there are fewer than k others. Candidates are kept by
    the lower bounds of all pairs; the few that may be the k-th are measured, and rows with too many candidates are done again.
    """
    space = Space.around(points.rows, scale)
    blocks = list(space.blocks(points.rows))
    kept = Kept(len(points), max(ks) + SPARE, points.rows.device)
    for block in blocks:
        pairs = space.bounds(block, block, same=True).nearest(max(ks) + SPARE)
        kept.take_in(pairs.i, pairs.j, pairs.lower)
    for number, x in enumerate(blocks):
        for y in blocks[number + 1 :]:
            bounds = space.bounds(x, y, same=False)
            for pairs in bounds.near(kept.limits(x.range), kept.limits(y.range), measured=False):
                kept.take_in(pairs.i, pairs.j, pairs.lower)
                kept.take_in(pairs.j, pairs.i, pairs.lower)
    found, settled = _settle(space, points, blocks, kept, ks)
    again = (~settled).nonzero().flatten()
    if len(again):
        exact = _nearest(space, points.rows[again], blocks, points.rows, max(ks), itself=again)
        for radius, k in zip(found, ks, strict=True):
            radius[again] = _kth(exact.keys, exact.index, points.counts, points.counts[again], k)
    return found


def _settle(space: Space, points: Points, blocks: list[Block], kept: Kept, ks: tuple[int, ...]) -> tuple[list[Tensor], Tensor]:
    """The radii of each k, and the rows (U,) bool for which they are sure: no row that was not kept can come before the k-th.

    The k-th least of lower bounds and that of upper bounds enclose the k-th least distance; what lies outside need not be measured.
    """
    squares = torch.cat([block.squares for block in blocks])
    there = kept.index >= 0
    upper = kept.keys + space.slack(points.rows.shape[1], blocks[0].centred.dtype, squares[:, None] + squares[kept.index])
    upper = upper.where(there, math.inf)
    settled, open_ = torch.ones_like(squares, dtype=torch.bool), torch.zeros_like(there)
    for k in ks:
        least, most = (_kth(keys, kept.index, points.counts, points.counts, k)[:, None] for keys in (kept.keys, upper))
        open_ |= there & (kept.keys <= most) & (upper >= least)
        settled &= (kept.keys[:, -1:] >= most).flatten() | ~there[:, -1]
    keys = (kept.keys + upper) / 2
    i, column = (open_ & settled[:, None]).nonzero(as_tuple=True)
    keys[i, column] = space.squared(points.rows, points.rows, i, kept.index[i, column])
    return [_kth(keys, kept.index, points.counts, points.counts, k) for k in ks], settled


def _kth(keys: Tensor, index: Tensor, counts: Tensor, own: Tensor, k: int) -> Tensor:
    """The k-th least (B,) of keys (B, m) of rows `index` (B, m), each counted as often as it occurs; own - 1 (B,) have key 0."""
    keys, order = keys.sort(dim=1)
    others = (counts[index] * (index >= 0)).gather(1, order).cumsum(dim=1) + own[:, None] - 1
    return keys.where(others >= k, math.inf).amin(dim=1).where(own <= k, 0.0)


def _nearest(space: Space, x: Tensor, blocks: list[Block], y: Tensor, k: int, itself: Tensor | None = None) -> Kept:
    """The k rows of y (M, F), which is in blocks, nearest to each of x (N, F) but `itself` (N,); all candidates are measured."""
    found = Kept(len(x), k, x.device)

    def measure(pairs: Pairs) -> None:
        new = (found.index[pairs.i] != pairs.j[:, None]).all(dim=1)
        if itself is not None:
            new &= itself[pairs.i] != pairs.j
        i, j = pairs.i[new], pairs.j[new]
        found.take_in(i, j, space.squared(x, y, i, j))

    for row_block in space.blocks(x):
        for column_block in blocks:
            bounds = space.bounds(row_block, column_block, same=False)
            if column_block.start == 0:
                measure(bounds.nearest(k + (itself is not None)))
            none = torch.full_like(column_block.squares, -math.inf)
            for pairs in bounds.near(found.limits(row_block.range), none):
                measure(pairs)
    return found


def nearest_in(reference: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest row of a reference (M, F) to each sample (N, F): distances (N,) float64, and rows (N,) int64."""
    x, y = Points.of(samples), Points.of(reference)
    scale = scale_of(reference, samples)
    space = Space.around(reference, scale)
    found = _nearest(space, x.rows, list(space.blocks(y.rows)), y.rows, 1)
    return found.keys[x.index, 0].sqrt() / scale, y.first[found.index[x.index, 0]]


def nearest_other(features: Tensor) -> Tensor:
    """The distance (N,) float64 of each row of features (N, F) from the nearest other row: 0 for a row that occurs twice."""
    points, scale = Points.of(features), scale_of(features)
    return radii(points, (1,), scale)[0][points.index].sqrt() / scale


class _Holding:
    """Who holds whom by one rule, as pairs come in. Rows i are samples, rows j the reference."""

    def __init__(self, rule: Rule, samples: Points, reference: Points, own: Tensor, theirs: Tensor) -> None:
        self.rule, self.samples, self.reference = rule, samples, reference
        self.sample_radius, self.reference_radius = own, theirs  # (Us,), (Ur,) squared
        self.holders = torch.zeros_like(samples.counts)  # (Us,) how many balls of the reference hold a sample
        self.covered = torch.zeros_like(reference.counts, dtype=torch.bool)  # (Ur,) a sample lies in the reference's ball
        self.recalled = torch.zeros_like(self.covered)  # (Ur,) the reference lies in a sample's ball

    def unsure(self, pairs: Pairs) -> Tensor:
        """The pairs (P,) bool whose bounds do not settle on which side of a radius they are."""
        radii = (self.sample_radius[pairs.i], self.reference_radius[pairs.j])
        return functools.reduce(torch.logical_or, [(pairs.lower <= radius) & (radius <= pairs.upper) for radius in radii])

    def take_in(self, i: Tensor, j: Tensor, squared: Tensor) -> None:
        """Pairs with their squared distances (P,), or others on the same side of every radius."""
        within = torch.le if self.rule.inclusive else torch.lt
        held = within(squared, self.reference_radius[j])
        self.holders.index_add_(0, i[held], self.reference.counts[j[held]])
        self.covered[j[held]] = True
        self.recalled[j[within(squared, self.sample_radius[i])]] = True

    def result(self) -> Overlap:
        samples, reference = (side.counts.sum().item() for side in (self.samples, self.reference))
        return Overlap(
            precision=self.samples.counts[self.holders > 0].sum().item() / samples,
            recall=self.reference.counts[self.recalled].sum().item() / reference,
            density=(self.holders * self.samples.counts).sum().item() / (self.rule.k * samples),
            coverage=self.reference.counts[self.covered].sum().item() / reference,
            points=not bool((self.sample_radius > 0).any() or (self.reference_radius > 0).any()),
        )


def compare(reference: Tensor, samples: Tensor, rules: tuple[Rule, ...]) -> dict[Rule, Overlap]:
    """The overlap of a reference (M, F) and samples (N, F) by each rule, from one pass over the pairs.

    A rule needs k + 1 rows on each side: where there are fewer, its balls are infinite and its overlap means nothing.
    """
    x, y = Points.of(samples), Points.of(reference)
    scale, ks = scale_of(reference, samples), tuple(rule.k for rule in rules)
    own, theirs = radii(x, ks, scale), radii(y, ks, scale)
    holdings = [_Holding(rule, x, y, *both) for rule, *both in zip(rules, own, theirs, strict=True)]
    space = Space.around(reference, scale)
    columns = list(space.blocks(y.rows))
    row_limits, column_limits = (torch.stack(side).amax(dim=0) for side in (own, theirs))
    for row_block in space.blocks(x.rows):
        for block in columns:
            bounds = space.bounds(row_block, block, same=False)
            for pairs in bounds.near(row_limits[row_block.range], column_limits[block.range]):
                squared = (pairs.lower + pairs.upper) / 2
                unsure = functools.reduce(torch.logical_or, [holding.unsure(pairs) for holding in holdings])
                squared[unsure] = space.squared(x.rows, y.rows, pairs.i[unsure], pairs.j[unsure])
                for holding in holdings:
                    holding.take_in(pairs.i, pairs.j, squared)
    return {rule: holding.result() for rule, holding in zip(rules, holdings, strict=True)}


def overlaps(evidence: Evidence) -> dict[Rule, Overlap]:
    """Both rules' overlaps of the samples and the reference, to be asked for with `Evidence.once`."""
    reference = _features(evidence.reference, "precision, recall, density and coverage")
    return compare(reference.features, evidence.samples.features, (KYNKAANNIEMI, NAEEM))


def nearest_reference(evidence: Evidence) -> tuple[Tensor, Tensor]:
    """Of each sample, the distance (N,) to the nearest reference row, and that row (N,): to be asked for with `Evidence.once`."""
    return nearest_in(_features(evidence.reference, "a copying test").features, evidence.samples.features)


def overlap(evidence: Evidence, rule: Rule, metric: str) -> Overlap:
    """The overlap by one rule, computed for both at the first call; `metric` asks.

    Raises InvalidInputError where a side has no k-th neighbour, and UsageError where the reference is not features.
    """
    for side, features in (("reference", _features(evidence.reference, metric)), ("samples", evidence.samples)):
        if len(features) <= rule.k:
            raise InvalidInputError(
                f"{metric} needs at least {rule.k + 1} rows on each side, for the {rule.k}-th neighbour of each, and the {side} "
                f"have {len(features)}; give more."
            )
    return evidence.once(overlaps)[rule]


def _features(reference: Features | object, metric: str) -> Features:
    if not isinstance(reference, Features):
        raise UsageError(f"{metric} compares samples with a reference's features, one by one; name a reference that has them.")
    return reference
