"""Minibatch discrimination: D sees how near each sample lies to the rest of its batch. Salimans et al. 2016, arXiv:1606.03498.

The layer of section 3.2 stands before D's output; real and generated samples are shown in batches of their own, as there.

Departs from it: closeness is a mean over the other samples where it is their sum (`nets/minibatch.py` says why); 16 kernels of 4
numbers where its code has more, on 64 features, without weight normalisation; the losses are `nsgan`'s without label smoothing or
feature matching; the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import games
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.nets.minibatch import BatchAware, MinibatchDiscrimination
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Recipe, Space

if TYPE_CHECKING:
    from torch import nn

FEATURES = 64
KERNELS = 16


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, and the default discriminator's layers to FEATURES, the layer and a logit."""
    trunk = build.encoder(space, recipe, FEATURES)
    layer = MinibatchDiscrimination(FEATURES, KERNELS)
    return {"generator": build.generator(space, recipe), "discriminator": BatchAware(trunk, layer, FEATURES + KERNELS)}


VARIANT = adversarial(
    name="minibatch-discrimination",
    family="mode-collapse",
    paper="Salimans et al. 2016, arXiv:1606.03498",
    networks=networks,
    d_loss=games.minimax_d,
    g_loss=games.non_saturating_g,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
