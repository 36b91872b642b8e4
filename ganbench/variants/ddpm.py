"""DDPM: a network that predicts the noise in a noisy sample. Ho et al. 2020, arXiv:2006.11239, equation 14.

Samples are drawn by DDIM without noise in 25 steps (Song et al. 2021, arXiv:2010.02502), so that the generator is a function of z,
which has as many elements as a sample.

Departs from it: DDIM in place of ancestral sampling in 1000 steps; a small U-Net without attention, an MLP for points; larger steps
(1e-3, where CIFAR-10 has 2e-4) of batches of 64, where it has 128; the averaged network is the one scored.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ganbench.nets import build
from ganbench.nets.diffusion import TIMES, DiffusionGenerator, kept
from ganbench.variant import Batch, Networks, Noise, Phase, Recipe, Space, Variant

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

STEPS = 25


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The noise predictor, which with z alone draws samples."""
    return {"generator": DiffusionGenerator(space.shape, STEPS)}


def elements(space: Space, recipe: Recipe) -> int:
    """As many latent coordinates as a sample has elements."""
    return math.prod(space.shape)


def one(space: Space, recipe: Recipe) -> tuple[int, ...]:
    """The shape of one number a sample, without the sample's axes."""
    return ()


def objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Equation 14, the squared error of the predicted noise at a time drawn evenly: a mean over elements where it has a sum."""
    time: torch.Tensor = (batch.noise["time"] * TIMES).floor().clamp(max=TIMES - 1).long()  # (B,)
    share = kept(batch.real)[time].view(-1, *(1 for _ in batch.real.shape[1:]))  # (B, 1, ...)
    noise = batch.z.view(batch.real.shape)
    noisy = share.sqrt() * batch.real + (1 - share).sqrt() * noise
    loss = (networks.generator(noisy, time) - noise).square().mean()
    return loss, {"error": loss.detach()}


VARIANT = Variant(
    name="ddpm",
    family="vae",
    paper="Ho et al. 2020, arXiv:2006.11239",
    networks=networks,
    phases=(Phase("noise", ("generator",), objective, noise={"time": Noise(one)}),),
    recipe=Recipe(lr=1e-3, betas=(0.9, 0.999), ema_decay=0.999),
    points=Recipe(lr=2e-3, betas=(0.9, 0.999), ema_decay=0.995),
    latent_size=elements,
    supports=build.supports,
    latent_law="normal",
)
