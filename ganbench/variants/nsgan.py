"""Non-saturating GAN: G maximises log D(G(z)). Goodfellow et al. 2014, arXiv:1406.2661, section 3.

TODO
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.nets import build
from ganbench.variant import Batch, Network, Recipe, Space, adversarial

if TYPE_CHECKING:
    from torch import Tensor, nn


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator and discriminator."""
    return {"generator": build.generator(space, recipe), "discriminator": build.discriminator(space.shape)}


def d_loss(D: Network, batch: Batch) -> Tensor:
    """Equation 1, for D, with its sign turned."""
    return losses.minimax_d(D(batch.real), D(batch.fake))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """Section 3: G maximises log D(G(z))."""
    return losses.non_saturating_g(D(batch.fake))


VARIANT = adversarial(
    name="nsgan",
    family="loss",
    paper="Goodfellow et al. 2014, arXiv:1406.2661",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=Recipe(),
    points=Recipe(lr=1e-3, batch_size=128, latent_size=16),
    supports=build.supports,
)
