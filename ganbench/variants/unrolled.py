"""Unrolled GAN: G looks ahead of D's next steps. Metz et al. 2017, arXiv:1611.02163, equations 7 to 10.

The generator's objective takes STEPS gradient steps of a copy of D and differentiates through them; D itself takes its usual step.

Departs from it: the inner steps are plain gradient descent, which the paper's equation 7 writes (its experiments use Adam there);
D has no batch norm, since its inner gradient may not write running statistics; the averaged generator is the one scored.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from ganbench import games, losses
from ganbench.adversarial import d_phase, g_phase, played
from ganbench.bound import BoundNetwork
from ganbench.nets import build, norms
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Networks, Variant

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 5  # section 3.1 compares 0, 1, 5 and 10
INNER_LR = 0.01  # the paper gives none for plain descent; at 0.1 G learns to make the steps overshoot


def look_ahead(D: BoundNetwork, batch: Batch) -> BoundNetwork:
    """D after STEPS steps of gradient descent on its loss, as a function of `batch.fake`: equation 7."""
    assert batch.fake is not None  # it is drawn before
    parameters, count = D.parameters, len(batch.real)
    both = torch.cat([batch.real, batch.fake])  # in one pass, since D takes samples one by one

    def inner(parameters: dict[str, Tensor]) -> Tensor:
        logits = D.at(parameters)(both)  # (2 B,)
        return losses.minimax_d(logits[:count], logits[count:])

    for _ in range(STEPS):
        slopes = torch.func.grad(inner)(parameters)
        parameters = {key: value - INNER_LR * slopes[key] for key, value in parameters.items()}
    return D.at(parameters)


def g_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Equation 10: G maximises the loss of the D that will be, on real samples too, whose D depends on G by its steps."""
    batch = replace(batch, fake=networks.generator(batch.z))
    discriminator = networks.discriminator
    assert isinstance(discriminator, BoundNetwork)  # as the training loop gives networks
    ahead = look_ahead(discriminator, batch)
    real, fake = ahead(batch.real), ahead(batch.fake)
    return -losses.minimax_d(real, fake), {"d_real_ahead": real.detach().mean(), "d_fake_ahead": fake.detach().mean()}


VARIANT = Variant(
    name="unrolled",
    family="mode-collapse",
    paper="Metz et al. 2017, arXiv:1611.02163",
    networks=partial(build.networks, norm=norms.none),
    phases=(d_phase(played(games.minimax_d)), g_phase(g_objective)),
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
