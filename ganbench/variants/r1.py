"""R1 and R2: the non-saturating GAN with a zero-centred penalty on D's slope, on real samples (R1) or on fake ones (R2).

Mescheder et al. 2018, arXiv:1801.04406, section 4.1, with gamma = 10. Neither network ties samples of a batch together in the
paper; here D has no normalisation.

Departs from it: DCGAN with batch norm in the generator where it has residual networks without, Adam with the first beta 0 and a
step of 2e-4 where it has RMSProp and 1e-4, and the averaged generator is the one scored. For points also: a latent of 2 and
gamma = 0.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import games, losses, penalties
from ganbench.adversarial import adversarial
from ganbench.nets import build, norms
from ganbench.variant import Batch, Network, Recipe, Space

if TYPE_CHECKING:
    from torch import Tensor, nn

GAMMA = 10.0
POINTS_GAMMA = 0.1
IMAGES = Recipe(lr=2e-4, betas=(0.0, 0.99), ema_decay=0.999)
POINTS = Recipe(lr=2e-3, betas=(0.0, 0.9), latent_size=2, ema_decay=0.995)


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, and the default discriminator without normalisation."""
    return {"generator": build.generator(space, recipe), "discriminator": build.discriminator(space, recipe, norms.none)}


def penalised(D: Network, batch: Batch, x: Tensor) -> Tensor:
    """The non-saturating GAN's loss of D, and gamma / 2 E[|grad D|^2] at the samples x (B, ...)."""
    gamma = POINTS_GAMMA if x.ndim == 2 else GAMMA
    return losses.minimax_d(D(batch.real), D(batch.fake)) + gamma * penalties.zero_centred(D, x)


def r1_loss(D: Network, batch: Batch) -> Tensor:
    """Section 4.1: the slope at real samples is kept small."""
    return penalised(D, batch, batch.real)


def r2_loss(D: Network, batch: Batch) -> Tensor:
    """Section 4.1: the slope at generated samples is kept small."""
    assert batch.fake is not None  # it is drawn before the loss is asked for
    return penalised(D, batch, batch.fake)


R1 = adversarial(
    name="r1",
    family="regulariser",
    paper="Mescheder et al. 2018, arXiv:1801.04406",
    networks=networks,
    d_loss=r1_loss,
    g_loss=games.non_saturating_g,
    recipe=IMAGES,
    points=POINTS,
    supports=build.supports,
)
R2 = adversarial(
    name="r2",
    family="regulariser",
    paper="Mescheder et al. 2018, arXiv:1801.04406",
    networks=networks,
    d_loss=r2_loss,
    g_loss=games.non_saturating_g,
    recipe=IMAGES,
    points=POINTS,
    supports=build.supports,
)
