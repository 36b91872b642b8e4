"""Noise predictors of diffusion models, and DDIM's sampler, which makes one a function of z.

Ho et al. 2020, arXiv:2006.11239; Song et al. 2021, arXiv:2010.02502.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

TIMES = 1000  # T
EMBEDDING = 32
WIDTH = 24  # feature maps at the images' own resolution
HIDDEN = 128


def kept(like: Tensor) -> Tensor:
    """The share of the data's variance that is left at each time, (TIMES,), "alpha bar": betas from 1e-4 to 0.02 in a line."""
    return torch.cumprod(1 - torch.linspace(1e-4, 0.02, TIMES, dtype=like.dtype, device=like.device), dim=0)


def ddim(predict: Callable[[Tensor, Tensor], Tensor], x: Tensor, steps: int) -> Tensor:
    """Samples (B, *shape) that noise x of that shape is mapped to: DDIM, equation 12, with sigma = 0, in `steps` steps."""
    shares = kept(x)
    times = [round(i * (TIMES - 1) / max(steps - 1, 1)) for i in reversed(range(steps))]
    for time, following in zip(times, [*times[1:], None], strict=True):
        share = shares[time]
        left = torch.ones_like(share) if following is None else shares[following]
        noise = predict(x, torch.full((len(x),), time, device=x.device))
        clean = (x - (1 - share).sqrt() * noise) / share.sqrt()
        x = left.sqrt() * clean + (1 - left).sqrt() * noise
    return x


def embed(time: Tensor, like: Tensor) -> Tensor:
    """Sines and cosines (B, EMBEDDING) of times (B,), of periods from 2 pi to near 11,000 pi, in the type of `like`."""
    rates = torch.exp(torch.arange(EMBEDDING // 2, dtype=like.dtype, device=like.device) * (-math.log(1e4) * 2 / EMBEDDING))
    angles = time[:, None].to(like.dtype) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class PointsPredictor(nn.Module):
    """(points (B, D), times (B,)) -> the noise in them (B, D)."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        sizes = (dimensions + EMBEDDING, HIDDEN, HIDDEN, HIDDEN)
        layers = [layer for i in range(3) for layer in (nn.Linear(sizes[i], sizes[i + 1]), nn.SiLU())]
        self.layers = nn.Sequential(*layers, nn.Linear(HIDDEN, dimensions))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """The noise."""
        noise: Tensor = self.layers(torch.cat([x, embed(time, x)], dim=1))
        return noise


class Block(nn.Module):
    """A residual block that is told the time: (B, C, H, W) and (B, EMBEDDING) -> (B, C, H, W)."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(maps // 8, maps) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(maps, maps, 3, padding=1) for _ in range(2))
        self.time = nn.Linear(EMBEDDING, maps)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """x plus what the block adds."""
        hidden = self.convs[0](silu(self.norms[0](x))) + self.time(time)[:, :, None, None]
        added: Tensor = self.convs[1](silu(self.norms[1](hidden)))
        return x + added


class ImagePredictor(nn.Module):
    """(images (B, C, H, W), times (B,)) -> the noise in them: a U-Net of three resolutions, for sizes that 4 divides."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter, self.leave = nn.Conv2d(channels, WIDTH, 3, padding=1), nn.Conv2d(WIDTH, channels, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(WIDTH * 2**i, WIDTH * 2 ** (i + 1), 4, 2, 1) for i in range(2))
        self.up = nn.ModuleList(nn.Conv2d(WIDTH * 2 ** (i + 1), WIDTH * 2**i, 3, padding=1) for i in range(2))
        self.inward = nn.ModuleList(Block(WIDTH * 2**i) for i in range(3))
        self.outward = nn.ModuleList(Block(WIDTH * 2**i) for i in range(2))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """The noise."""
        told = embed(time, x)
        first = self.inward[0](self.enter(x), told)
        second = self.inward[1](self.down[0](first), told)
        third = self.inward[2](self.down[1](second), told)
        second = self.outward[1](second + self.up[1](interpolate(third, scale_factor=2.0)), told)
        first = self.outward[0](first + self.up[0](interpolate(second, scale_factor=2.0)), told)
        noise: Tensor = self.leave(silu(first))
        return noise


class DiffusionGenerator(nn.Module):
    """z (B, elements) -> samples (B, *shape) by DDIM; (x (B, *shape), times (B,)) -> the predicted noise (B, *shape)."""

    def __init__(self, shape: tuple[int, ...], steps: int) -> None:
        super().__init__()
        self.shape, self.steps = shape, steps
        self.predictor: nn.Module = PointsPredictor(shape[0]) if len(shape) == 1 else ImagePredictor(shape[0])

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        """Samples, or with times the noise; images are clamped to [-1, 1]."""
        if time is not None:
            noise: Tensor = self.predictor(x, time)
            return noise
        samples = ddim(self.predictor, x.view(-1, *self.shape), self.steps)
        return samples if len(self.shape) == 1 else samples.clamp(-1, 1)
