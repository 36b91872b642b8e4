"""Discriminators that are autoencoders: what they cannot rebuild is not like the data. EBGAN (arXiv:1609.03126), BEGAN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from ganbench.nets import build, norms

if TYPE_CHECKING:
    from ganbench.variant import Recipe, Space

CODE = 32  # numbers that an image is squeezed into
POINTS_CODE = 1  # fewer than a point's two coordinates, or the best autoencoder would be the identity


def autoencoder(space: Space, recipe: Recipe, norm: norms.Norm | None = None) -> nn.Module:
    """Samples (B, *shape) -> samples rebuilt (B, *shape), through a code; the default networks' layers."""
    code = POINTS_CODE if space.is_points else CODE
    return nn.Sequential(build.encoder(space, recipe, code, norm), build.decoder(space, recipe, code, norm))
