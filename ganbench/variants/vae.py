"""VAE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ganbench import losses
from ganbench.nets import build
from ganbench.variant import Batch, Networks, Phase, Recipe, Space, Variant

if TYPE_CHECKING:
    from torch import Tensor, nn

IMAGE_SIGMA = 0.3
POINT_SIGMA = 0.1


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """An encoder to mean and log variance (B, 2 latent_size), and the default generator as the decoder's mean."""
    return {"encoder": build.encoder(space.shape, 2 * recipe.latent_size), "generator": build.generator(space, recipe)}


def objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Minus the evidence lower bound in nats a sample."""
    mean, log_variance = networks.encoder(batch.real).chunk(2, dim=1)  # (B, latent_size)
    z = mean + torch.exp(0.5 * log_variance) * batch.z  # equation 10's z; batch.z is its epsilon
    sigma = POINT_SIGMA if batch.real.ndim == 2 else IMAGE_SIGMA
    reconstruction = losses.gaussian_reconstruction(batch.real, networks.generator(z), sigma)
    kl = losses.kl_to_standard_normal(mean, log_variance)
    return reconstruction + kl, {"reconstruction": reconstruction.detach(), "kl": kl.detach()}


VARIANT = Variant(
    name="vae",
    family="vae",
    paper="Kingma & Welling 2014, arXiv:1312.6114",
    networks=networks,
    phases=(Phase("vae", ("encoder", "generator"), objective),),
    recipe=Recipe(lr=1e-3, betas=(0.9, 0.999), latent_size=16),
    points=Recipe(lr=1e-3, betas=(0.9, 0.999), batch_size=128, latent_size=16),
    supports=build.supports,
)
