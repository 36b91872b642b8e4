"""CR-GAN and bCR: D is to say the same of a sample and of its augmented copy.

CR-GAN, Zhang et al. 2020, arXiv:1910.12027: L_cr = E[|D(x) - D(T(x))|^2] for real samples, on D's last layer, with its weight 10.
bCR, Zhao et al. 2020, arXiv:2002.04724, is the same for generated samples too, weight 10 each, so that G does not learn the
augmentations; its latent part, zCR, is not here. T moves images by up to an eighth of their side; what comes in is 0, mid-grey,
as where DiffAugment moves images.

Departs from both: T does not mirror, since a mirrored digit is no digit; DCGAN's layers with spectral norm in D and the hinge
loss, as in `sngan`; and the averaged generator is the one scored. T jitters points, by at most a tenth along each axis.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ganbench import augment, games, losses
from ganbench.adversarial import adversarial
from ganbench.nets import build, norms
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Network, Noise

if TYPE_CHECKING:
    from torch import Tensor

WEIGHT = 10.0


def consistency(D: Network, x: Tensor, on_x: Tensor, uniform: Tensor) -> Tensor:
    """E[|D(x) - D(T(x))|^2] of samples x (B, ...) with D's outputs `on_x` (B,): 0 where T changes nothing that D sees."""
    return (on_x - D(augment.shifted(x, uniform))).square().mean()


def cr_loss(D: Network, batch: Batch) -> Tensor:
    """CR-GAN's: the hinge loss and L_cr of real samples."""
    on_real, on_fake = D(batch.real), D(batch.fake)
    return losses.hinge_d(on_real, on_fake) + WEIGHT * consistency(D, batch.real, on_real, batch.noise["real"])


def bcr_loss(D: Network, batch: Batch) -> Tensor:
    """bCR's: the hinge loss and the consistency of real and of generated samples."""
    assert batch.fake is not None  # it is drawn before the loss is asked for
    on_real, on_fake = D(batch.real), D(batch.fake)
    of_real = consistency(D, batch.real, on_real, batch.noise["real"])
    of_fake = consistency(D, batch.fake, on_fake, batch.noise["fake"])
    return losses.hinge_d(on_real, on_fake) + WEIGHT * (of_real + of_fake)


CRGAN = adversarial(
    name="crgan",
    family="regulariser",
    paper="Zhang et al. 2020, arXiv:1910.12027",
    networks=partial(build.networks, norm=norms.spectral),
    d_loss=cr_loss,
    g_loss=games.minus_output_g,
    d_noise={"real": Noise(augment.shift_draws)},
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
BCR = adversarial(
    name="bcr",
    family="regulariser",
    paper="Zhao et al. 2020, arXiv:2002.04724",
    networks=partial(build.networks, norm=norms.spectral),
    d_loss=bcr_loss,
    g_loss=games.minus_output_g,
    d_noise={"real": Noise(augment.shift_draws), "fake": Noise(augment.shift_draws)},
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
