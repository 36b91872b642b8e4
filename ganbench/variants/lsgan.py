"""LSGAN. Mao
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.nets import build
from ganbench.variant import Batch, Network, Recipe, Space, adversarial

if TYPE_CHECKING:
    from torch import Tensor, nn


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator and discriminator."""
    return {"generator": build.generator(space, recipe), "discriminator": build.discriminator(space.shape)}


def d_loss(D: Network, batch: Batch) -> Tensor:
    """Equation 9, for D."""
    return losses.least_squares_d(D(batch.real), D(batch.fake))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """Equation 9, for G."""
    return losses.least_squares_g(D(batch.fake))


VARIANT = adversarial(
    name="lsgan",
    family="loss",
    paper="Mao et al. 2017, arXiv:1611.04076",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=Recipe(),
    points=Recipe(lr=1e-3, batch_size=128, latent_size=16),
    supports=build.supports,
)
