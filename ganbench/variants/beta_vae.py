"""beta-VAE: the evidence lower bound with its KL term weighed by beta = 4. Higgins et al. 2017, ICLR.

With beta > 1 the posterior is pressed towards the prior, at the cost of a sharp reconstruction; beta = 1 is the VAE of Kingma &
Welling 2014, arXiv:1312.6114. The generator of the table is the decoder, a sample its mean without the Gaussian's noise.

Departs from it: a Gaussian decoder of fixed width (0.3 for pixels in [-1, 1], 0.15 for points), DCGAN's layers for images, and the
averaged decoder is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ganbench import losses
from ganbench.nets import build
from ganbench.variant import Batch, Networks, Phase, Recipe, Space, Variant

if TYPE_CHECKING:
    from torch import Tensor, nn

BETA = 4.0
SIGMAS = {True: 0.15, False: 0.3}  # by whether the data are points


def negative_bound(networks: Networks, batch: Batch, beta: float) -> tuple[Tensor, dict[str, Tensor]]:
    """beta KL(q(z|x) || p(z)) - E[log p(x|z)] in nats a sample, for one z, of which `batch.z` is the epsilon."""
    centre, log_variance = networks.encoder(batch.real).chunk(2, dim=1)  # (B, latent_size)
    decoded = networks.generator(centre + torch.exp(log_variance / 2) * batch.z)
    likelihood = -losses.gaussian_reconstruction(batch.real, decoded, SIGMAS[batch.real.ndim == 2])
    divergence = losses.kl_to_standard_normal(centre, log_variance)
    return beta * divergence - likelihood, {"log_likelihood": likelihood.detach(), "kl": divergence.detach()}


def objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Its objective, which is maximised: the sign is turned."""
    return negative_bound(networks, batch, BETA)


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator as the decoder, and an encoder to mean and log variance (B, 2 latent_size) of z."""
    return {"generator": build.generator(space, recipe), "encoder": build.encoder(space, recipe, 2 * recipe.latent_size)}


VARIANT = Variant(
    name="beta-vae",
    family="vae",
    paper="Higgins et al. 2017, ICLR",
    networks=networks,
    phases=(Phase("bound", ("encoder", "generator"), objective),),
    recipe=Recipe(lr=1e-3, betas=(0.9, 0.999), latent_size=32, ema_decay=0.999),
    points=Recipe(lr=2e-3, betas=(0.5, 0.9), latent_size=2, ema_decay=0.99),
    supports=build.supports,
    latent_law="normal",
)
