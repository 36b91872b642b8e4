"""CycleGAN: two translators between unpaired domains that must lead back. Zhu et al. 2017, arXiv:1703.10593, equations 1 to 3.

Section 4: the adversarial terms are least squares, and the cycle's weight is 10; for the discriminators the terms are halved, as
its appendix has it. The data come in pairs; each input is moved on by one place in its batch, so that no pair ever meets.

Departs from it: the small U-Net of `pix2pix` for both translators, no identity term, no pool of earlier images, batches of 16;
the averaged generator is the one scored. z is not read: the method has no noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.adversarial import d_phase, g_phase
from ganbench.nets import translate
from ganbench.variant import Batch, Networks, Recipe, Space, Variant

if TYPE_CHECKING:
    from torch import Tensor, nn

CYCLE_WEIGHT = 10.0  # section 4


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """Two translators, `generator` from the inputs and `inverse` back, and a discriminator of each domain.

    Raises ValueError where the data are no pairs.
    """
    if space.inputs is None:
        raise ValueError("cyclegan needs two domains")
    given, made = space.inputs[0], space.shape[0]
    return {
        "generator": translate.UNet(given, made, 0),
        "inverse": translate.UNet(made, given, 0),
        "discriminator": translate.patch_discriminator(made),
        "inverse-discriminator": translate.patch_discriminator(given),
    }


def _unpaired(batch: Batch) -> Tensor:
    assert batch.inputs is not None  # the training loop refuses data without pairs
    return batch.inputs.roll(1, 0)


def d_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Equation 1 for both domains, in its least-squares form of section 4."""
    inputs = _unpaired(batch)
    made, unmade = networks.generator(batch.z, inputs), networks.inverse(batch.z, batch.real)
    back = networks["inverse-discriminator"]
    on_real, on_fake = networks.discriminator(batch.real), networks.discriminator(made)
    watched = {"d_real": on_real.detach().mean(), "d_fake": on_fake.detach().mean()}
    return losses.least_squares_d(on_real, on_fake) + losses.least_squares_d(back(inputs), back(unmade)), watched


def g_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Equation 3: both adversarial terms, E[(D(G(x)) - 1)^2] of section 4, and the cycle's L1 distances of equation 2."""
    inputs = _unpaired(batch)
    made, unmade = networks.generator(batch.z, inputs), networks.inverse(batch.z, batch.real)
    cycle = (networks.inverse(batch.z, made) - inputs).abs().mean()
    cycle = cycle + (networks.generator(batch.z, unmade) - batch.real).abs().mean()
    deceived = losses.least_squares_g(networks.discriminator(made))
    deceived = deceived + losses.least_squares_g(networks["inverse-discriminator"](unmade))
    return 2 * deceived + CYCLE_WEIGHT * cycle, {"cycle": cycle.detach()}  # LSGAN's half taken back


VARIANT = Variant(
    name="cyclegan",
    family="image-to-image",
    paper="Zhu et al. 2017, arXiv:1703.10593",
    networks=networks,
    phases=(d_phase(d_objective, also=("inverse-discriminator",)), g_phase(g_objective, also=("inverse",))),
    recipe=Recipe(lr=2e-4, betas=(0.5, 0.999), batch_size=16, latent_size=1, ema_decay=0.99),
    supports=translate.supports,
    translates=True,
)
