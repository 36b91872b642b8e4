"""WGAN-GP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses, penalties
from ganbench.nets import build, norms
from ganbench.variant import Batch, Network, Recipe, Space, adversarial

if TYPE_CHECKING:
    from torch import Tensor, nn

PENALTY = 10.0


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator and discriminator."""
    return {"generator": build.generator(space, recipe), "discriminator": build.discriminator(space.shape, norms.none)}


def d_loss(D: Network, batch: Batch) -> Tensor:
    """"""
    return losses.wasserstein_d(D(batch.real), D(batch.fake)) + PENALTY * penalties.interpolated(D, batch)


def g_loss(D: Network, batch: Batch) -> Tensor:
    """"""
    return losses.wasserstein_g(D(batch.fake))


VARIANT = adversarial(
    name="wgan-gp",
    family="loss",
    paper="Gulrajani et al. 2017, arXiv:1704.00028",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=Recipe(lr=1e-4, betas=(0.0, 0.9), d_steps=5),
    points=Recipe(lr=1e-3, betas=(0.0,0.9), batch_size=128, d_steps=5, latent_size=16),
    d_uniform="per-sample",
    supports=build.supports,
)
