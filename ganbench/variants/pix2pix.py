"""pix2pix: an image made from an image, judged together with it, and kept near its pair. Isola et al. 2017, arXiv:1611.07004.

Equations 1, 3 and 4: a conditional GAN whose discriminator sees input and output, plus the L1 distance to the true output.

Departs from it: a U-Net of two halvings for small images; the noise is z at its lowest resolution, where the paper has dropout;
batches of 16 where it has single images; the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ganbench import losses
from ganbench.adversarial import d_phase, g_phase
from ganbench.nets import translate
from ganbench.variant import Batch, Networks, Recipe, Space, Variant

if TYPE_CHECKING:
    from torch import Tensor, nn

L1_WEIGHT = 100.0  # section 4.2


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """A U-Net, and a patch discriminator on the input and the output together. Raises ValueError where the data are no pairs."""
    if space.inputs is None:
        raise ValueError("pix2pix needs pairs")
    given, made = space.inputs[0], space.shape[0]
    return {
        "generator": translate.UNet(given, made, recipe.latent_size),
        "discriminator": translate.patch_discriminator(given + made),
    }


def _pair(batch: Batch, output: Tensor) -> Tensor:
    assert batch.inputs is not None  # the training loop refuses data without pairs
    return torch.cat([batch.inputs, output], dim=1)  # (B, C + C', H, W)


def d_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Equation 1, which D maximises: its sign is turned, and halved (section 3.3) to slow D down."""
    fake = networks.generator(batch.z, batch.inputs)
    on_real, on_fake = (networks.discriminator(_pair(batch, each)) for each in (batch.real, fake))
    watched = {"d_real": on_real.detach().mean(), "d_fake": on_fake.detach().mean()}
    return 0.5 * losses.minimax_d(on_real, on_fake), watched


def g_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Equation 4 with the non-saturating loss of section 3.3."""
    fake = networks.generator(batch.z, batch.inputs)
    distance = (batch.real - fake).abs().mean()  # equation 3
    on_fake = networks.discriminator(_pair(batch, fake))
    return losses.non_saturating_g(on_fake) + L1_WEIGHT * distance, {"l1": distance.detach()}


VARIANT = Variant(
    name="pix2pix",
    family="image-to-image",
    paper="Isola et al. 2017, arXiv:1611.07004",
    networks=networks,
    phases=(d_phase(d_objective), g_phase(g_objective)),
    recipe=Recipe(lr=2e-4, betas=(0.5, 0.999), batch_size=16, latent_size=16, ema_decay=0.99),
    supports=translate.supports,
    translates=True,
)
