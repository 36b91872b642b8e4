"""The default networks for a space: fully connected for points, DCGAN for images.

Where no normalisation is named, images get batch norm, and points none: on a ring of modes it slowed learning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from ganbench.nets import dcgan, mlp, norms
from ganbench.nets.pack import Packed

if TYPE_CHECKING:
    from ganbench.variant import Recipe, Space


def supports(space: Space) -> str | None:
    """None where there are networks for the space, else one sentence that says why there are none."""
    return None if space.is_points else dcgan.supports(space.shape)


def generator(space: Space, recipe: Recipe, norm: norms.Norm | None = None) -> nn.Module:
    """z (B, latent_size) -> points (B, D) of any range, or images (B, C, H, W) in [-1, 1]."""
    if space.is_points:
        return mlp.generator(recipe.latent_size, space.shape[0], norm or norms.none)
    return dcgan.generator(space.shape, recipe.latent_size, norm or norms.batch)


def discriminator(space: Space, norm: norms.Norm | None = None, pack: int = 1) -> nn.Module:
    """Samples (B, *shape) -> logits (B,), or (B / pack,) where it judges `pack` samples together."""
    logits = nn.Sequential(_trunk(space, 1, norm, pack), nn.Flatten(0))
    return Packed(logits, pack) if pack > 1 else logits


def encoder(space: Space, outputs: int, norm: norms.Norm | None = None) -> nn.Module:
    """Samples (B, *shape) -> (B, outputs), by the layers of the discriminator."""
    return _trunk(space, outputs, norm, pack=1)


def _trunk(space: Space, outputs: int, norm: norms.Norm | None, pack: int) -> nn.Module:
    if space.is_points:
        return mlp.discriminator(pack * space.shape[0], norm or norms.none, outputs)
    return dcgan.discriminator(space.shape, norm or norms.batch, outputs, pack)
