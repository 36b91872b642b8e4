"""EBGAN: D is an autoencoder whose error is a sample's energy. Zhao et al. 2017, arXiv:1609.03126, equations 1 to 3.

D lowers the energy of real samples and raises that of generated ones up to a margin m; G lowers the energy of its samples.

Departs from it: no pulling-away term (section 2.4); the energy is the error's square, a mean over elements, of pixels in [-1, 1],
with m = 0.2 (1 for points); DCGAN's layers; the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench.adversarial import d_phase, g_phase
from ganbench.nets import build
from ganbench.nets.autoencoder import autoencoder
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Network, Networks, Recipe, Space, Variant

if TYPE_CHECKING:
    from torch import Tensor, nn

MARGIN = 0.2  # of images: at 0.5 D drove some generators to saturated pixels, where they stayed
POINTS_MARGIN = 1.0


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, and an autoencoder."""
    return {"generator": build.generator(space, recipe), "discriminator": autoencoder(space, recipe)}


def energy(D: Network, x: Tensor) -> Tensor:
    """Equation 3, the squared error of D's copy of x, a mean over elements: (B,)."""
    return (D(x) - x).flatten(1).square().mean(dim=1)


def d_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Equation 1, and the mean energies."""
    real, fake = energy(networks.discriminator, batch.real), energy(networks.discriminator, networks.generator(batch.z))
    margin = POINTS_MARGIN if batch.real.ndim == 2 else MARGIN
    watched = {"d_real": real.detach().mean(), "d_fake": fake.detach().mean()}
    return real.mean() + (margin - fake).clamp(min=0).mean(), watched


def g_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Equation 2."""
    fake = energy(networks.discriminator, networks.generator(batch.z)).mean()
    return fake, {"d_fake": fake.detach()}


VARIANT = Variant(
    name="ebgan",
    family="loss",
    paper="Zhao et al. 2017, arXiv:1609.03126",
    networks=networks,
    phases=(d_phase(d_objective), g_phase(g_objective)),
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
