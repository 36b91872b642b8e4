"""Sums of a kernel over pairs of rows, in float64 and in blocks: what the metrics that are a maximum mean discrepancy share.

No matrix of all pairs is ever held. A sum over the pairs of one set visits each pair once and counts it for both of its rows.
Sums over subsets of the rows come from the same blocks: where `members` (S, N) is 1 for the rows of a subset and 0 for the
others, the sum over a subset's pairs in a block K is that of `(members K) * members`, so that a hundred subsets cost a small part
of one Gram matrix.

Every product is taken in float64: a sum of kernels is right to about 1e-14 of the sum of their sizes, whatever the order of the
rows. A squared MMD is a difference of such means, so its absolute error is about 1e-14 of the mean kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 500  # rows: a block of pairs is 2 MB, which stays in a processor's cache

# The kernel of each pair of rows of (n, F) and (m, F), both float64: (n, m), freshly made.
Kernel = Callable[[Tensor, Tensor], Tensor]


def cubic(x: Tensor, y: Tensor) -> Tensor:
    """KID's kernel (x . y / F + 1)^3 (Binkowski et al. 2018, arXiv:1801.01401, section 3)."""
    base = torch.addmm(x.new_ones(()), x, y.T, alpha=1 / x.shape[1])  # (n, m)
    return base.square().mul_(base)


def gaussian(sigma: float, origin: Tensor) -> Kernel:
    """The kernel exp(-|x - y|^2 / (2 sigma^2)).

    Rows are taken relative to `origin` (F,), near the middle of the data: that changes no distance and keeps features that lie far
    from zero from losing theirs to rounding.
    """

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        x, y = x - origin, y - origin
        exponent = (x @ y.T).mul_(2).sub_(x.square().sum(dim=1)[:, None]).sub_(y.square().sum(dim=1))  # (n, m)
        return exponent.clamp_(max=0).div_(2 * sigma**2).exp_()

    return kernel


@dataclass(frozen=True)
class Sums:
    """Sums of a kernel: for each row of either side over the rows that it is paired with, and over all pairs of each subset."""

    rows: Tensor  # (n,)
    columns: Tensor  # (m,)
    subsets: Tensor  # (S,)


def sums_within(x: Tensor, kernel: Kernel, members: Tensor | None = None) -> Sums:
    """Sums over the ordered pairs of different rows of x (N, F); `rows` and `columns` are one.

    `members` (S, N), float64, is 1 for the rows of each subset and 0 for the others. Without it there are no subsets.
    """
    rows = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    members = _no_members(x) if members is None else members
    subsets = members.new_zeros(len(members))
    starts = range(0, len(x), BLOCK)
    for i in starts:
        first, chosen = x[i : i + BLOCK].double(), members[:, i : i + BLOCK]
        for j in starts[: i // BLOCK]:
            block = kernel(first, x[j : j + BLOCK].double())
            rows[i : i + BLOCK] += block.sum(dim=1)
            rows[j : j + BLOCK] += block.sum(dim=0)
            subsets += 2 * _subset_sums(chosen, block, members[:, j : j + BLOCK])
        block = kernel(first, first).fill_diagonal_(0)
        rows[i : i + BLOCK] += block.sum(dim=1)
        subsets += _subset_sums(chosen, block, chosen)
    return Sums(rows, rows, subsets)


def sums_across(x: Tensor, y: Tensor, kernel: Kernel, members: tuple[Tensor, Tensor] | None = None) -> Sums:
    """Sums over all pairs of a row of x (N, F) and one of y (M, F); a subset pairs the rows of x with those of y that it chose.

    `members` are (S, N) and (S, M), float64, 1 for the rows of each subset and 0 for the others.
    """
    rows, columns = (torch.zeros(len(side), dtype=torch.float64, device=x.device) for side in (x, y))
    of_x, of_y = (_no_members(x), _no_members(y)) if members is None else members
    subsets = of_x.new_zeros(len(of_x))
    for i in range(0, len(x), BLOCK):
        first = x[i : i + BLOCK].double()
        for j in range(0, len(y), BLOCK):
            block = kernel(first, y[j : j + BLOCK].double())
            rows[i : i + BLOCK] += block.sum(dim=1)
            columns[j : j + BLOCK] += block.sum(dim=0)
            subsets += _subset_sums(of_x[:, i : i + BLOCK], block, of_y[:, j : j + BLOCK])
    return Sums(rows, columns, subsets)


def _no_members(x: Tensor) -> Tensor:
    return torch.zeros(0, len(x), dtype=torch.float64, device=x.device)


def _subset_sums(chosen: Tensor, block: Tensor, others: Tensor) -> Tensor:
    """The sum of a block (n, m) over the pairs of each subset, (S,): `chosen` is (S, n) and `others` (S, m)."""
    sums: Tensor = torch.linalg.vecdot(chosen @ block, others)
    return sums
