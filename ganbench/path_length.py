"""Path length regularisation of a generator with styles. Karras et al. 2020, arXiv:1912.04958, section 3.2 and appendix B."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from ganbench.variant import Network

DECAY = 0.99  # the authors' code: 1 - pl_decay


class RunningMean(nn.Module):
    """The constant a of equation 4: the running mean of the lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    @torch.no_grad()
    def forward(self, length: Tensor) -> Tensor:
        """The mean (), moved by `length` ()."""
        mean = self.get_buffer("mean")
        mean.mul_(DECAY).add_((1 - DECAY) * length)
        return mean.clone()


def weight(images: Tensor) -> float:
    """gamma_pl of appendix B for images (B, C, H, W), where y is divided by sqrt(H W): ln 2 / (ln H - ln 2)."""
    return math.log(2) / (math.log(images.shape[-1]) - math.log(2))


def lengths(G: Network, z: Tensor, w_size: int, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W) of latents z (B, latent_size), and |J_w^T y| (B,) of equation 4, never below 0.

    G(z, shift) adds `shift` (B, w_size) to w; y is `noise` (B, C, H, W), N(0, 1), divided by sqrt(H W) as in the code.
    """
    y = noise / (noise.shape[-1] * noise.shape[-2]) ** 0.5

    def along(shift: Tensor) -> tuple[Tensor, Tensor]:
        images = G(z, shift)
        return (images * y).sum(), images

    slope, images = torch.func.grad(along, has_aux=True)(z.new_zeros(len(z), w_size))  # (B, w_size)
    found: Tensor = (slope.square().sum(1) + 1e-12).sqrt()  # the root has no slope at 0
    return images, found
