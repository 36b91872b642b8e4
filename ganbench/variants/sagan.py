"""SAGAN: self-attention in both networks. Zhang et al. 2019, arXiv:1805.08318, sections 3 and 4.

Hinge loss (equation 4), spectral norm in both networks, two step sizes, class-conditional batch norm, projection of the label.
Attention stands at half the image's resolution. Departs from the paper: far fewer feature maps (`nets/resnet.py`), a batch of 64,
images of 8 pixels get no attention, since their inner maps are 4 pixels across, which two 3 x 3 convolutions cover, G's last batch
norm is given the class too, and the averaged generator is the one scored.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.adversarial import adversarial
from ganbench.nets import class_norm, norms, resnet
from ganbench.variant import Batch, Network, Recipe, Space

if TYPE_CHECKING:
    from torch import Tensor, nn


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """Residual networks with attention and spectral norm, both given labels."""
    classes = space.classes or 1
    normalise = partial(class_norm.by_label, classes=classes)
    return {
        "generator": resnet.Generator(space.shape, recipe.latent_size, normalise, norms.spectral, attend=True),
        "discriminator": resnet.Trunk(space.shape, norms.spectral, attend=True, classes=classes),
    }


def d_loss(D: Network, batch: Batch) -> Tensor:
    """Equation 4, first line."""
    return losses.hinge_d(D(batch.real, batch.labels), D(batch.fake, batch.labels))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """Equation 4, second line."""
    return losses.wasserstein_g(D(batch.fake, batch.labels))


VARIANT = adversarial(
    name="sagan",
    family="architecture",
    paper="Zhang et al. 2019, arXiv:1805.08318",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=Recipe(lr=1e-4, d_lr=4e-4, betas=(0.0, 0.9), latent_size=128, ema_decay=0.999),
    supports=lambda space: resnet.supports(space.shape),
    conditional=True,
)
