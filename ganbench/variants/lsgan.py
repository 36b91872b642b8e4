"""LSGAN: least squares in place of the cross-entropy. Mao et al. 2017, arXiv:1611.04076, equation 9 (a = 0, b = 1, c = 1).

Departs from it: DCGAN's networks and Adam for images, a latent of 2 and Adam without momentum for points; the averaged
generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Network

if TYPE_CHECKING:
    from torch import Tensor


def d_loss(D: Network, batch: Batch) -> Tensor:
    """Equation 9, the first line."""
    return losses.least_squares_d(D(batch.real), D(batch.fake))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """Equation 9, the second line."""
    return losses.least_squares_g(D(batch.fake))


VARIANT = adversarial(
    name="lsgan",
    family="loss",
    paper="Mao et al. 2017, arXiv:1611.04076",
    networks=build.networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
