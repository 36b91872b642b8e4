"""PacGAN: a discriminator that judges several samples together, so that it sees missing variety. Lin et al. 2018, arXiv:1712.04086.

`pacgan2`, `pacgan3` and `pacgan4` judge 2, 3 and 4. The losses are `nsgan`'s. Batches are as many times larger, so that D sees as
many packs as `nsgan` has samples; each is joined along channels, and only the discriminator's first layer grows (section 2).

Departs from it: one generator step to a discriminator step, where its code for stacked MNIST has two (`g_steps`), and the averaged
generator is the one scored. For points also: layers of 64 and leaky ReLU where it has 400 and maxout (the architecture
`pacgan-toy`), and Adam without momentum.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganbench import games
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Recipe, Space, Variant

if TYPE_CHECKING:
    from torch import nn


def packed(name: str, family: str, paper: str, pack: int) -> Variant:
    """The variant whose discriminator judges `pack` samples together, 64 packs a step, by the losses of `nsgan`."""

    def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
        return {"generator": build.generator(space, recipe), "discriminator": build.discriminator(space, recipe, pack=pack)}

    return adversarial(
        name=name,
        family=family,
        paper=paper,
        networks=networks,
        d_loss=games.minimax_d,
        g_loss=games.non_saturating_g,
        recipe=replace(IMAGE_RECIPE, batch_size=64 * pack),
        points=replace(POINT_RECIPE, batch_size=64 * pack),
        supports=build.supports,
    )


PACGAN2 = packed(name="pacgan2", family="mode-collapse", paper="Lin et al. 2018, arXiv:1712.04086", pack=2)
PACGAN3 = packed(name="pacgan3", family="mode-collapse", paper="Lin et al. 2018, arXiv:1712.04086", pack=3)
PACGAN4 = packed(name="pacgan4", family="mode-collapse", paper="Lin et al. 2018, arXiv:1712.04086", pack=4)
