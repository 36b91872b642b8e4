"""SNGAN: spectral norm on every layer of D, hinge loss. Miyato et al. 2018, arXiv:1802.05957, equations 8, 16 and 17.

The recipe for images is setting C of its table 1. Departs from it: DCGAN's layers without the paper's 3 x 3 convolutions between
them, a latent of 2 and Adam without momentum for points, and the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.adversarial import adversarial
from ganbench.nets import build, norms
from ganbench.variant import Batch, Network, Recipe, Space

if TYPE_CHECKING:
    from torch import Tensor, nn


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, and the default discriminator with spectral norm in place of batch norm."""
    return {"generator": build.generator(space, recipe), "discriminator": build.discriminator(space, recipe, norms.spectral)}


def d_loss(D: Network, batch: Batch) -> Tensor:
    """Equation 16, which D maximises: its sign is turned."""
    return losses.hinge_d(D(batch.real), D(batch.fake))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """Equation 17."""
    return losses.hinge_g(D(batch.fake))


VARIANT = adversarial(
    name="sngan",
    family="regulariser",
    paper="Miyato et al. 2018, arXiv:1802.05957",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=Recipe(lr=2e-4, betas=(0.5, 0.999), ema_decay=0.999),
    points=Recipe(lr=2e-3, betas=(0.0, 0.9), latent_size=2, ema_decay=0.995),
    supports=build.supports,
)
