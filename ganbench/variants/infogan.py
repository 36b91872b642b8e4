"""InfoGAN: part of the latent is a code that can be read off the sample again. Chen et al. 2016, arXiv:1606.03657.

No labels are used. A recogniser Q reads from D's features a categorical code of CATEGORIES and CONTINUOUS numbers; G and Q
maximise log Q(c | G(z, c)), a lower bound of the mutual information of code and sample, weighed by lambda = 1.

Departs from it: the code is read off a normal latent, so that sampling needs no other law: the category is the largest of its
numbers, which is uniform over categories, and the continuous codes are normal where the paper has them uniform; Q is a Gaussian
of deviation 1 for them, as the authors' code has it for MNIST; D's features move by D's loss alone; the averaged generator is the
one scored.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ganbench import losses
from ganbench.adversarial import d_phase, g_phase
from ganbench.errors import UsageError
from ganbench.nets import build, conditional, mlp
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Networks, Variant

if TYPE_CHECKING:
    from ganbench.variant import Batch, Recipe, Space

CATEGORIES = 10
CONTINUOUS = 2
CODE = CATEGORIES + CONTINUOUS
LAMBDA = 1.0  # section 6


class Coded(nn.Module):
    """z (B, latent_size) -> samples: the last CODE numbers of z are the code, its categorical part as a one-hot vector."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, z: Tensor) -> Tensor:
        """The samples (B, *shape)."""
        noise, category, numbers = z.split([z.shape[1] - CODE, CATEGORIES, CONTINUOUS], dim=1)
        one_hot = nn.functional.one_hot(category.argmax(dim=1), CATEGORIES).to(z.dtype)
        samples: Tensor = self.net(torch.cat([noise, one_hot, numbers], dim=1))
        return samples


class Judge(nn.Module):
    """Samples -> (B, 1 + FEATURES): the logit, and the features that Q reads."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.logit = nn.Linear(conditional.FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Both, side by side."""
        features = nn.functional.leaky_relu(self.trunk(x), mlp.SLOPE)
        return torch.cat([self.logit(features), features], dim=1)


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator of noise and code, a discriminator that shows its features, and Q as one hidden layer on them.

    Raises UsageError for a latent that has no room for the code.
    """
    if recipe.latent_size < CODE:
        raise UsageError(f"A latent of {recipe.latent_size} has no room for a code of {CODE}; make latent_size larger.")
    recogniser = nn.Sequential(nn.Linear(conditional.FEATURES, 64), nn.LeakyReLU(mlp.SLOPE), nn.Linear(64, CODE))
    return {
        "generator": Coded(build.generator(space, recipe)),
        "discriminator": Judge(build.encoder(space, recipe, conditional.FEATURES)),
        "recogniser": recogniser,
    }


def d_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """The GAN's loss."""
    real, fake = networks.discriminator(batch.real)[:, 0], networks.discriminator(networks.generator(batch.z))[:, 0]
    return losses.minimax_d(real, fake), {"d_real": real.detach().mean(), "d_fake": fake.detach().mean()}


def g_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Equation 6: the GAN's loss minus lambda times the bound of equation 5, up to the code's entropy."""
    judged = networks.discriminator(networks.generator(batch.z))
    read, code = networks.recogniser(judged[:, 1:]), batch.z[:, -CODE:]
    told = conditional.classification(read[:, :CATEGORIES], code[:, :CATEGORIES].argmax(dim=1))
    error = 0.5 * (read[:, CATEGORIES:] - code[:, CATEGORIES:]).square().sum(dim=1).mean()
    taken = losses.non_saturating_g(judged[:, 0])
    return taken + LAMBDA * (told + error), {"category": told.detach(), "continuous": error.detach()}


VARIANT = Variant(
    name="infogan",
    family="conditional",
    paper="Chen et al. 2016, arXiv:1606.03657",
    networks=networks,
    phases=(d_phase(d_objective), g_phase(g_objective, also=("recogniser",))),
    recipe=replace(IMAGE_RECIPE, latent_size=62 + CODE),  # as the paper has on MNIST
    points=replace(POINT_RECIPE, latent_size=2 + CODE),
    supports=build.supports,
)
