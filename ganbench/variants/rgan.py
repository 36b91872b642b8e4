"""RSGAN, RaSGAN and RaLSGAN: D says which sample is the more realistic. Jolicoeur-Martineau 2018, arXiv:1807.00734, section 4.

`rgan` compares a real sample with a fake one (section 4.1); `ragan` compares each with the average of the other kind in the batch
(section 4.3), and `ragan-ls` does so by least squares. The generator minimises the loss of the discriminator with the two
swapped: it wants its samples to look more realistic than the real ones, so its gradient flows through D's answers to both. With
its images' networks it is the paper's DCGAN setting for cats of 64 x 64 pixels (section 5), but for batches of 32 and a latent of
128 there.

Departs from it: batch norm in D also where it has spectral norm (CIFAR-10), a latent of 2 and Adam without momentum for points,
and the averaged generator is the one scored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ganbench import relativistic
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Network, Variant

if TYPE_CHECKING:
    from torch import Tensor

PAPER = "Jolicoeur-Martineau 2018, arXiv:1807.00734"


def comparing(name: str, family: str, paper: str, loss: Callable[[Tensor, Tensor], Tensor]) -> Variant:
    """The variant of one `loss(real, fake)` of D's outputs (B,) and (B,): D minimises it, and G minimises loss(fake, real)."""

    def d_loss(D: Network, batch: Batch) -> Tensor:
        return loss(D(batch.real), D(batch.fake))

    def g_loss(D: Network, batch: Batch) -> Tensor:
        return loss(D(batch.fake), D(batch.real))

    return adversarial(
        name=name,
        family=family,
        paper=paper,
        networks=build.networks,
        d_loss=d_loss,
        g_loss=g_loss,
        recipe=IMAGE_RECIPE,
        points=POINT_RECIPE,
        supports=build.supports,
    )


RGAN = comparing(name="rgan", family="loss", paper=PAPER, loss=relativistic.paired)
RAGAN = comparing(name="ragan", family="loss", paper=PAPER, loss=relativistic.average)
RAGAN_LS = comparing(name="ragan-ls", family="loss", paper=PAPER, loss=relativistic.average_least_squares)
