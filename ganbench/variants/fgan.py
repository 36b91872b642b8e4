"""f-GAN: D bounds an f-divergence from below and G minimises it. Nowozin et al. 2016, arXiv:1606.00709, equations 4 and 6.

`f-gan-kl`, `f-gan-reverse-kl`, `f-gan-pearson` and `f-gan-jensen-shannon` differ in the divergence. G maximises E[T(G(z))], the
alternative of section 3.2, whose slope does not vanish while D is sure of its fakes; but for the reverse KL, where that has a slope
that explodes, G minimises equation 6 as it stands, which is linear in D's output there.

Departs from it: DCGAN's networks and recipe for images, where D has no batch norm, with which exponential conjugates ran away; for
points a smaller step; the averaged generator is the one scored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ganbench import divergences
from ganbench.adversarial import adversarial
from ganbench.nets import build, norms
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Network, Variant

if TYPE_CHECKING:
    from torch import Tensor

    from ganbench.divergences import Divergence

PAPER = "Nowozin et al. 2016, arXiv:1606.00709"


def alternative(divergence: Divergence, fake: Tensor) -> Tensor:
    """Section 3.2: -E[T(G(z))] of outputs V (B,)."""
    return -divergence.activation(fake).mean()


def minimax(divergence: Divergence, fake: Tensor) -> Tensor:
    """Equation 6: -E[f*(T(G(z)))] of outputs V (B,)."""
    return -divergence.conjugate_at(fake).mean()


def f_gan(name: str, family: str, paper: str, divergence: Divergence, game: Callable[[Divergence, Tensor], Tensor]) -> Variant:
    """The variant of one divergence, whose G minimises `game`."""

    def d_loss(D: Network, batch: Batch) -> Tensor:
        return -divergence.bound(D(batch.real), D(batch.fake))  # equation 6, which D maximises

    def g_loss(D: Network, batch: Batch) -> Tensor:
        return game(divergence, D(batch.fake))

    return adversarial(
        name=name,
        family=family,
        paper=paper,
        networks=partial(build.networks, norm=norms.none),
        d_loss=d_loss,
        g_loss=g_loss,
        recipe=IMAGE_RECIPE,
        points=replace(POINT_RECIPE, lr=1e-3),
        supports=build.supports,
    )


KL = f_gan(name="f-gan-kl", family="loss", paper=PAPER, divergence=divergences.KL, game=alternative)
REVERSE_KL = f_gan(name="f-gan-reverse-kl", family="loss", paper=PAPER, divergence=divergences.REVERSE_KL, game=minimax)
PEARSON = f_gan(name="f-gan-pearson", family="loss", paper=PAPER, divergence=divergences.PEARSON, game=alternative)
JS = f_gan(name="f-gan-jensen-shannon", family="loss", paper=PAPER, divergence=divergences.JENSEN_SHANNON, game=alternative)
