"""MSGAN: G is paid for moving when its latent does. Mao et al. 2019, arXiv:1903.05628, section 3.2.

G maximises d(G(z1), G(z2)) / d(z1, z2), the mode-seeking term, which collapse makes small; as in the authors' code G minimises
the inverse of the ratio of mean absolute distances. A batch's two halves are z1 and z2.

Departs from it: it is not conditioned, as its experiments are; weight 1 as there, 0.02 for points, which unlike pixels can move
apart without end; the losses are `nsgan`'s; the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import games, losses
from ganbench.adversarial import d_phase, g_phase, played
from ganbench.nets import build
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Networks, Variant

if TYPE_CHECKING:
    from torch import Tensor

WEIGHT = 1.0
POINTS_WEIGHT = 0.02


def inverse_ratio(fake: Tensor, z: Tensor) -> Tensor:
    """d(z1, z2) / d(G(z1), G(z2)), a scalar, for samples (B, *shape) and latents (B, latent_size): large for samples alike."""
    half = len(z) // 2
    moved = (fake[:half] - fake[half : 2 * half]).abs().mean()
    return (z[:half] - z[half : 2 * half]).abs().mean() / (moved + 1e-5)


def g_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """The non-saturating loss and the mode-seeking term."""
    fake = networks.generator(batch.z)
    ratio = inverse_ratio(fake, batch.z)
    weight = POINTS_WEIGHT if fake.ndim == 2 else WEIGHT
    loss = losses.non_saturating_g(networks.discriminator(fake)) + weight * ratio
    return loss, {"inverse_ratio": ratio.detach()}


VARIANT = Variant(
    name="msgan",
    family="mode-collapse",
    paper="Mao et al. 2019, arXiv:1903.05628",
    networks=build.networks,
    phases=(d_phase(played(games.minimax_d)), g_phase(g_objective)),
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
