"""Fisher GAN: a critic whose second moment is held at 1. Mroueh & Sercu 2017, arXiv:1705.09675, algorithm 1.

The critic maximises E[f(x)] - E[f(G(z))] + lambda (1 - Omega) - rho / 2 (Omega - 1)^2, the augmented Lagrangian of the constraint
Omega = E[f(x)^2] / 2 + E[f(G(z))^2] / 2 = 1; the multiplier lambda takes a step of rho against it after each of the critic's.

Departs from it: rho = 0.01 where it has 1e-6, with which Omega first grows to hundreds and is not back at 1 after some thousands
of steps; DCGAN's layers, without normalisation in the critic; one critic step; the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from ganbench import games
from ganbench.adversarial import d_phase, g_phase, played
from ganbench.nets import build, norms
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Networks, Recipe, Space, Variant

if TYPE_CHECKING:
    from torch import Tensor

RHO = 0.01


class Multiplier(nn.Module):
    """lambda, a buffer that starts at 0: each call gives its value, then takes the step for the Omega (scalar) that it is shown."""

    value: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value", torch.zeros(()))

    def forward(self, omega: Tensor) -> Tensor:
        """lambda before the step, a scalar without a gradient."""
        with torch.no_grad():
            before = self.value.clone()
            self.value.add_(RHO * (omega.detach() - 1))
        return before


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default networks, the critic's without normalisation, and the multiplier."""
    return {**build.networks(space, recipe, norms.none), "multiplier": Multiplier()}


def d_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Minus the augmented Lagrangian."""
    real, fake = networks.discriminator(batch.real), networks.discriminator(networks.generator(batch.z))
    omega = 0.5 * (real.square().mean() + fake.square().mean())
    multiplier = networks.multiplier(omega)
    lagrangian = real.mean() - fake.mean() + multiplier * (1 - omega) - 0.5 * RHO * (omega - 1).square()
    return -lagrangian, {"d_real": real.detach().mean(), "d_fake": fake.detach().mean(), "omega": omega.detach()}


VARIANT = Variant(
    name="fisher-gan",
    family="loss",
    paper="Mroueh & Sercu 2017, arXiv:1705.09675",
    networks=networks,
    phases=(d_phase(d_objective), g_phase(played(games.minus_output_g))),
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
