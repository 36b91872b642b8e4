"""Features seen along random directions, where optimal transport is a matter of sorting: what the sliced metrics share."""

from __future__ import annotations

import torch
from torch import Tensor

DIRECTIONS_AT_ONCE = 100
BLOCK = 8192  # rows of features that are held in float64 at a time


def squared_distances(x: Tensor, y: Tensor, directions: Tensor) -> Tensor:
    """The squared 2-Wasserstein distances, float64 (M,), between x (N, F) and y (K, F) along each of the directions (M, F).

    In one dimension it is the integral of the squared difference of the two quantile functions over (0, 1). They are steps, so it
    is exact for any N and K; with N = K it is the mean squared difference of the sorted values.
    """
    origin = y.mean(dim=0, dtype=torch.float64)  # the distance does not depend on it, its rounding does
    of_x, of_y, weights = _steps(len(x), len(y))
    of_x, of_y, weights = of_x.to(x.device), of_y.to(x.device), weights.to(x.device)
    distances = []
    for some in directions.double().split(DIRECTIONS_AT_ONCE):
        gaps = _sorted_along(x, origin, some)[of_x] - _sorted_along(y, origin, some)[of_y]  # (steps, directions)
        distances.append(weights @ gaps.square())
    return torch.cat(distances)


def _sorted_along(features: Tensor, origin: Tensor, directions: Tensor) -> Tensor:
    """The features' components along each direction, ascending: (N, M)."""
    return torch.cat([(block.double() - origin) @ directions.T for block in features.split(BLOCK)]).sort(dim=0).values


def _steps(n: int, m: int) -> tuple[Tensor, Tensor, Tensor]:
    """The intervals of (0, 1) on which both quantile functions are constant: the rank on either side, and the length.

    In units of 1 / (n m) the steps' ends are whole numbers, so that no interval is lost or made by rounding.
    """
    ends = torch.cat([torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n]).unique()
    starts = torch.cat([ends.new_zeros(1), ends[:-1]])
    return starts // m, starts // n, (ends - starts).double() / (n * m)
