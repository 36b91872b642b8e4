"""Non-saturating GAN: G maximises log D(G(z)). Goodfellow et al. 2014, arXiv:1406.2661, section 3.

With its images' networks and recipe it is DCGAN. Radford et al. 2016, arXiv:1511.06434, section 4.

Departs from it: batches of 64 where the DCGAN paper has 128, as its code does; a latent of 2 and Adam without momentum for
points; the averaged generator is the one scored.
"""

from __future__ import annotations

from ganbench import games
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE

VARIANT = adversarial(
    name="nsgan",
    family="loss",
    paper="Goodfellow et al. 2014, arXiv:1406.2661",
    networks=build.networks,
    d_loss=games.minimax_d,
    g_loss=games.non_saturating_g,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
