"""The default networks for a space: fully connected for points, DCGAN for images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from ganbench.nets import dcgan, mlp, norms

if TYPE_CHECKING:
    from ganbench.variant import Recipe, Space


def supports(space: Space) -> str | None:
    """None where there are networks for the space, else one sentence that says why there are none."""
    return None if space.is_points else dcgan.supports(space.shape)


def generator(space: Space, recipe: Recipe, norm: norms.Norm = norms.batch) -> nn.Module:
    """z (B, latent_size) -> points (B, D) of any range, or images (B, C, H, W) in [-1, 1]."""
    if space.is_points:
        return mlp.generator(recipe.latent_size, space.shape[0], norm)
    return dcgan.generator(space.shape, recipe.latent_size, norm)


def discriminator(shape: tuple[int, ...], norm: norms.Norm | None = None) -> nn.Module:
    """Samples (B, *shape) -> logits (B,). `norm` None: batch norm for images, none for points."""
    return nn.Sequential(encoder(shape, 1, norm), nn.Flatten(0))


def encoder(shape: tuple[int, ...], outputs: int, norm: norms.Norm | None = None) -> nn.Module:
    """Samples (B, *shape) -> (B, outputs), by the layers of the discriminator. `norm` None: batch norm for images, none for points."""
    if len(shape) == 1:
        return mlp.discriminator(shape[0], norm or norms.none, outputs)
    return dcgan.discriminator(shape, norm or norms.batch, outputs)
