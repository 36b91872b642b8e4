"""PacGAN2: a discriminator that judges two samples together, so that it sees missing variety. Lin et al. 2018, arXiv:1712.04086.

The losses are `nsgan`'s. A batch of 128 makes 64 packs, as many as `nsgan` has samples; each is joined along channels, and only the
discriminator's first layer grows (section 2).

Departs from it: one generator step to a discriminator step, where its code for stacked MNIST has two (`g_steps`), and the averaged
generator is the one scored. For points also: layers of 64 and leaky ReLU where it has 400 and maxout (the architecture
`pacgan-toy`), and Adam without momentum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.variant import Batch, Network, Recipe, Space

if TYPE_CHECKING:
    from torch import Tensor, nn

PACK = 2


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, and the default discriminator of PACK samples together."""
    return {"generator": build.generator(space, recipe), "discriminator": build.discriminator(space, recipe, pack=PACK)}


def d_loss(D: Network, batch: Batch) -> Tensor:
    """The loss of `nsgan`, on packs."""
    return losses.minimax_d(D(batch.real), D(batch.fake))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """The loss of `nsgan`, on packs."""
    return losses.non_saturating_g(D(batch.fake))


VARIANT = adversarial(
    name="pacgan2",
    family="mode-collapse",
    paper="Lin et al. 2018, arXiv:1712.04086",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=Recipe(lr=2e-4, betas=(0.5, 0.999), batch_size=128, ema_decay=0.999),
    points=Recipe(lr=2e-3, betas=(0.0, 0.9), batch_size=128, latent_size=2, ema_decay=0.995),
    supports=build.supports,
)
