"""BEGAN: an autoencoder's error, real against generated, kept in balance. Berthelot et al. 2017, arXiv:1703.10717, section 3.

With L(v) the absolute error of D's copy of v, D minimises L(x) - k L(G(z)) and G L(G(z)); after each step
k += lambda (gamma L(x) - L(G(z))), within [0, 1], so that L(G(z)) tends to gamma L(x). M = L(x) + |gamma L(x) - L(G(z))| falls as
the networks converge, and is watched.

Departs from it: DCGAN's layers, in G with their batch norm, which the paper's networks lack; a step of G after D's rather than at
once, and k moves by D's fakes, not G's; a constant step size; normal latents where its are uniform; gamma = 1, the most that it
allows, where it shows 0.3 to 0.7: less of it gives less diversity, as it says, and even so G keeps few modes of a ring;
lambda = 0.002 where it has 0.001 and far more steps; the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from ganbench.adversarial import d_phase, g_phase
from ganbench.nets import build, norms
from ganbench.nets.autoencoder import autoencoder
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Networks, Recipe, Space, Variant

if TYPE_CHECKING:
    from torch import Tensor

GAMMA = 1.0
RATE = 0.002  # lambda; with 0.01 k leaps to 1 now and then, and G is left with blank images, which D copies best


class Balance(nn.Module):
    """k, a buffer in [0, 1] that starts at 0: each call gives its value, then takes the step for the two errors it is shown."""

    value: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value", torch.zeros(()))

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        """k before the step, a scalar without a gradient, for errors that are scalars."""
        with torch.no_grad():
            before = self.value.clone()
            self.value.copy_((before + RATE * (GAMMA * real.detach() - fake.detach())).clamp(0, 1))
        return before


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, an autoencoder without normalisation, and k."""
    # With batch norm, which sees real and generated batches apart, k stays at 0 on digits and G's samples get worse.
    discriminator = autoencoder(space, recipe, norms.none)
    return {"generator": build.generator(space, recipe), "discriminator": discriminator, "balance": Balance()}


def error(networks: Networks, x: Tensor) -> Tensor:
    """L(x), a scalar: the mean absolute error of D's copy of x (B, *shape)."""
    return (networks.discriminator(x) - x).abs().mean()


def d_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """L(x) - k L(G(z))."""
    real, fake = error(networks, batch.real), error(networks, networks.generator(batch.z))
    share = networks.balance(real, fake)
    convergence = (real + (GAMMA * real - fake).abs()).detach()
    return real - share * fake, {"convergence": convergence, "k": share}


def g_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """L(G(z))."""
    fake = error(networks, networks.generator(batch.z))
    return fake, {"error": fake.detach()}


VARIANT = Variant(
    name="began",
    family="loss",
    paper="Berthelot et al. 2017, arXiv:1703.10717",
    networks=networks,
    phases=(d_phase(d_objective), g_phase(g_objective)),
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
