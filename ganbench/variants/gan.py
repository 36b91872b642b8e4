"""GAN with the minimax loss as first written. Goodfellow et al. 2014, arXiv:1406.2661, equation 1 and algorithm 1.

Departs from it: DCGAN or fully connected networks with the optimiser of Radford et al. 2016, arXiv:1511.06434, and one step of D to
one of G. The generator's loss saturates, as the paper's section 3 warns; `nsgan` is what the authors trained in its place.

Texts that print E[log D(x)] + E[log(1 - D(G(z)))] as a loss for D to minimise have its sign wrong: D maximises it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.nets import build
from ganbench.variant import Batch, Network, Recipe, Space, adversarial

if TYPE_CHECKING:
    from torch import Tensor, nn


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """A default generator and discriminator."""
    return {"generator": build.generator(space, recipe), "discriminator": build.discriminator(space.shape)}


def d_loss(D: Network, batch: Batch) -> Tensor:
    """Equation 1, for D, with its sign turned."""
    return losses.minimax_d(D(batch.real), D(batch.fake))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """Equation 1, for G."""
    return losses.minimax_g(D(batch.fake))


VARIANT = adversarial(
    name="gan",
    family="loss",
    paper="Goodfellow et al. 2014, arXiv:1406.2661",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=Recipe(),
    points=Recipe(lr=1e-3, batch_size=128, latent_size=16),
    supports=build.supports,
)
