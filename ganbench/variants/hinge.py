"""Hinge GAN: D stops pushing once a sample lies beyond its margin. Lim & Ye 2017, arXiv:1705.02894 (Geometric GAN).

It is the loss of `sngan` without spectral norm, so that a table tells the two apart.

Departs from it: no weight decay on D's last layer, which bounds the margin there; Adam where it has RMSProp; a step of G to one
of D where its code takes ten; for points a latent of 2 and a larger step; the averaged generator is the one scored.
"""

from __future__ import annotations

from ganbench import games
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE

VARIANT = adversarial(
    name="hinge",
    family="loss",
    paper="Lim & Ye 2017, arXiv:1705.02894",
    networks=build.networks,
    d_loss=games.hinge_d,
    g_loss=games.minus_output_g,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
