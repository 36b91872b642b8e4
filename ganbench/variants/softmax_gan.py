"""Softmax GAN: one cross-entropy over the whole batch of real and generated samples. Lin 2017, arXiv:1704.06191, section 3.

The softmax of D's outputs over the batch is a distribution over its samples. D's target lies on the real ones alone, each with the
same share; G's lies evenly on all. (The paper's mu is minus D's output here.)

Departs from it: DCGAN's layers with batch norm in both networks; the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Network

if TYPE_CHECKING:
    from torch import Tensor


def d_loss(D: Network, batch: Batch) -> Tensor:
    """-mean over the real of D(x) + log of the sum over all of exp D(x)."""
    real, fake = D(batch.real), D(batch.fake)
    return torch.cat([real, fake]).logsumexp(dim=0) - real.mean()


def g_loss(D: Network, batch: Batch) -> Tensor:
    """-mean over all of D(x) + log of the sum over all of exp D(x)."""
    both = torch.cat([D(batch.real), D(batch.fake)])
    return both.logsumexp(dim=0) - both.mean()


VARIANT = adversarial(
    name="softmax-gan",
    family="loss",
    paper="Lin 2017, arXiv:1704.06191",
    networks=build.networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
