"""PacGAN: a discriminator that judges several samples together, so that it sees missing variety. Lin et al. 2018, arXiv:1712.04086.

`pacgan2`, `pacgan3` and `pacgan4` judge 2, 3 and 4. The losses are `nsgan`'s. Batches are as many times larger, so that D sees as
many packs as `nsgan` has samples; each is joined along channels, and only the discriminator's first layer grows (section 2).

Departs from it: one generator step to a discriminator step, where its code for stacked MNIST has two (`g_steps`), and the averaged
generator is the one scored. For points also: layers of 64 and leaky ReLU where it has 400 and maxout (the architecture
`pacgan-toy`), and Adam without momentum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.variant import Batch, Network, Recipe, Space

if TYPE_CHECKING:
    from torch import Tensor, nn

PAPER = "Lin et al. 2018, arXiv:1712.04086"
FAMILY = "mode-collapse"


def networks(pack: int) -> Callable[[Space, Recipe], dict[str, nn.Module]]:
    """The default generator, and the default discriminator of `pack` samples together."""

    def built(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
        return {"generator": build.generator(space, recipe), "discriminator": build.discriminator(space, recipe, pack=pack)}

    return built


def d_loss(D: Network, batch: Batch) -> Tensor:
    """The loss of `nsgan`, on packs."""
    return losses.minimax_d(D(batch.real), D(batch.fake))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """The loss of `nsgan`, on packs."""
    return losses.non_saturating_g(D(batch.fake))


def images(pack: int) -> Recipe:
    """The recipe for images: 64 packs."""
    return Recipe(lr=2e-4, betas=(0.5, 0.999), batch_size=64 * pack, ema_decay=0.999)


def points(pack: int) -> Recipe:
    """The recipe for points: 64 packs."""
    return Recipe(lr=2e-3, betas=(0.0, 0.9), batch_size=64 * pack, latent_size=2, ema_decay=0.995)


PACGAN2 = adversarial(
    name="pacgan2",
    family=FAMILY,
    paper=PAPER,
    networks=networks(2),
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=images(2),
    points=points(2),
    supports=build.supports,
)
PACGAN3 = adversarial(
    name="pacgan3",
    family=FAMILY,
    paper=PAPER,
    networks=networks(3),
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=images(3),
    points=points(3),
    supports=build.supports,
)
PACGAN4 = adversarial(
    name="pacgan4",
    family=FAMILY,
    paper=PAPER,
    networks=networks(4),
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=images(4),
    points=points(4),
    supports=build.supports,
)
