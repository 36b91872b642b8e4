"""Conditional GAN: G and D are both given the class. Mirza & Osindero 2014, arXiv:1411.1784, equation 2.

D sees each sample with its own class; generated samples are asked for in the classes of the real ones.

Departs from it: the non-saturating loss; an embedding of the class instead of a one-hot code through a layer of its own; DCGAN for
images where it has maxout layers, the class joined to the features of its trunk; Adam; the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.adversarial import adversarial
from ganbench.nets import build, conditional
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Network, Recipe, Space

if TYPE_CHECKING:
    from torch import Tensor, nn


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default networks, with an embedding of the class joined to what they read."""
    return {"generator": conditional.generator(space, recipe), "discriminator": conditional.discriminator(space, recipe)}


def d_loss(D: Network, batch: Batch) -> Tensor:
    """Equation 2, which D maximises: its sign is turned."""
    return losses.minimax_d(D(batch.real, batch.labels), D(batch.fake, batch.labels))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """-E[log D(G(z | y) | y)]."""
    return losses.non_saturating_g(D(batch.fake, batch.labels))


VARIANT = adversarial(
    name="cgan",
    family="conditional",
    paper="Mirza & Osindero 2014, arXiv:1411.1784",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
    conditional=True,
)
