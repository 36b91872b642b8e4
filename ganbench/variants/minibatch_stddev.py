"""Minibatch standard deviation: D sees how much its batch varies. Karras et al. 2018, arXiv:1710.10196, section 3.

Departs from it: the number is joined to D's last features rather than to a feature map, and taken over the whole batch, where its
code takes groups of 4; the networks do not grow; the losses are `nsgan`'s where it has WGAN-GP's; the averaged generator is the
one scored, as there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import games
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.nets.minibatch import BatchAware, MinibatchStddev
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Recipe, Space

if TYPE_CHECKING:
    from torch import nn

FEATURES = 64


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, and a discriminator that joins the batch's spread to its FEATURES."""
    discriminator = BatchAware(build.encoder(space, recipe, FEATURES), MinibatchStddev(), FEATURES + 1)
    return {"generator": build.generator(space, recipe), "discriminator": discriminator}


VARIANT = adversarial(
    name="minibatch-stddev",
    family="mode-collapse",
    paper="Karras et al. 2018, arXiv:1710.10196",
    networks=networks,
    d_loss=games.minimax_d,
    g_loss=games.non_saturating_g,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
