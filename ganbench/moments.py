"""Moments of samples that lie in several places: each place sums up its own, and the sums are merged without loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganbench.extractor import Statistics, mean_of, scatter

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Of `count` samples, 1 or more, in float64: the mean (F,), and the sum over them of (x - mean) (x - mean)^T, (F, F)."""

    count: int
    mean: Tensor
    scatter: Tensor

    @property
    def statistics(self) -> Statistics:
        """Mean and covariance, with N - 1, of 2 samples or more."""
        return Statistics(self.mean, self.scatter / (self.count - 1))


def moments_of(features: Tensor) -> Moments:
    """The moments of features (N, F), N of them 1 or more."""
    mean = mean_of(features)
    return Moments(len(features), mean, scatter(features, mean))


def merge_moments(parts: Sequence[Moments]) -> Moments:
    """The moments of all samples of one or more parts, of whatever sizes: exact but for roundings.

    Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances", equation 2.1, for
    any number of parts: scatters add up, and so do n_i d_i d_i^T of the distances d_i of the parts' means from that of all.
    Distances are taken from the first mean, so that equal parts have exactly their mean.
    """
    first, count = parts[0].mean, sum(part.count for part in parts)
    mean = first + sum(part.count * (part.mean - first) for part in parts) / count
    total = parts[0].scatter.clone()
    for part in parts[1:]:
        total += part.scatter
    for part in parts:
        distance = part.mean - mean
        total.addr_(distance, distance, alpha=part.count)
    return Moments(count, mean, total)
