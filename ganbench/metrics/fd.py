"""Frechet distance between Gaussians fitted to two sets of features (Heusel et al. 2017, arXiv:1706.08500, equation 6).

    d^2 = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))

In Inception's features this is FID. With S1 = A^T A and S2 = B^T B, the trace of (S1 S2)^(1/2), which is the sum of the square
roots of the eigenvalues of S1^(1/2) S2 S1^(1/2), is the sum of the singular values of A B^T = U diag(s) V^T, and the trace term is

    min over orthogonal Q of |A - Q B|^2 = |A - U V^T B|^2

(Bhatia, Jain and Lim 2019, "On the Bures-Wasserstein distance between positive definite matrices", theorem 1). That is a sum of
squares: nothing large is subtracted from anything large, so the distance is never negative, and that of a set from itself is 0
up to rounding (below 1e-14 times the trace of its covariance). No matrix square root is taken, and no covariance is formed: A is
the triangular factor of the centred features, min(N, F) rows of it, so few samples cost little.
"""

import torch
from torch import Tensor

from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Features, Statistics
from ganbench.metric import Evidence, Metric, Value

BLOCK = 8192  # rows that are held in float64 at a time


def frechet_distance(mean_1: Tensor, factor_1: Tensor, mean_2: Tensor, factor_2: Tensor) -> float:
    """Equation 6 for means (F,) and factors (K, F) in float64, where a covariance is factor^T factor; at least 0.

    Raises InvalidInputError for features so large that their products are no numbers.
    """
    a, b = (factor_1, factor_2) if len(factor_1) >= len(factor_2) else (factor_2, factor_1)
    try:
        u, _, vh = torch.linalg.svd(a @ b.T, full_matrices=False)  # (K1, K2), (K2,), (K2, K2)
    except RuntimeError:  # LinAlgError is one, and no exported name
        raise InvalidInputError(
            "The features are too large for a Frechet distance in float64; divide them by a constant."
        ) from None
    distance = (mean_1 - mean_2).square().sum() + (a - u @ (vh @ b)).square().sum()
    return float(distance)


def fit(features: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (F,) and a factor (min(N, F), F) of the covariance, with N - 1, of features (N, F); both float64."""
    mean = features.mean(dim=0, dtype=torch.float64)
    factor = mean.new_empty(0, len(mean))
    for block in features.split(BLOCK):
        factor = torch.linalg.qr(torch.cat([factor, block.double() - mean]), mode="r").R
    return mean, factor / (len(features) - 1) ** 0.5


def fit_statistics(statistics: Statistics) -> tuple[Tensor, Tensor]:
    """The mean (F,) and a factor (F, F) of statistics as a file holds them. Negative eigenvalues of rounding's size are taken as 0.

    Raises InvalidInputError where one is larger than rounding in float32 can make it.
    """
    values, vectors = torch.linalg.eigh(statistics.covariance.double())
    if values[0] < -1e-3 * values[-1].abs():
        raise InvalidInputError(
            f"The reference's sigma has the eigenvalue {values[0]:.3g}, so it is no covariance; compute it again."
        )
    return statistics.mean.double(), values.clamp(min=0).sqrt()[:, None] * vectors.T


def compute(evidence: Evidence) -> Value:
    """The distance, 0 or more. A note says where a set has no more samples than features: its covariance is singular."""
    if evidence.reference is None:
        raise UsageError("fd compares samples with a reference; name one with --reference.")
    sides = {"samples": evidence.samples, "reference": evidence.reference}
    notes = []
    for side, features in sides.items():
        if isinstance(features, Features) and len(features) <= features.width:
            notes.append(
                f"fewer samples than features: the covariance of the {side} has rank {len(features) - 1} at most in "
                f"{features.width} dimensions, and the Frechet distance is biased."
            )
    fits = [fit(side.features) if isinstance(side, Features) else fit_statistics(side) for side in sides.values()]
    return Value(frechet_distance(*fits[0], *fits[1]), notes=tuple(notes))


METRIC = Metric(
    name="fd",
    version=1,
    better="lower",
    needs=("reference",),
    paper="Heusel et al. 2017, arXiv:1706.08500, equation 6",
    compute=compute,
    conventions={"covariance": "N - 1", "precision": "float64"},
    inception_name="fid",
)
