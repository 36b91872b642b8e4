"""The Frechet distance of two Gaussians (Heusel et al. 2017, arXiv:1706.08500, equation 6): what fd, fd-infinity, intra-fd share.

    d^2 = |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr (S1 S2)^(1/2)

With S1 = A^T A and S2 = B^T B the last trace, the sum of the square roots of the eigenvalues of A S2 A^T, is the sum of the
singular values of A B^T (Bhatia, Jain and Lim 2019, "On the Bures-Wasserstein distance between positive definite matrices"). No
matrix square root is taken. Covariances are divided by their traces t1 and t2; where s is then that sum, between 0 and 1,

    d^2 = |m1 - m2|^2 + (t1^(1/2) - t2^(1/2))^2 + 2 (t1 t2)^(1/2) (1 - s)

has three terms that are none of them negative. There are three ways to s:

1. Where samples are few, A and B are the centred features themselves, no covariance is formed, and s is right to the last digits.
2. Else A is the pivoted Cholesky factor of the covariance of lower rank, and the eigenvalues are those of a symmetric matrix. As
   many of them count as the ranks allow: the others are 0, and their roots would be noise of 1e-8.
3. Rounding moves an eigenvalue near 0 little, but its root much. Where those roots could move s together, or features show that
   their rank is higher than their covariance tells in float64, the singular values of A B^T are taken from both factors.

Covariances are formed on the device of the features, and s is found on the CPU, since few devices have a pivoted Cholesky factor.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from ganbench.errors import InvalidInputError
from ganbench.extractor import BLOCK, Features, Statistics, mean_of

EPSILON = torch.finfo(torch.float64).eps
FEW = 0.75  # of F: below it the singular values of (N, N) cost less than a covariance and its factor
pstrf, sygst = scipy.linalg.get_lapack_funcs(("pstrf", "sygst"), dtype=np.float64)  # pivoted Cholesky factor; L^T S L
PRECISION = 1e-9  # of s: what the second way may miss at most


@dataclass(frozen=True)
class PivotedCholesky:
    """P^T S P = L L^T of a covariance S (F, F), up to what is below F * 2.2e-16 of the largest variance."""

    lower: np.ndarray  # L (F, F) in Fortran's order, 0 from column `rank` on; what is above its diagonal means nothing
    order: Tensor  # (F,) int64, the columns of S in the order that P gives them
    rank: int


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian in float64 on the CPU: its mean, the trace t of its covariance S, and S / t as it is or as rows^T rows."""

    mean: Tensor  # (F,)
    trace: Tensor  # a scalar, finite
    rows: Tensor | None = None  # (N, F), centred samples where they are few
    unit: Tensor | None = None  # (F, F), symmetric; there where `rows` are not
    features: Tensor | None = None  # (N, F), those that `unit` comes from, where they are at hand

    @functools.cached_property
    def covariance(self) -> Tensor:
        """S / t, (F, F)."""
        if self.unit is not None:
            return self.unit
        assert self.rows is not None
        return self.rows.T @ self.rows

    @functools.cached_property
    def cholesky(self) -> PivotedCholesky:
        """The pivoted Cholesky factor of S / t."""
        lower, order, rank, _ = pstrf(self.covariance.numpy().T, lower=1)
        lower[:, rank:] = 0
        return PivotedCholesky(lower, torch.from_numpy(order.astype(np.int64) - 1), rank)

    @property
    def rank(self) -> int:
        """The rank of S at most."""
        return self.cholesky.rank if self.rows is None else len(self.rows) - 1

    def left_out(self) -> Iterator[Tensor]:
        """What the Cholesky factor leaves out and features still tell, in blocks of rows (B, F - rank), scaled as it is.

        That is the last columns of the centred features less their regression on the first ones, where features are at hand.
        """
        if self.features is None or self.rank in (0, len(self.mean)):
            return
        lower, first, last = self.cholesky.lower, self.cholesky.order[: self.rank], self.cholesky.order[self.rank :]
        slopes = torch.from_numpy(
            scipy.linalg.solve_triangular(lower[: self.rank, : self.rank], lower[self.rank :, : self.rank].T, trans="T", lower=True)
        )  # (rank, F - rank)
        scale = ((len(self.features) - 1) * self.trace).sqrt()
        for block in self.features.split(BLOCK):
            centred = torch.sub(block.cpu(), self.mean).div_(scale)
            yield torch.addmm(centred[:, last], centred[:, first], slopes, alpha=-1)

    @functools.cached_property
    def left_out_norm(self) -> float:
        """The Frobenius norm of all that is left out; that of the factor is 1."""
        return math.sqrt(sum(rest.square().sum().item() for rest in self.left_out()))

    @functools.cached_property
    def factor(self) -> Tensor:
        """A (K, F) with A^T A = S / t, with what the Cholesky factor leaves out."""
        if self.rows is not None:
            return self.rows
        parts = [np.tril(self.cholesky.lower)[:, : self.rank].T]
        if self.left_out_norm:
            products = torch.zeros(len(self.mean) - self.rank, len(self.mean) - self.rank, dtype=torch.float64)
            for block in self.left_out():
                products.addmm_(block.T, block)
            rest, order, rank, _ = pstrf(products.numpy().T, lower=1)
            added = np.zeros((rank, len(self.mean)))
            added[:, self.rank + order - 1] = np.tril(rest)[:, :rank].T
            parts.append(added)
        stacked = torch.from_numpy(np.concatenate(parts))
        factor = torch.empty_like(stacked)
        factor[:, self.cholesky.order] = stacked
        return factor


def gaussian(side: Features | Statistics) -> Gaussian:
    """The Gaussian with the mean and covariance (N - 1) of features, or with those of statistics as a file holds them.

    Of statistics the asymmetry is averaged out, and negative eigenvalues, which float32 leaves, are taken as 0. Raises
    InvalidInputError for features so large that their squares are no numbers.
    """
    if isinstance(side, Statistics):
        covariance = side.covariance.double().cpu()
        given = gaussian_of(side.mean.double().cpu(), torch.add(covariance, covariance.T).div_(2))
        return given if _is_factored(given) else _without_negatives(given)
    if len(side) > FEW * side.width:
        return gaussian_of(side.moments.mean.cpu(), side.moments.covariance.cpu(), side.features)
    mean = mean_of(side.features)
    rows = (torch.sub(side.features, mean) / (len(side) - 1) ** 0.5).cpu()
    trace = rows.square().sum()
    _check(mean, trace)
    return Gaussian(mean.cpu(), trace, rows=rows / _divisor(trace).sqrt())


def gaussian_of(mean: Tensor, covariance: Tensor, features: Tensor | None = None) -> Gaussian:
    """The Gaussian with a mean (F,) and a symmetric covariance (F, F), both float64, and the features that they come from, if any.

    Raises InvalidInputError where they are no numbers, or their sum is none.
    """
    trace = covariance.trace()
    _check(mean, trace)
    return Gaussian(mean, trace, unit=covariance / _divisor(trace), features=features)


def frechet_distance(one: Gaussian, other: Gaussian) -> float:
    """Equation 6: 0 or more. Where 1 - s is below its rounding, F * 2.2e-16, it counts as 0.

    Raises InvalidInputError for means so far apart that the square of their distance is no number.
    """
    shift = (one.mean - other.mean).square().sum()
    _check(shift, one.trace + other.trace)
    roots = one.trace.sqrt(), other.trace.sqrt()
    apart = 1 - _root_trace(one, other) if min(roots) > 0 else 1.0
    if apart < len(one.mean) * EPSILON:
        apart = 0.0
    return float(shift + (roots[0] - roots[1]).square() + 2 * roots[0] * roots[1] * apart)


def _root_trace(one: Gaussian, other: Gaussian) -> float:
    """s = tr (S1 S2)^(1/2) / (t1 t2)^(1/2)."""
    if one.rows is None or other.rows is None:
        first, second = (one, other) if (one.rows is None, one.rank) <= (other.rows is None, other.rank) else (other, one)
        values = _eigenvalues(first, second)[-min(first.rank, second.rank) :]
        if _error_of_roots(values) + _missed(first, second, values) <= PRECISION:
            return float(values.clamp(min=0).sqrt().sum())
    return float(torch.linalg.svdvals(one.factor @ other.factor.T).sum())


def _missed(first: Gaussian, second: Gaussian, values: Tensor) -> float:
    """At most how much of s belongs to what the factors A and B leave out, of norms a and b.

    The rest of the lower rank's factor meets what A B^T leaves free of the other: a share of first order, |A B^T|_* <= |A| |B|. All
    else is of second order over the singular values of A B^T; like the rounding that it comes from it lies evenly over directions.
    """
    a, b = first.left_out_norm, second.left_out_norm
    spare = a if first.rank < second.rank else b if second.rank < first.rank else 0.0
    if a + b == 0 or len(values) == 0:
        return spare
    roots = values.clamp(min=EPSILON**2).sqrt()
    return spare + (a + b) ** 2 / len(first.mean) * roots.reciprocal().mean().item()


def _eigenvalues(factored: Gaussian, whole: Gaussian) -> Tensor:
    """The eigenvalues of A S A^T, ascending, of the covariance S of `whole` and a factor A of that of `factored`."""
    if factored.rows is not None:
        product = (factored.rows @ whole.covariance @ factored.rows.T).numpy()
    else:
        order, rank = factored.cholesky.order, factored.cholesky.rank
        ordered = whole.covariance[order][:, order].numpy().T  # symmetric: the transpose is in Fortran's order as it stands
        product, _ = sygst(ordered, factored.cholesky.lower, itype=2, lower=1, overwrite_a=True)  # L^T S L
        product = product[:rank, :rank]
    return torch.from_numpy(scipy.linalg.eigvalsh(product, lower=True, overwrite_a=True, check_finite=False, driver="evd"))


def _error_of_roots(values: Tensor) -> float:
    """How much the rounding of eigenvalues, 2.2e-16 of the largest one, may move the sum of their roots.

    Of values far above their rounding the errors have both signs and add up as squares do. The others may all be wrong upwards.
    """
    error = EPSILON * values[-1]
    noise = values < 100 * error
    return float((error / values[~noise].sqrt()).square().sum().sqrt() + noise.sum() * error.clamp(min=0).sqrt())


def _is_factored(gaussian: Gaussian) -> bool:
    """Whether the Cholesky factor gives the covariance's diagonal: that of a matrix with negative eigenvalues does not."""
    if gaussian.rank == len(gaussian.mean):
        return True
    diagonal = gaussian.covariance.diagonal()[gaussian.cholesky.order]
    wrong = torch.from_numpy(np.square(np.tril(gaussian.cholesky.lower)).sum(axis=1)) - diagonal
    return bool(wrong.abs().max() <= 4 * len(diagonal) * EPSILON * diagonal.max())


def _without_negatives(gaussian: Gaussian) -> Gaussian:
    values, vectors = torch.linalg.eigh(gaussian.covariance)
    covariance = (vectors * values.clamp(min=0)) @ vectors.T
    return gaussian_of(gaussian.mean, gaussian.trace * (covariance + covariance.T) / 2)


def _divisor(trace: Tensor) -> Tensor:
    """The trace, or 1 where all samples are one point."""
    return torch.where(trace > 0, trace, torch.ones_like(trace))


def _check(*numbers: Tensor) -> None:
    if not all(number.isfinite().all() for number in numbers):
        raise InvalidInputError("The features are too large for a Frechet distance in float64; divide them by a constant.")
