"""GN-GAN: D divided by the length of its own slope, so that it is Lipschitz. Wu et al. 2021, arXiv:2109.02235.

The losses see D^(x) = D(x) / (|grad_x D(x)| + |D(x)|), which lies between -1 and 1 and, D being linear piece by piece, has a slope
below 1. The loss is the non-saturating one with D^ as the logit, and steps and betas are those that the authors' code has for their
convolutional network without residual blocks.

Departs from it: DCGAN's layers, the same batch of 64 for both networks where it has 128 for G, a latent of 2 and a larger step for
points, and the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from ganbench import games
from ganbench.adversarial import adversarial
from ganbench.nets import build, norms
from ganbench.variant import POINT_RECIPE, Recipe, Space

if TYPE_CHECKING:
    from torch import Tensor


class GradientNormalised(nn.Module):
    """Samples (B, ...) -> f / (|grad_x f| + |f|), (B,), between -1 and 1; `f` gives (B,) and takes samples one by one."""

    def __init__(self, f: nn.Module) -> None:
        super().__init__()
        self.f = f

    def forward(self, x: Tensor) -> Tensor:
        """The normalised outputs, which have a gradient in the parameters and in x."""
        slope, output = torch.func.grad(self._summed, has_aux=True)(x)  # (B, ...), (B,)
        length: Tensor = torch.linalg.vector_norm(slope.flatten(1), dim=1)  # (B,)
        normalised: Tensor = output / (length + output.abs())
        return normalised

    def _summed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        output = self.f(x)
        return output.sum(), output


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, and the default discriminator without other normalisation than that of its gradient."""
    discriminator = build.discriminator(space, recipe, norms.none)
    return {"generator": build.generator(space, recipe), "discriminator": GradientNormalised(discriminator)}


VARIANT = adversarial(
    name="gngan",
    family="regulariser",
    paper="Wu et al. 2021, arXiv:2109.02235",
    networks=networks,
    d_loss=games.minimax_d,
    g_loss=games.non_saturating_g,
    recipe=Recipe(lr=2e-4, betas=(0.0, 0.9), latent_size=128, ema_decay=0.999),
    points=POINT_RECIPE,
    supports=build.supports,
)
