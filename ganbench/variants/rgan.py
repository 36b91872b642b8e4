"""RSGAN: D says which of a real and a fake sample is the more realistic. Jolicoeur-Martineau 2018, arXiv:1807.00734, section 4.1.

The generator wants its samples to look more realistic than the real ones, so its gradient flows through D's answers to both. With
its images' networks it is the paper's DCGAN setting for cats of 64 x 64 pixels (section 5).

Departs from it: batch norm in D also where it has spectral norm (CIFAR-10), a latent of 2 and Adam without momentum for points,
and the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import relativistic
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Network

if TYPE_CHECKING:
    from torch import Tensor


def d_loss(D: Network, batch: Batch) -> Tensor:
    """Section 4.1: -log of the probability that the real sample is the more realistic."""
    return relativistic.paired(D(batch.real), D(batch.fake))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """Section 4.1: -log of the probability that the fake sample is the more realistic."""
    return relativistic.paired(D(batch.fake), D(batch.real))


VARIANT = adversarial(
    name="rgan",
    family="loss",
    paper="Jolicoeur-Martineau 2018, arXiv:1807.00734",
    networks=build.networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
