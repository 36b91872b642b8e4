"""SNGAN
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.nets import build, norms
from ganbench.variant import Batch, Network, Recipe, Space, adversarial

if TYPE_CHECKING:
    from torch import Tensor, nn


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator and discriminator."""
    return {"generator": build.generator(space, recipe), "discriminator": build.discriminator(space.shape, norms.spectral)}


def d_loss(D: Network, batch: Batch) -> Tensor:
    """"""
    return losses.hinge_d(D(batch.real), D(batch.fake))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """"""
    return losses.hinge_g(D(batch.fake))


VARIANT = adversarial(
    name="sngan",
    family="regulariser",
    paper="Miyato et al. 2018, arXiv:1802.05957",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=Recipe(),
    points=Recipe(lr=1e-3, batch_size=128, latent_size=16),
    supports=build.supports,
)
