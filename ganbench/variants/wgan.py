"""WGAN
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.nets import build
from ganbench.variant import Batch, Network, Recipe, Space, adversarial

if TYPE_CHECKING:
    from torch import Tensor, nn

CLIP = 0.01


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator and discriminator."""
    return {"generator": build.generator(space, recipe), "discriminator": build.discriminator(space.shape)}


def clip(parameters: Mapping[str, Tensor]) -> None:
    """Algorithm 1, line 7: every parameter of the critic to [-CLIP, CLIP], in place."""
    for value in parameters.values():
        value.clamp_(-CLIP, CLIP)


def d_loss(D: Network, batch: Batch) -> Tensor:
    """"""
    return losses.wasserstein_d(D(batch.real), D(batch.fake))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """"""
    return losses.wasserstein_g(D(batch.fake))


VARIANT = adversarial(
    name="wgan",
    family="loss",
    paper="Arjovsky et al. 2017, arXiv:1701.07875",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=Recipe(lr=5e-5, optimizer="rmsprop", d_steps=5),
    points=Recipe(lr=5e-4, optimizer="rmsprop", batch_size=128, d_steps=5, latent_size=16),
    d_constrain=clip,
    supports=build.supports,
)
