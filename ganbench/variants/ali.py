"""ALI and BiGAN: an encoder and a generator against one discriminator of pairs (x, z).

ALI, Dumoulin et al. 2017, arXiv:1606.00704, draws z from a Gaussian that the encoder gives; BiGAN, Donahue et al. 2017,
arXiv:1605.09782, has a deterministic encoder. D tells (x, E(x)) from (G(z), z); E and G have D's labels turned round, the
non-saturating loss of both papers.

Departs from both: DCGAN's layers, D joins features of x with z late, BiGAN's z is normal where its is uniform, and the averaged
generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ganbench import losses
from ganbench.adversarial import d_phase, g_phase
from ganbench.nets import build, joint
from ganbench.variant import Batch, Networks, Noise, Phase, Recipe, Space, Variant

if TYPE_CHECKING:
    from torch import Tensor, nn


def latent(space: Space, recipe: Recipe) -> tuple[int, ...]:
    """The shape of noise that is one number a latent coordinate."""
    return (recipe.latent_size,)


def stochastic(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The encoder gives mean and log variance (B, 2 latent_size) of z."""
    return _networks(space, recipe, 2 * recipe.latent_size)


def deterministic(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The encoder gives z (B, latent_size) itself."""
    return _networks(space, recipe, recipe.latent_size)


def _networks(space: Space, recipe: Recipe, outputs: int) -> dict[str, nn.Module]:
    return {
        "generator": build.generator(space, recipe),
        "encoder": build.encoder(space, recipe, outputs),
        "discriminator": joint.discriminator(space, recipe),
    }


def _pairs(networks: Networks, batch: Batch) -> tuple[Tensor, Tensor]:
    # D's logits (B,) of the encoder's pairs and of the generator's.
    code = networks.encoder(batch.real)
    if "epsilon" in batch.noise:
        mean, log_variance = code.chunk(2, dim=1)  # (B, latent_size)
        code = mean + torch.exp(0.5 * log_variance) * batch.noise["epsilon"]
    return networks.discriminator(batch.real, code), networks.discriminator(networks.generator(batch.z), batch.z)


def d_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """-E[log D(x, E(x))] - E[log(1 - D(G(z), z))]."""
    encoded, generated = _pairs(networks, batch)
    return losses.minimax_d(encoded, generated), {"d_real": encoded.detach().mean(), "d_fake": generated.detach().mean()}


def g_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """-E[log(1 - D(x, E(x)))] - E[log D(G(z), z)], for E and G."""
    encoded, generated = _pairs(networks, batch)
    return losses.minimax_d(generated, encoded), {"d_real": encoded.detach().mean(), "d_fake": generated.detach().mean()}


def _phases(noise: dict[str, Noise]) -> tuple[Phase, ...]:
    return (
        d_phase(d_objective, noise=noise),
        g_phase(g_objective, also=("encoder",), noise=noise),
    )


RECIPE = Recipe(lr=2e-4, betas=(0.5, 0.999), ema_decay=0.999)
POINTS = Recipe(lr=1e-3, betas=(0.5, 0.9), latent_size=2, ema_decay=0.995)

ALI = Variant(
    name="ali",
    family="mode-collapse",
    paper="Dumoulin et al. 2017, arXiv:1606.00704",
    networks=stochastic,
    phases=_phases({"epsilon": Noise(latent, "normal")}),
    recipe=RECIPE,
    points=POINTS,
    supports=build.supports,
)
BIGAN = Variant(
    name="bigan",
    family="mode-collapse",
    paper="Donahue et al. 2017, arXiv:1605.09782",
    networks=deterministic,
    phases=_phases({}),
    recipe=RECIPE,
    points=POINTS,
    supports=build.supports,
)
