"""PacGAN2
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.nets import build, pack
from ganbench.variant import Batch, Network, Recipe, Space, adversarial

if TYPE_CHECKING:
    from torch import Tensor, nn

PACK = 2


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, and the default discriminator of PACK samples at once."""
    packed = build.discriminator(pack.packed_shape(space.shape, PACK))
    return {"generator": build.generator(space, recipe), "discriminator": pack.Packed(packed, PACK)}


def d_loss(D: Network, batch: Batch) -> Tensor:
    """"""
    return losses.minimax_d(D(batch.real), D(batch.fake))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """"""
    return losses.non_saturating_g(D(batch.fake))


VARIANT = adversarial(
    name="pacgan2",
    family="mode-collapse",
    paper="Lin et al. 2018, arXiv:1712.04086",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=Recipe(batch_size=128),
    points=Recipe(lr=1e-3, batch_size=128, latent_size=16),
    supports=build.supports,
)
