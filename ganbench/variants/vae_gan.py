"""VAE-GAN: a VAE whose reconstruction is compared in a discriminator's features. Larsen et al. 2016, arXiv:1512.09300.

The decoder is the generator. The encoder minimises KL and the features' error, the decoder gamma times that error and the GAN's
loss, D the GAN's loss, where reconstructions count as fakes too (algorithm 1).

Departs from it: the non-saturating loss; gamma = 0.1 on all data; D's features are its last hidden layer; Adam; the averaged
decoder is the one scored.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganbench import losses
from ganbench.adversarial import d_phase
from ganbench.nets import build, mlp
from ganbench.variant import Batch, Networks, Noise, Phase, Recipe, Space, Variant

GAMMA = 0.1
FEATURES = 32


class Judge(nn.Module):
    """Samples (B, *shape) -> (B, 1 + FEATURES): a logit, and the features that it is read from."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.logit = nn.Linear(FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The logit first, then the features."""
        features = nn.functional.leaky_relu(self.trunk(x), mlp.SLOPE)
        return torch.cat([self.logit(features), features], dim=1)


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """An encoder to mean and log variance of z, the default generator, and a discriminator that shows its features."""
    return {
        "encoder": build.encoder(space, recipe, 2 * recipe.latent_size),
        "generator": build.generator(space, recipe),
        "discriminator": Judge(build.encoder(space, recipe, FEATURES)),
    }


def code(space: Space, recipe: Recipe) -> tuple[int, ...]:
    """The shape of the posterior's noise of one sample."""
    return (recipe.latent_size,)


def _encoded(networks: Networks, batch: Batch) -> tuple[Tensor, Tensor]:
    # The reconstruction (B, *shape) of the real samples, and the KL of their codes, a scalar.
    mean, log_variance = networks.encoder(batch.real).chunk(2, dim=1)
    z = mean + torch.exp(0.5 * log_variance) * batch.noise["code"]
    return networks.generator(z), losses.kl_to_standard_normal(mean, log_variance)


def _feature_error(real: Tensor, again: Tensor) -> Tensor:
    # -log N(features; theirs of the reconstruction, I), up to a constant.
    return 0.5 * (real[:, 1:] - again[:, 1:]).square().sum(dim=1).mean()


def encoder_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """The encoder's loss: KL plus the error in D's features."""
    again, kl = _encoded(networks, batch)
    error = _feature_error(networks.discriminator(batch.real), networks.discriminator(again))
    return kl + error, {"kl": kl.detach(), "feature_error": error.detach()}


def decoder_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """The decoder's loss: gamma times the error in D's features, plus the GAN's on reconstructions and samples."""
    again, _ = _encoded(networks, batch)
    judged = networks.discriminator(again)
    error = _feature_error(networks.discriminator(batch.real), judged)
    taken = losses.non_saturating_g(networks.discriminator(networks.generator(batch.z))[:, 0])
    return GAMMA * error + taken + losses.non_saturating_g(judged[:, 0]), {"feature_error": error.detach()}


def d_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """D's loss: real against samples, and against reconstructions."""
    again, _ = _encoded(networks, batch)
    real, fake, redone = (networks.discriminator(x)[:, 0] for x in (batch.real, networks.generator(batch.z), again))
    loss = nn.functional.softplus(-real).mean() + nn.functional.softplus(fake).mean() + nn.functional.softplus(redone).mean()
    return loss, {"d_real": real.detach().mean(), "d_fake": fake.detach().mean()}


NOISE = {"code": Noise(code, "normal")}
VARIANT = Variant(
    name="vae-gan",
    family="vae",
    paper="Larsen et al. 2016, arXiv:1512.09300",
    networks=networks,
    phases=(
        d_phase(d_objective, noise=NOISE),
        Phase("encoder", ("encoder",), encoder_objective, noise=NOISE),
        Phase("decoder", ("generator",), decoder_objective, noise=NOISE),
    ),
    recipe=Recipe(lr=2e-4, betas=(0.5, 0.999), latent_size=64, ema_decay=0.999),
    points=Recipe(lr=1e-3, betas=(0.5, 0.9), latent_size=2, ema_decay=0.995),
    supports=build.supports,
    latent_law="normal",  # codes are drawn towards N(0, I)
)
