"""The common losses in the signature that variants are built from: `(D, batch) -> scalar`, to be minimised.

Each shows D the batch's real and fake samples and gives their outputs to the loss of the same name in `losses`, where the papers'
equations and the ranges stand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses

if TYPE_CHECKING:
    from torch import Tensor

    from ganbench.variant import Batch, Network


def minimax_d(D: Network, batch: Batch) -> Tensor:
    """D's cross-entropy of real against fake: `losses.minimax_d`."""
    return losses.minimax_d(D(batch.real), D(batch.fake))


def non_saturating_g(D: Network, batch: Batch) -> Tensor:
    """-E[log D(G(z))]: `losses.non_saturating_g`."""
    return losses.non_saturating_g(D(batch.fake))


def hinge_d(D: Network, batch: Batch) -> Tensor:
    """The hinge loss of D: `losses.hinge_d`."""
    return losses.hinge_d(D(batch.real), D(batch.fake))


def wasserstein_d(D: Network, batch: Batch) -> Tensor:
    """Minus the critic's estimate of the Wasserstein-1 distance: `losses.wasserstein_d`."""
    return losses.wasserstein_d(D(batch.real), D(batch.fake))


def minus_output_g(D: Network, batch: Batch) -> Tensor:
    """-E[D(G(z))], which WGANs' and hinge-loss generators minimise: `losses.wasserstein_g`, the same as `losses.hinge_g`."""
    return losses.wasserstein_g(D(batch.fake))
