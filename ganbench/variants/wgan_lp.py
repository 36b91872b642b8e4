"""WGAN-LP: a penalty on slopes above 1 alone. Petzka et al. 2018, arXiv:1709.08894.

The best critic's slope is 1 only on some lines, so that a penalty on smaller slopes, as `wgan-gp` has, pulls it off its optimum.

Departs from it: DCGAN's layers without normalisation in the critic; the averaged generator is the one scored. For points also: a
latent of 2, a larger step and two critic steps where it has five.
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

PENALTY = 5.0


def d_loss(D: Network, batch: Batch) -> Tensor:
    """The critic's loss of WGAN and PENALTY times the one-sided penalty."""
    return losses.wasserstein_d(D(batch.real), D(batch.fake)) + PENALTY * penalties.interpolated_from_above(D, batch)


VARIANT = adversarial(
    name="wgan-lp",
    family="loss",
    paper="Petzka et al. 2018, arXiv:1709.08894",
    networks=partial(build.networks, norm=norms.none),
    d_loss=d_loss,
    g_loss=games.minus_output_g,
    recipe=replace(IMAGE_RECIPE, lr=1e-4, betas=(0.0, 0.9), d_steps=5),
    points=replace(POINT_RECIPE, d_steps=2),
    d_noise={"between": Noise(per_sample)},
    supports=build.supports,
)
