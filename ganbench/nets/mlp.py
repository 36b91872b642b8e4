"""Fully connected networks, for points.

The variants give them a latent of 2, as PacGAN (arXiv:1712.04086) and WGAN-GP's toy code do: one of 16 left samples between modes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn

from ganbench.nets.norms import Norm

HIDDEN = (64, 64, 64)  # twice the width takes twice the time a step on a CPU, and learned a ring no better in the same seconds
SLOPE = 0.2  # of the leaky ReLU below 0


def generator(latent_size: int, dimensions: int, norm: Norm) -> nn.Sequential:
    """z (B, latent_size) -> points (B, dimensions): ReLU, and a linear output, since points have no fixed range."""
    return _mlp((latent_size, *HIDDEN, dimensions), nn.ReLU, 0.0, norm)


def discriminator(dimensions: int, norm: Norm, outputs: int = 1) -> nn.Sequential:
    """Points (B, dimensions) -> (B, outputs): leaky ReLU, linear output."""
    return _mlp((dimensions, *HIDDEN, outputs), lambda: nn.LeakyReLU(SLOPE), SLOPE, norm)


def _mlp(sizes: Sequence[int], activation: Callable[[], nn.Module], slope: float, norm: Norm) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [norm(_linear(inputs, outputs, slope), True), activation()]
    return nn.Sequential(*layers, norm(_linear(sizes[-2], sizes[-1], slope), False))


def _linear(inputs: int, outputs: int, slope: float) -> nn.Linear:
    # He et al. 2015, arXiv:1502.01852, equations 10 and 15: without a norm the signal keeps its size through the rectifiers, where
    # torch's default divides it by some 2.4 a layer and DCGAN's N(0, 0.02) by some 9.
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight, a=slope)
    nn.init.zeros_(layer.bias)
    return layer
