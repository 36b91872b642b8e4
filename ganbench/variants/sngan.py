"""SNGAN: spectral norm on every layer of D, hinge loss. Miyato et al. 2018, arXiv:1802.05957, equations 8, 16 and 17.

The recipe for images is setting C of its table 1. Departs from it: DCGAN's layers without the paper's 3 x 3 convolutions between
them, a latent of 100 and leaky ReLUs of slope 0.2 where it has 128 and 0.1, a latent of 2 and Adam without momentum for points,
and the averaged generator is the one scored.
"""

from __future__ import annotations

from functools import partial

from ganbench import games
from ganbench.adversarial import adversarial
from ganbench.nets import build, norms
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE

VARIANT = adversarial(
    name="sngan",
    family="regulariser",
    paper="Miyato et al. 2018, arXiv:1802.05957",
    networks=partial(build.networks, norm=norms.spectral),
    d_loss=games.hinge_d,
    g_loss=games.minus_output_g,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
