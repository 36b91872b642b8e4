"""Discriminators of pairs (x, z), as ALI (arXiv:1606.00704) and BiGAN (arXiv:1605.09782) have: features of x joined with z."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ganbench.nets import build, mlp, norms

if TYPE_CHECKING:
    from ganbench.variant import Recipe, Space

FEATURES = 64  # of an image, that z is joined with


class JointDiscriminator(nn.Module):
    """(x (B, *shape), z (B, latent_size)) -> logits (B,): `trunk` describes x, `head` judges what it says together with z."""

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Logits (B,)."""
        logits: Tensor = self.head(torch.cat([self.trunk(x), z], dim=1))  # (B, 1)
        return logits.flatten()


def discriminator(space: Space, recipe: Recipe) -> JointDiscriminator:
    """A discriminator of pairs: points go into one network with z, images through the default trunk first."""
    if space.is_points:
        return JointDiscriminator(nn.Identity(), mlp.discriminator(space.shape[0] + recipe.latent_size, norms.none))
    trunk = nn.Sequential(build.encoder(space, recipe, FEATURES), nn.LeakyReLU(mlp.SLOPE))
    return JointDiscriminator(trunk, mlp.discriminator(FEATURES + recipe.latent_size, norms.none))
