"""Minibatch discrimination: D sees how near each sample lies to the rest of its batch. Salimans et al. 2016, arXiv:1606.03498.

The layer of section 3.2 stands before D's output; real and generated samples are shown in batches of their own, as there.

Departs from it: 16 kernels of 4 numbers where its code has more, on 64 features; the losses are `nsgan`'s without label smoothing
or feature matching; the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.nets.minibatch import BatchAware, MinibatchDiscrimination
from ganbench.variant import Batch, Network, Recipe, Space

if TYPE_CHECKING:
    from torch import Tensor, nn

FEATURES = 64
KERNELS = 16


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, and the default discriminator's layers to FEATURES, the layer and a logit."""
    trunk = build.encoder(space, recipe, FEATURES)
    layer = MinibatchDiscrimination(FEATURES, KERNELS)
    return {"generator": build.generator(space, recipe), "discriminator": BatchAware(trunk, layer, FEATURES + KERNELS)}


def d_loss(D: Network, batch: Batch) -> Tensor:
    """The loss of `nsgan`."""
    return losses.minimax_d(D(batch.real), D(batch.fake))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """The loss of `nsgan`."""
    return losses.non_saturating_g(D(batch.fake))


VARIANT = adversarial(
    name="minibatch-discrimination",
    family="mode-collapse",
    paper="Salimans et al. 2016, arXiv:1606.03498",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=Recipe(lr=2e-4, betas=(0.5, 0.999), ema_decay=0.999),
    points=Recipe(lr=2e-3, betas=(0.0, 0.9), latent_size=2, ema_decay=0.995),
    supports=build.supports,
)
