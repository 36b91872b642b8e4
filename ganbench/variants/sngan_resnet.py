"""SNGAN with residual networks: spectral norm on every layer of D, hinge loss. Miyato et al. 2018, arXiv:1802.05957, appendix.

Departs from it: far fewer feature maps (`nets/resnet.py`), a batch of 64 for both networks, a constant step size, one discriminator
step where the paper has five, and the averaged generator is the one scored.
"""

from __future__ import annotations

from torch import nn

from ganbench import games
from ganbench.adversarial import adversarial
from ganbench.nets import norms, resnet
from ganbench.variant import Recipe, Space


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The residual generator with batch norm, and the residual discriminator with spectral norm."""
    trunk = resnet.Trunk(space.shape, norms.spectral)
    return {
        "generator": resnet.Generator(space.shape, recipe.latent_size, nn.BatchNorm2d),
        "discriminator": nn.Sequential(trunk, nn.Flatten(0)),
    }


def supports(space: Space) -> str | None:
    """Square images that the residual networks have."""
    return resnet.supports(space.shape)


VARIANT = adversarial(
    name="sngan-resnet",
    family="architecture",
    paper="Miyato et al. 2018, arXiv:1802.05957",
    networks=networks,
    d_loss=games.hinge_d,
    g_loss=games.minus_output_g,
    recipe=Recipe(lr=2e-4, betas=(0.0, 0.9), latent_size=128, ema_decay=0.999),
    supports=supports,
)
