"""WGAN-GP: a critic kept Lipschitz by a penalty on its slope. Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1.

The critic has no normalisation (section 4). Departs from it: the averaged generator is the one scored. For points also: the
weight 0.1 and the latent of 2 of the authors' toy code, a larger step, and two critic steps where it has five.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import games, losses, penalties
from ganbench.adversarial import adversarial
from ganbench.nets import build, norms
from ganbench.variant import Batch, Network, Noise, Recipe, Space, per_sample

if TYPE_CHECKING:
    from torch import Tensor, nn

PENALTY = 10.0  # section 4
POINTS_PENALTY = 0.1  # gan_toy.py of the authors' code


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, and the default discriminator without normalisation."""
    return {"generator": build.generator(space, recipe), "discriminator": build.discriminator(space, recipe, norms.none)}


def d_loss(D: Network, batch: Batch) -> Tensor:
    """Equation 3."""
    weight = POINTS_PENALTY if batch.real.ndim == 2 else PENALTY
    return losses.wasserstein_d(D(batch.real), D(batch.fake)) + weight * penalties.interpolated(D, batch)


VARIANT = adversarial(
    name="wgan-gp",
    family="loss",
    paper="Gulrajani et al. 2017, arXiv:1704.00028",
    networks=networks,
    d_loss=d_loss,
    g_loss=games.minus_output_g,
    recipe=Recipe(lr=1e-4, betas=(0.0, 0.9), d_steps=5, ema_decay=0.999),
    points=Recipe(lr=2e-3, betas=(0.0, 0.9), d_steps=2, latent_size=2, ema_decay=0.995),
    d_noise={"between": Noise(per_sample)},
    supports=build.supports,
)
