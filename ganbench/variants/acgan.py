"""AC-GAN: D also tells the class, of real and of generated samples. Odena et al. 2017, arXiv:1610.09585, equations 2 and 3.

L_S is the log-likelihood of the right source, L_C that of the right class. D maximises L_S + L_C and G maximises L_C - L_S: both
want the classes told, which lowers the variety within a class where they are easy to tell (`adcgan` mends that).

Departs from it: the non-saturating loss in place of -L_S, as the authors' successors have it; an embedding of the class joined
to z; DCGAN without its dropout and added noise; the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.adversarial import adversarial
from ganbench.nets import build, conditional
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Network, Recipe, Space

if TYPE_CHECKING:
    from torch import Tensor, nn


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """A generator that is given the class, and the default discriminator with a logit and one output a class: (B, 1 + K)."""
    told = build.encoder(space, recipe, 1 + conditional.classes_of(space))
    return {"generator": conditional.generator(space, recipe), "discriminator": told}


def d_loss(D: Network, batch: Batch) -> Tensor:
    """-(L_S + L_C): equations 2 and 3."""
    assert batch.labels is not None  # a conditional variant is given them
    real, fake = D(batch.real), D(batch.fake)
    source = losses.minimax_d(real[:, 0], fake[:, 0])
    told = conditional.classification(real[:, 1:], batch.labels) + conditional.classification(fake[:, 1:], batch.labels)
    return source + told


def g_loss(D: Network, batch: Batch) -> Tensor:
    """-(L_C - L_S), with the non-saturating loss for the latter; real samples, on which G has no say, are left out."""
    assert batch.labels is not None  # a conditional variant is given them
    fake = D(batch.fake)
    return losses.non_saturating_g(fake[:, 0]) + conditional.classification(fake[:, 1:], batch.labels)


VARIANT = adversarial(
    name="acgan",
    family="conditional",
    paper="Odena et al. 2017, arXiv:1610.09585",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
    conditional=True,
)
