"""VAE: maximises the evidence lower bound. Kingma & Welling 2014, arXiv:1312.6114, equation 10.

The observation model is a Gaussian of fixed width about the decoder's output, N(x; G(z), sigma^2 I); a sample of the model is that
output itself, without the Gaussian's noise. The generator of the table is the decoder, and z is drawn from the prior N(0, I).

Departs from it: the width is fixed where its appendix C.2 learns it (0.3 for pixels in [-1, 1], 0.15 for points: sharper ones left
parts of the prior that no data are mapped to), DCGAN's layers for images, Adam, and the averaged decoder is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ganbench import losses
from ganbench.nets import build
from ganbench.variant import Batch, Networks, Phase, Recipe, Space, Variant

if TYPE_CHECKING:
    from torch import Tensor, nn

SIGMA = 0.3
POINTS_SIGMA = 0.15


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """An encoder to mean and log variance (B, 2 latent_size) of z, and the default generator as the decoder."""
    return {"encoder": build.encoder(space, recipe, 2 * recipe.latent_size), "generator": build.generator(space, recipe)}


def objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Equation 10 for one draw of z, its sign turned: minus the lower bound in nats a sample. `batch.z` is its epsilon."""
    mean, log_variance = networks.encoder(batch.real).chunk(2, dim=1)  # (B, latent_size)
    z = mean + torch.exp(0.5 * log_variance) * batch.z
    sigma = POINTS_SIGMA if batch.real.ndim == 2 else SIGMA
    reconstruction = losses.gaussian_reconstruction(batch.real, networks.generator(z), sigma)
    kl = losses.kl_to_standard_normal(mean, log_variance)
    return reconstruction + kl, {"reconstruction": reconstruction.detach(), "kl": kl.detach()}


VARIANT = Variant(
    name="vae",
    family="vae",
    paper="Kingma & Welling 2014, arXiv:1312.6114",
    networks=networks,
    phases=(Phase("vae", ("encoder", "generator"), objective),),
    recipe=Recipe(lr=1e-3, betas=(0.9, 0.999), latent_size=32, ema_decay=0.999),
    points=Recipe(lr=2e-3, betas=(0.5, 0.9), latent_size=2, ema_decay=0.99),
    supports=build.supports,
    latent_law="normal",
)
