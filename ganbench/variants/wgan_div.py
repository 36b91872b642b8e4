"""WGAN-div: the Wasserstein divergence, which needs no critic of bounded slope. Wu et al. 2018, arXiv:1712.01026.

The critic maximises E[f(x)] - E[f(G(z))] - k E[|grad f|^p] with the paper's k = 2 and p = 6, the slope taken between real and
generated samples.

Departs from it: DCGAN's layers without normalisation in the critic, where its code has layer norm; one critic step for images,
two for points, where it takes four; a second beta of 0.999 where its code has 0.9, whose k is 10; the averaged generator is the
one scored. For points also: a latent of 2 and a larger step.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ganbench import games, losses, penalties
from ganbench.adversarial import adversarial
from ganbench.nets import build, norms
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Network, Noise, per_sample

if TYPE_CHECKING:
    from torch import Tensor

WEIGHT, POWER = 2.0, 6.0  # k and p


def d_loss(D: Network, batch: Batch) -> Tensor:
    """Minus what the critic maximises."""
    return losses.wasserstein_d(D(batch.real), D(batch.fake)) + WEIGHT * penalties.wasserstein_divergence(D, batch, POWER)


VARIANT = adversarial(
    name="wgan-div",
    family="loss",
    paper="Wu et al. 2018, arXiv:1712.01026",
    networks=partial(build.networks, norm=norms.none),
    d_loss=d_loss,
    g_loss=games.minus_output_g,
    recipe=replace(IMAGE_RECIPE, betas=(0.0, 0.999)),
    points=replace(POINT_RECIPE, d_steps=2),
    d_noise={"between": Noise(per_sample)},
    supports=build.supports,
)
