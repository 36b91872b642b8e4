"""RaSGAN and RaLSGAN: D says how much more realistic a sample is than those of the other kind on average.

Jolicoeur-Martineau 2018, arXiv:1807.00734, section 4.2: the standard loss (`ragan`) and least squares (`ragan-ls`). The averages
are those of the batch, and the generator's gradient flows through D's answers to both kinds.

Departs from it: batch norm in D also where it has spectral norm (CIFAR-10), a latent of 2 and Adam without momentum for points,
and the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import relativistic
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.variant import Batch, Network, Recipe

if TYPE_CHECKING:
    from torch import Tensor

IMAGES = Recipe(lr=2e-4, betas=(0.5, 0.999), ema_decay=0.999)
POINTS = Recipe(lr=2e-3, betas=(0.0, 0.9), latent_size=2, ema_decay=0.995)


def d_loss(D: Network, batch: Batch) -> Tensor:
    """RaSGAN's: real samples more realistic than the average fake, fakes less than the average real one."""
    return relativistic.average(D(batch.real), D(batch.fake))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """RaSGAN's: the other way round."""
    return relativistic.average(D(batch.fake), D(batch.real))


def d_squares(D: Network, batch: Batch) -> Tensor:
    """RaLSGAN's: real outputs 1 above the average fake one, fake outputs 1 below the average real one."""
    return relativistic.average_least_squares(D(batch.real), D(batch.fake))


def g_squares(D: Network, batch: Batch) -> Tensor:
    """RaLSGAN's: the other way round."""
    return relativistic.average_least_squares(D(batch.fake), D(batch.real))


VARIANT = adversarial(
    name="ragan",
    family="loss",
    paper="Jolicoeur-Martineau 2018, arXiv:1807.00734",
    networks=build.networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=IMAGES,
    points=POINTS,
    supports=build.supports,
)
LEAST_SQUARES = adversarial(
    name="ragan-ls",
    family="loss",
    paper="Jolicoeur-Martineau 2018, arXiv:1807.00734",
    networks=build.networks,
    d_loss=d_squares,
    g_loss=g_squares,
    recipe=IMAGES,
    points=POINTS,
    supports=build.supports,
)
