"""Top-k training: G learns from the samples that D likes best alone. Sinha et al. 2020, arXiv:2002.06224, equation 3.

The others' gradients point away from the data, the paper finds. k falls from the whole batch to a share NU of it.

Departs from it: k falls linearly over the first half of the training, where it falls by a factor each epoch, and a share of one
sample counts as that share; the losses are `nsgan`'s; the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import softplus

from ganbench import games
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Network

if TYPE_CHECKING:
    from torch import Tensor

NU = 0.5


def mean_of_best(values: Tensor, k: Tensor) -> Tensor:
    """The mean of the `k` (a scalar, at least 1) largest of `values` (B,); where k is not whole, the next one counts in part."""
    ranked = values.sort(descending=True).values
    places = torch.arange(len(values), device=values.device, dtype=values.dtype)
    weights = (k - places).clamp(0, 1)
    return (weights * ranked).sum() / weights.sum()


def g_loss(D: Network, batch: Batch) -> Tensor:
    """Equation 3, on the non-saturating loss, which falls as D's output rises."""
    assert batch.progress is not None  # the training loop always gives it
    logits = D(batch.fake)
    k = len(logits) * (1 - 2 * (1 - NU) * batch.progress).clamp(min=NU)
    return -mean_of_best(-softplus(-logits), k)


VARIANT = adversarial(
    name="top-k",
    family="regulariser",
    paper="Sinha et al. 2020, arXiv:2002.06224",
    networks=build.networks,
    d_loss=games.minimax_d,
    g_loss=g_loss,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
