"""LeCam regularisation: D's outputs are tied to averages of what it said before. Tseng et al. 2021, arXiv:2104.03310.

R_LC = E[|D(x) - alpha_F|^2] + E[|D(G(z)) - alpha_R|^2], where alpha_R and alpha_F are exponential moving averages of D's outputs
on real and on generated samples: each kind is drawn to the other's average. The decay is its 0.99; the weight and the hinge loss
are those of its BigGAN for CIFAR. The averages are corrected for their start at 0, as in its code for StyleGAN2; that for BigGAN
has no penalty in the first 1,000 steps instead.

Departs from it: the square is taken everywhere, as the paper writes it, where its code takes it on the far side of the average
only; DCGAN's layers with spectral norm in D; Adam as in DCGAN; one step of D where BigGAN takes four; an average of the generator
that forgets faster.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganbench import games, losses
from ganbench.adversarial import d_phase, g_phase, played
from ganbench.nets import build, norms
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Networks, Recipe, Space, Variant

WEIGHT = 0.3
DECAY = 0.99


class Anchors(nn.Module):
    """Moving averages of D's outputs (B,) on real and on fake samples; what comes back is (alpha_R, alpha_F), (2,)."""

    averages: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("averages", torch.zeros(3))  # the third averages ones: the part that is not the 0 of the start

    @torch.no_grad()
    def forward(self, on_real: Tensor, on_fake: Tensor) -> Tensor:
        """The averages with these outputs counted in; they have no gradient."""
        new = torch.stack([on_real.mean(), on_fake.mean(), torch.ones_like(on_real.mean())])
        averages = DECAY * self.averages + (1 - DECAY) * new
        self.averages.copy_(averages)
        return averages[:2] / averages[2]


def penalty(on_real: Tensor, on_fake: Tensor, anchors: Tensor) -> Tensor:
    """R_LC of D's outputs (B,) and (alpha_R, alpha_F): never below 0."""
    return (on_real - anchors[1]).square().mean() + (on_fake - anchors[0]).square().mean()


def d_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """The hinge loss and WEIGHT times R_LC."""
    on_real, on_fake = networks.discriminator(batch.real), networks.discriminator(networks.generator(batch.z))
    tie = penalty(on_real, on_fake, networks.anchors(on_real, on_fake))
    watched = {"d_real": on_real.detach().mean(), "d_fake": on_fake.detach().mean(), "lecam": tie.detach()}
    return losses.hinge_d(on_real, on_fake) + WEIGHT * tie, watched


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, the default discriminator with spectral norm, and the averages."""
    return {**build.networks(space, recipe, norms.spectral), "anchors": Anchors()}


VARIANT = Variant(
    name="lecam",
    family="regulariser",
    paper="Tseng et al. 2021, arXiv:2104.03310",
    networks=networks,
    phases=(d_phase(d_objective), g_phase(played(games.minus_output_g))),
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
