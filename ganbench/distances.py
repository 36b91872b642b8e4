"""Distances between all pairs of rows, in blocks: exact in float64 at the price of a product in float32.

A block of all pairs is bounded by one matrix product, d^2 = |x|^2 + |y|^2 - 2 x . y in float32 of centred rows, less a bound of all
that rounding can do to it. Most pairs lie so far from every comparison that the bound settles them. The others are compared by
their distance proper: the sum of squared differences in float64, added in one fixed order. So a pair has the same distance wherever
it is met and from whichever side, equal pairs compare equal, integer features are exact, and an offset of all features changes
nothing. Rows that occur several times are compared once and counted as often as they occur.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

BLOCK = 1536  # rows of a block; a block of pairs in float32 takes 9 MiB
EXACT = 1 << 17  # numbers whose differences are held in float64 at a time: 1 MiB, which stays in a processor's cache
DENSE = 0.02  # the share of a block's pairs above which a product in float64 costs less than distances one by one
PAIRS = 1 << 17  # pairs of a block that are looked at one by one at a time
WIDEST = 1 << 20  # more features than these are multiplied in float64, since rounding in float32 would tell nothing apart


@dataclass(frozen=True)
class Points:
    """The distinct rows of features, how often each occurs, and which of them each given row is."""

    rows: Tensor  # (U, F), as given
    counts: Tensor  # (U,) int64
    index: Tensor  # (N,) int64
    first: Tensor  # (U,) int64, where each occurs first

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, features: Tensor) -> Points:
        """The points of features (N, F). Rows are told apart by a hash of 128 bits; 0 and -0 are equal."""
        places: dict[bytes, int] = {}
        found: list[int] = []
        first: list[int] = []
        for start, block in split(features):
            for row, numbers in enumerate((block + 0.0).contiguous().view(torch.uint8).cpu().numpy(), start):
                found.append(places.setdefault(hashlib.blake2b(numbers, digest_size=16).digest(), len(places)))
                if found[-1] == len(first):
                    first.append(row)
        index, places_of = (torch.tensor(each, device=features.device) for each in (found, first))
        rows = features if len(first) == len(features) else features[places_of]
        return cls(rows, index.bincount(), index, places_of)


@dataclass(frozen=True)
class Block:
    """Some rows, and the same after the centre is taken off, for products."""

    start: int
    rows: Tensor  # (B, F), as given
    centred: Tensor  # (B, F) float32 or float64
    squares: Tensor  # (B,) float64, squared norms of the rows after the centre is taken off, before they are rounded

    @property
    def range(self) -> slice:
        """Which rows they are."""
        return slice(self.start, self.start + len(self.rows))


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows i of one side and j of another, with bounds of their squared distances."""

    i: Tensor  # (P,) int64
    j: Tensor  # (P,) int64
    lower: Tensor  # (P,) float64
    upper: Tensor  # (P,) float64


@dataclass(frozen=True)
class Space:
    """A centre for products of rows, and a scale: a power of two, 1 but for numbers whose squares would leave float32."""

    mean: Tensor  # (F,) float64, scaled
    scale: float

    @classmethod
    def around(cls, features: Tensor, scale: float) -> Space:
        """Centred at the mean of features (N, F), summed in float64."""
        total = torch.zeros(features.shape[1], dtype=torch.float64, device=features.device)
        for _, block in split(features):
            total += _wide(block, scale).sum(dim=0)
        return cls(total / len(features), scale)

    def block(self, start: int, rows: Tensor, dtype: torch.dtype) -> Block:
        """Rows (B, F), the first of them number `start`, as a block."""
        wide = _wide(rows, self.scale).sub_(self.mean)
        return Block(start, rows, wide.to(dtype, copy=True), wide.square_().sum(dim=1))

    def blocks(self, rows: Tensor) -> Iterator[Block]:
        """The rows in blocks. Float64 on an accelerator, where a setting may round products in float32 to fewer bits."""
        single = rows.device.type == "cpu" and rows.shape[1] <= WIDEST
        for start, block in split(rows):
            yield self.block(start, block, torch.float32 if single else torch.float64)

    def squared(self, x: Tensor, y: Tensor, i: Tensor, j: Tensor) -> Tensor:
        """The squared distances (P,) float64, scaled, of rows i (P,) of x and rows j (P,) of y."""
        size = min(len(i), max(1, EXACT // x.shape[1]))
        held = [x.new_empty(size, x.shape[1]) for _ in "xy"]  # filled again and again: fresh memory costs more than the arithmetic
        wide = [each.to(torch.float64, copy=True) for each in held]
        result = self.mean.new_empty(len(i))
        for start in range(0, len(i), max(1, size)):
            part = slice(start, start + size)
            for rows, chosen, narrow, double in zip((x, y), (i[part], j[part]), held, wide, strict=True):
                torch.index_select(rows, 0, chosen, out=narrow[: len(chosen)])
                double[: len(chosen)].copy_(narrow[: len(chosen)])
                if self.scale != 1:
                    double[: len(chosen)].mul_(self.scale)
            count = len(i[part])
            result[part] = squared_norms(wide[0][:count].sub_(wide[1][:count]))
        return result

    def slack(self, width: int, dtype: torch.dtype, squares: Tensor) -> Tensor:
        """How far a squared distance can be above its bound, for pairs with these sums of squared norms."""
        share, floor = _rounding(width, dtype)
        return 2 * share * squares + 4 * floor

    def bounds(self, x: Block, y: Block, *, same: bool) -> Bounds:
        """Bounds of the squared distances of all pairs of two blocks. `same`: the blocks are one, and no row meets itself."""
        dtype = x.centred.dtype
        share, floor = _rounding(x.rows.shape[1], dtype)
        lower = _product(x.centred, y.centred).mul_(-2)
        lower += ((1 - share) * x.squares - floor).to(dtype)[:, None]
        lower += ((1 - share) * y.squares - floor).to(dtype)
        if same:
            lower.fill_diagonal_(math.inf)
        return Bounds(self, x, y, same, lower)


@dataclass(frozen=True)
class Bounds:
    """Lower bounds of the squared distances of all pairs of two blocks."""

    space: Space
    x: Block
    y: Block
    same: bool
    lower: Tensor  # (B, B')

    def nearest(self, count: int) -> Pairs:
        """For each row of x, the `count` rows of y of the least bounds, or all that there are."""
        most = min(count, self.lower.shape[1] - self.same)
        columns = self.lower.topk(most, largest=False).indices.flatten()
        rows = torch.arange(len(self.lower), device=columns.device).repeat_interleave(most)
        return self._pairs(rows * self.lower.shape[1] + columns)

    def near(self, row_limits: Tensor, column_limits: Tensor, *, measured: bool = True) -> Iterator[Pairs]:
        """All pairs, and few others, whose squared distance is at most the limit (B,) of the row or (B',) that of the column.

        `measured`: those whose bounds are not enough will be measured, so where there are many, finer bounds are worth their time.
        """
        places = _under(self.lower, row_limits, column_limits)
        if measured and len(places) > DENSE * self.lower.numel() and self.lower.dtype != torch.float64:
            x, y = (self.space.block(block.start, block.rows, torch.float64) for block in (self.x, self.y))
            yield from self.space.bounds(x, y, same=self.same).near(row_limits, column_limits)
            return
        for chosen in places.split(PAIRS):
            yield self._pairs(chosen)

    def _pairs(self, places: Tensor) -> Pairs:
        i, j = places // self.lower.shape[1], places % self.lower.shape[1]
        lower = self.lower.flatten()[places].double()
        upper = lower + self.space.slack(self.x.rows.shape[1], self.lower.dtype, self.x.squares[i] + self.y.squares[j])
        return Pairs(i + self.x.start, j + self.y.start, lower, upper)


def split(rows: Tensor) -> Iterator[tuple[int, Tensor]]:
    """The rows in blocks, each with the number of its first row."""
    return zip(itertools.count(0, BLOCK), rows.split(BLOCK), strict=False)


def scale_of(*sides: Tensor) -> float:
    """A power of two that brings features (N, F) to where squares stay within float32; 1 where they do already."""
    largest = max(float(block.abs().max()) for side in sides for _, block in split(side))
    return 1.0 if largest == 0 or 1e-12 < largest < 1e12 else 2.0 ** -math.frexp(largest)[1]


def squared_norms(differences: Tensor) -> Tensor:
    """Sums of squares (P,) of rows (P, F), halves added to halves: one order whatever P and the device. Overwrites its input."""
    squares = differences.square_()
    while (width := squares.shape[1]) > 1:
        half = (width + 1) // 2
        squares[:, : width - half] += squares[:, half:]
        squares = squares[:, :half]
    return squares[:, 0]


def _rounding(width: int, dtype: torch.dtype) -> tuple[float, float]:
    """What rounding does to |x|^2 + |y|^2 - 2 x . y at most: a share of |x|^2 + |y|^2, and a constant for terms that underflow.

    Rounding of a product of n terms, in any order, is at most g = n u / (1 - n u) times |x| . |y|. For 2 x . y, with the sums, the
    rounded rows and the rounding of distances in float64, 2 g (|x|^2 + |y|^2) holds when n is taken 64 larger.
    """
    terms = (width + 64) * torch.finfo(dtype).eps / 2
    return 2 * terms / (1 - terms), width * 2.0**-120


def _wide(rows: Tensor, scale: float) -> Tensor:
    """A copy in float64, scaled."""
    wide = rows.to(torch.float64, copy=True)
    return wide if scale == 1 else wide.mul_(scale)


def _product(x: Tensor, y: Tensor) -> Tensor:
    """x y^T. On a CPU by numpy: its OpenBLAS is the faster one on AMD, and torch may be set to round float32 to bfloat16."""
    if x.device.type != "cpu":
        return x @ y.T
    return torch.from_numpy(np.matmul(x.numpy(), y.numpy().T))


def _under(lower: Tensor, row_limits: Tensor, column_limits: Tensor) -> Tensor:
    """The flat positions (P,) in (B, B') of bounds that are not above the limit of their row or not above that of their column."""
    infinity = torch.tensor(math.inf, dtype=lower.dtype, device=lower.device)
    rows, columns = (torch.nextafter(limits.to(lower.dtype), infinity) for limits in (row_limits, column_limits))
    if lower.device.type != "cpu":
        return ((lower < rows[:, None]) | (lower < columns)).flatten().nonzero().flatten()
    bounds = lower.numpy()  # numpy finds few places among many six times as fast as torch
    near = bounds < rows.numpy()[:, None]
    near |= bounds < columns.numpy()
    return torch.from_numpy(np.flatnonzero(near))
