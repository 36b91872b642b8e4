"""GAN with the minimax loss as first written. Goodfellow et al. 2014, arXiv:1406.2661, equation 1 and algorithm 1.

Its generator's loss saturates, as the paper's section 3 warns; `nsgan` is what the authors trained instead. Texts that give D the
loss E[log D(x)] + E[log(1 - D(G(z)))] to minimise have its sign wrong: D maximises that.

Departs from it: DCGAN with its optimiser (Radford et al. 2016, arXiv:1511.06434) for images, a latent of 2 and Adam without
momentum for points, and the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import games, losses
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Network

if TYPE_CHECKING:
    from torch import Tensor


def g_loss(D: Network, batch: Batch) -> Tensor:
    """Equation 1, which G minimises."""
    return losses.minimax_g(D(batch.fake))


VARIANT = adversarial(
    name="gan",
    family="loss",
    paper="Goodfellow et al. 2014, arXiv:1406.2661",
    networks=build.networks,
    d_loss=games.minimax_d,
    g_loss=g_loss,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
