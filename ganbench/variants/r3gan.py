"""R3GAN: the relativistic pairing loss with R1 and R2, the penalties on D's slope. Huang et al. 2024, arXiv:2501.05441, section 2.

The loss alone keeps modes from being dropped but need not converge; with both penalties, of equal weight gamma, it does so locally.

Departs from it: the default networks without normalisation, started after He et al. 2015, where it has residual blocks of grouped
convolutions; a constant step, second beta, gamma and decay of the averaged generator where it anneals them; no augmentation;
batches of 64. For points also: a latent of 2 and a larger step.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import nn

from ganbench import penalties, relativistic
from ganbench.adversarial import adversarial
from ganbench.nets import build, norms
from ganbench.variant import POINT_RECIPE, Batch, Network, Recipe, Space

if TYPE_CHECKING:
    from torch import Tensor

GAMMA = 1.0
POINTS_GAMMA = 0.1


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default networks without normalisation in either."""
    nets: dict[str, nn.Module] = {
        "generator": build.generator(space, recipe, norms.none),
        "discriminator": build.discriminator(space, recipe, norms.none),
    }
    for net in nets.values():
        net.apply(_start)
    return nets


def _start(layer: nn.Module) -> None:
    # Equation 10 of He et al.: variance 2 / inputs. DCGAN's N(0, 0.02) counts on batch norm to keep the signal's size.
    if isinstance(layer, nn.ConvTranspose2d):
        # With stride s a kernel of k puts (k / s)^2 pixels into each output pixel; a stride of 1 projects from a single one.
        pixels = math.prod(layer.kernel_size) / math.prod(layer.stride) if layer.stride[0] > 1 else 1
        nn.init.normal_(layer.weight, 0.0, math.sqrt(2 / (layer.in_channels * pixels)))
    elif isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(layer.weight)


def d_loss(D: Network, batch: Batch) -> Tensor:
    """Section 2: the pairing loss, and gamma / 2 times the squared slope at real and at fake samples."""
    assert batch.fake is not None  # it is drawn before the loss is asked for
    gamma = POINTS_GAMMA if batch.real.ndim == 2 else GAMMA
    r1, r2 = penalties.zero_centred(D, batch.real), penalties.zero_centred(D, batch.fake)
    return relativistic.paired(D(batch.real), D(batch.fake)) + gamma * (r1 + r2)


def g_loss(D: Network, batch: Batch) -> Tensor:
    """Section 2: the pairing loss with real and fake swapped."""
    return relativistic.paired(D(batch.fake), D(batch.real))


VARIANT = adversarial(
    name="r3gan",
    family="loss",
    paper="Huang et al. 2024, arXiv:2501.05441",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=Recipe(lr=2e-4, betas=(0.0, 0.99), ema_decay=0.999),
    points=POINT_RECIPE,
    supports=build.supports,
)
