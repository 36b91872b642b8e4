"""APA: some of the real samples that D sees are fakes, so that it cannot be too sure. Jiang et al. 2021, arXiv:2111.06849.

Each real sample is replaced by a generated one with probability p, in D's phase only. p starts at 0 and moves so that
lambda_r = E[sign(D(real))] stays at the paper's threshold of 0.6, as ADA's p does, over every 4 batches and at the same pace. The
loss is that of its StyleGAN2, non-saturating with R1.

Departs from it: the fakes shown as real are the very ones that the same step shows as fake, where its code has those of G's last
step; R1 in every step; DCGAN's layers without normalisation in D; Adam's step; and the averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import augment, games, losses, penalties
from ganbench.adversarial import d_phase, g_phase, played
from ganbench.nets import build, norms
from ganbench.variant import POINT_RECIPE, Batch, Networks, Noise, Recipe, Space, Variant

if TYPE_CHECKING:
    from torch import Tensor, nn

GAMMA = 10.0  # of R1, that of StyleGAN2; with 0.01, which ADA has for CIFAR-10, digits came out far worse
POINTS_GAMMA = 0.1  # our own


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, the default discriminator without normalisation, and what holds p, called "deception"."""
    return {**build.networks(space, recipe, norms.none), "deception": augment.AdaptiveProbability()}


def one_number(space: Space, recipe: Recipe) -> tuple[int, ...]:
    """The shape of the noise that says whether a sample is replaced: () for each sample."""
    return ()


def d_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """-E[log D(x')] - E[log(1 - D(G(z)))] and gamma / 2 E[|grad D(x')|^2], x' being G(z) with probability p, else real."""
    p = networks.deception()
    fake = networks.generator(batch.z)
    shown = augment.where(batch.noise["replaced"] < p, fake, batch.real)
    on_real, on_fake = networks.discriminator(shown), networks.discriminator(fake)
    networks.deception(on_real.detach())
    gamma = POINTS_GAMMA if batch.real.ndim == 2 else GAMMA
    loss = losses.minimax_d(on_real, on_fake) + gamma * penalties.zero_centred(networks.discriminator, shown)
    return loss, {"d_real": on_real.detach().mean(), "d_fake": on_fake.detach().mean(), "p": p}


VARIANT = Variant(
    name="apa",
    family="few-data",
    paper="Jiang et al. 2021, arXiv:2111.06849",
    networks=networks,
    phases=(d_phase(d_objective, noise={"replaced": Noise(one_number)}), g_phase(played(games.non_saturating_g))),
    recipe=Recipe(lr=2e-4, betas=(0.0, 0.99), ema_decay=0.999),
    points=POINT_RECIPE,
    supports=build.supports,
)
