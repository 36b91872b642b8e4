"""Non-saturating GAN: G maximises log D(G(z)). Goodfellow et al. 2014, arXiv:1406.2661, section 3.

With its images' networks and recipe it is DCGAN. Radford et al. 2016, arXiv:1511.06434, section 4.

Departs from it: batches of 64 where the DCGAN paper has 128, as its code does; a latent of 2 and Adam without momentum for
points; the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.variant import Batch, Network, Recipe

if TYPE_CHECKING:
    from torch import Tensor


def d_loss(D: Network, batch: Batch) -> Tensor:
    """Equation 1, which D maximises: its sign is turned."""
    return losses.minimax_d(D(batch.real), D(batch.fake))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """Section 3: log D(G(z)), which G maximises: its sign is turned."""
    return losses.non_saturating_g(D(batch.fake))


VARIANT = adversarial(
    name="nsgan",
    family="loss",
    paper="Goodfellow et al. 2014, arXiv:1406.2661",
    networks=build.networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=Recipe(lr=2e-4, betas=(0.5, 0.999), ema_decay=0.999),
    points=Recipe(lr=2e-3, betas=(0.0, 0.9), latent_size=2, ema_decay=0.995),
    supports=build.supports,
)
