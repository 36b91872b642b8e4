"""DRAGAN: a penalty that keeps D's slope near 1 around the data. Kodali et al. 2017, arXiv:1705.07215, algorithm 1.

The loss is the non-saturating one; lambda = 10 and k = 1 are the paper's. The noise around the data is Gaussian, as in the paper.
D has no batch norm, which would tie the samples together whose slopes are taken one by one.

Departs from it: noise half as wide as the batch's spread, the bound of the uniform noise in the authors' code, which makes it
smaller again by a uniform number for each sample; the slope of the logit, as in that code; Adam as in DCGAN; and the averaged
generator is the one scored. For points also: lambda = 0.1, a latent of 2 and Adam without momentum.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ganbench import games, losses, penalties
from ganbench.adversarial import adversarial
from ganbench.nets import build, norms
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Network, Noise, per_element

if TYPE_CHECKING:
    from torch import Tensor

PENALTY = 10.0
POINTS_PENALTY = 0.1  # with 10, two seeds found at most one of the eight modes of ring-8 in 2,000 steps
SPREAD = 0.5  # of the noise, in standard deviations of the batch's elements


def d_loss(D: Network, batch: Batch) -> Tensor:
    """Algorithm 1, the step of D."""
    weight = POINTS_PENALTY if batch.real.ndim == 2 else PENALTY
    penalty = penalties.around_data(D, batch, SPREAD * batch.real.std())
    return losses.minimax_d(D(batch.real), D(batch.fake)) + weight * penalty


VARIANT = adversarial(
    name="dragan",
    family="regulariser",
    paper="Kodali et al. 2017, arXiv:1705.07215",
    networks=partial(build.networks, norm=norms.none),
    d_loss=d_loss,
    g_loss=games.non_saturating_g,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    d_noise={"around": Noise(per_element, "normal")},
    supports=build.supports,
)
