"""Minibatch standard deviation: D sees how much its batch varies. Karras et al. 2018, arXiv:1710.10196, section 3.

Departs from it: the number is joined to D's last features rather than to a feature map, and taken over the whole batch; the
networks do not grow; the losses are `nsgan`'s where it has WGAN-GP's; the averaged generator is the one scored, as there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.nets.minibatch import BatchAware, MinibatchStddev
from ganbench.variant import Batch, Network, Recipe, Space

if TYPE_CHECKING:
    from torch import Tensor, nn

FEATURES = 64


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, and a discriminator that joins the batch's spread to its FEATURES."""
    discriminator = BatchAware(build.encoder(space, recipe, FEATURES), MinibatchStddev(), FEATURES + 1)
    return {"generator": build.generator(space, recipe), "discriminator": discriminator}


def d_loss(D: Network, batch: Batch) -> Tensor:
    """The loss of `nsgan`."""
    return losses.minimax_d(D(batch.real), D(batch.fake))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """The loss of `nsgan`."""
    return losses.non_saturating_g(D(batch.fake))


VARIANT = adversarial(
    name="minibatch-stddev",
    family="mode-collapse",
    paper="Karras et al. 2018, arXiv:1710.10196",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=Recipe(lr=2e-4, betas=(0.5, 0.999), ema_decay=0.999),
    points=Recipe(lr=2e-3, betas=(0.0, 0.9), latent_size=2, ema_decay=0.995),
    supports=build.supports,
)
