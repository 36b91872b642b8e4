"""D2GAN: two discriminators, one that rewards real samples and one that rewards fakes. Nguyen et al. 2017, arXiv:1709.03831.

Equation 1: D1 and D2, positive by a softplus, maximise
alpha E[log D1(x)] - E[D1(G(z))] - E[D2(x)] + beta E[log D2(G(z))], which G minimises: KL one way and the other, weighed.

Departs from it: alpha and beta are 0.2 and 0.1 on all data where it chooses them for each; the averaged generator is scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import softplus

from ganbench.adversarial import d_phase, g_phase
from ganbench.nets import build
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Networks, Recipe, Space, Variant

if TYPE_CHECKING:
    from torch import Tensor, nn

ALPHA = 0.2
BETA = 0.1


def log_softplus(x: Tensor) -> Tensor:
    """log softplus(x), of x's shape: finite where softplus itself would be rounded to 0."""
    low = x < -20  # there softplus(x) = exp(x) (1 - exp(x) / 2 ...), whose logarithm is x to within 1e-9
    return torch.where(low, x, torch.log(softplus(torch.where(low, torch.zeros_like(x), x))))


def game(real1: Tensor, fake1: Tensor, real2: Tensor, fake2: Tensor) -> Tensor:
    """Equation 1, a scalar, for the outputs (B,) of D1 and D2 before their softplus."""
    first = ALPHA * log_softplus(real1).mean() - softplus(fake1).mean()
    return first - softplus(real2).mean() + BETA * log_softplus(fake2).mean()


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, and two default discriminators without shared weights."""
    return {**build.networks(space, recipe), "second": build.discriminator(space, recipe)}


def d_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Equation 1, which D1 and D2 maximise: its sign is turned."""
    fake = networks.generator(batch.z)
    value = game(
        networks.discriminator(batch.real), networks.discriminator(fake), networks.second(batch.real), networks.second(fake)
    )
    return -value, {"value": value.detach()}


def g_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """The terms of equation 1 that G moves, which it minimises."""
    fake = networks.generator(batch.z)
    trusted, doubted = -softplus(networks.discriminator(fake)).mean(), BETA * log_softplus(networks.second(fake)).mean()
    return trusted + doubted, {"trusted": trusted.detach(), "doubted": doubted.detach()}


VARIANT = Variant(
    name="d2gan",
    family="mode-collapse",
    paper="Nguyen et al. 2017, arXiv:1709.03831",
    networks=networks,
    phases=(d_phase(d_objective, also=("second",)), g_phase(g_objective)),
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
