"""ADA: D sees samples augmented with a probability that follows how far it overfits. Karras et al. 2020, arXiv:2006.06676.

Each augmentation is applied to a sample with probability p, independently, to real and fake images alike and in G's phase too; p
starts at 0 and moves so that r_t = E[sign(D(real))] stays at 0.6 (section 3). The augmentations are those of the paper's appendix
B that need no resampling, in its order and with its strengths: mirror, quarter turns, whole pixels, brightness, contrast, luma
flip and saturation. The loss is StyleGAN2's, non-saturating with R1.

Departs from it: no scaling, turning by other angles, fractional pixels, hue, filters or cutout; zeros come in where it has
reflections; R1 in every step and at the augmented images; DCGAN's layers without normalisation in D; the averaged generator is
the one scored. Points get its additive noise instead, with probability p, of deviation 0.1 where it draws each sample's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from ganbench import augment, losses, penalties
from ganbench.adversarial import d_phase, g_phase
from ganbench.nets import build, norms
from ganbench.variant import POINT_RECIPE, Batch, Networks, Noise, Recipe, Space, Variant

if TYPE_CHECKING:
    from torch import Tensor, nn

GAMMA = 10.0  # of R1, that of StyleGAN2; with 0.01, which ADA has for CIFAR-10, digits came out far worse
POINTS_GAMMA = 0.1  # our own


def gates(space: Space, recipe: Recipe) -> tuple[int, ...]:
    """The shape of a sample's uniform noise: seven that decide about its augmentations, and the five that those read."""
    return (1,) if space.is_points else (12,)


def strengths(space: Space, recipe: Recipe) -> tuple[int, ...]:
    """The shape of a sample's normal noise."""
    return space.shape if space.is_points else (3,)


def augmented(x: Tensor, uniform: Tensor, normal: Tensor, p: Tensor) -> Tensor:
    """Samples (B, ...), each changed by each augmentation with probability p (); for p = 0 they stay as they are."""
    chosen = uniform < p  # (B, 1) or (B, 12), of which the first seven decide
    if x.ndim == 2:
        return augment.where(chosen[:, 0], x + augment.JITTER * normal, x)
    mirror, quarters, down, right, flip = uniform[:, 7:].unbind(dim=1)
    x = augment.where(chosen[:, 0] & (mirror < 0.5), augment.mirrored(x), x)
    x = augment.where(chosen[:, 1], augment.turned(x, augment.integers(quarters, 0, 3)), x)
    x = augment.where(chosen[:, 2], augment.shifted(x, torch.stack([down, right], dim=1)), x)
    x = augment.where(chosen[:, 3], augment.brightness(x, 0.2 * normal[:, 0]), x)
    x = augment.where(chosen[:, 4], x * torch.exp(0.5 * math.log(2) * normal[:, 1])[:, None, None, None], x)
    x = augment.where(chosen[:, 5] & (flip < 0.5), x - 2 * x.mean(dim=1, keepdim=True), x)
    return augment.where(chosen[:, 6], augment.saturation(x, torch.exp(math.log(2) * normal[:, 2])), x)


def _shown(x: Tensor, batch: Batch, name: str, p: Tensor) -> Tensor:
    return augmented(x, batch.noise[name], batch.noise[f"{name}-strength"], p)


def d_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """-E[log D(T(x))] - E[log(1 - D(T(G(z))))] and gamma / 2 E[|grad D(T(x))|^2]; p learns from D(T(x))."""
    p = networks.adaptation()
    real, fake = _shown(batch.real, batch, "real", p), _shown(networks.generator(batch.z), batch, "fake", p)
    on_real, on_fake = networks.discriminator(real), networks.discriminator(fake)
    networks.adaptation(on_real.detach())
    gamma = POINTS_GAMMA if batch.real.ndim == 2 else GAMMA
    loss = losses.minimax_d(on_real, on_fake) + gamma * penalties.zero_centred(networks.discriminator, real)
    return loss, {"d_real": on_real.detach().mean(), "d_fake": on_fake.detach().mean(), "p": p}


def g_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """-E[log D(T(G(z)))], with the p of D's last step."""
    p = networks.adaptation()
    on_fake = networks.discriminator(_shown(networks.generator(batch.z), batch, "fake", p))
    return losses.non_saturating_g(on_fake), {"d_fake": on_fake.detach().mean()}


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, the default discriminator without normalisation, and what holds p."""
    return {**build.networks(space, recipe, norms.none), "adaptation": augment.AdaptiveProbability()}


FAKE = {"fake": Noise(gates), "fake-strength": Noise(strengths, "normal")}
REAL = {"real": Noise(gates), "real-strength": Noise(strengths, "normal")}
VARIANT = Variant(
    name="ada",
    family="few-data",
    paper="Karras et al. 2020, arXiv:2006.06676",
    networks=networks,
    phases=(d_phase(d_objective, noise={**REAL, **FAKE}), g_phase(g_objective, noise=FAKE)),
    recipe=Recipe(lr=2e-4, betas=(0.0, 0.99), ema_decay=0.999),
    points=POINT_RECIPE,
    supports=build.supports,
)
