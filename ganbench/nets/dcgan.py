"""DCGAN, for square images. Radford et al. 2016, arXiv:1511.06434, sections 3 and 4, figure 1.

Departs from it: 64 feature maps at the generator's last hidden resolution where the paper has 128, fewer layers for small images,
and kernels of 4 where it has 5, since 4 at a stride of 2 covers every pixel equally often.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from ganbench.errors import UsageError
from ganbench.nets.norms import Layer, Norm
from ganbench.nets.patches import PatchConv2d, PatchConvTranspose2d

SLOPE = 0.2  # of the leaky ReLU below 0


@dataclass(frozen=True)
class Plan:
    """The resolutions that the generator climbs (the discriminator comes down them), and the feature maps at the last but one.

    Feature maps double with each halving of the resolution.
    """

    sizes: tuple[int, ...]
    width: int = 64
    kernel: int = 4

    @property
    def widths(self) -> tuple[int, ...]:
        """Feature maps at each of `sizes` but the last."""
        return tuple(self.width * 2**i for i in reversed(range(len(self.sizes) - 1)))


class Project(nn.ConvTranspose2d):
    """z (B, latent_size) -> (B, maps, size, size): "project and reshape" of figure 1.

    It is a transposed convolution of a single pixel, done as the matrix product that it is, which is faster for stacked seeds.
    """

    def forward(self, z: Tensor, output_size: list[int] | None = None) -> Tensor:
        """The maps; `output_size` belongs to the signature of the class above and is not read."""
        maps: Tensor = (z @ self.weight.flatten(1)).unflatten(1, self.weight.shape[1:])
        return maps if self.bias is None else maps + self.bias[:, None, None]


PLANS = {
    8: Plan((2, 4, 8), width=16),
    16: Plan((4, 8, 16)),
    28: Plan((7, 14, 28)),
    32: Plan((4, 8, 16, 32)),
    64: Plan((4, 8, 16, 32, 64)),
    128: Plan((4, 8, 16, 32, 64, 128), width=32),
}
# Stacked MNIST, as in PacGAN's code, so that numbers of modes can stand beside those published. Lin et al. 2018, arXiv:1712.04086.
STACKED_MNIST = Plan((2, 4, 7, 14, 28), kernel=5)


def supports(shape: tuple[int, ...]) -> str | None:
    """None where there is a network for images of this (C, H, W), else one sentence that says why there is none."""
    height, width = shape[1:]
    if height == width and height in PLANS:
        return None
    sizes = ", ".join(map(str, PLANS))
    return f"DCGAN has no network for images of {height} x {width} pixels; resize them to a square of one of {sizes}."


def generator(shape: tuple[int, ...], latent_size: int, norm: Norm, share: int = 1) -> nn.Sequential:
    """z (B, latent_size) -> images (B, C, H, W) in [-1, 1], with 1 / `share` of the feature maps.

    Raises UsageError for a size that has no network.
    """
    plan = _plan(shape)
    widths = tuple(width // share for width in plan.widths)
    layers: list[nn.Module] = [
        norm(_started(Project(latent_size, widths[0], plan.sizes[0])), True),
        nn.ReLU(),
    ]
    padding = (plan.kernel - 1) // 2
    climbs = list(zip(pairwise(plan.sizes), pairwise((*widths, shape[0])), strict=True))
    for (low, high), (inputs, outputs) in climbs:
        extra = high - ((low - 1) * 2 - 2 * padding + plan.kernel)
        narrow = outputs == 1 and plan.kernel == 4 and high <= 8
        climb = PatchConvTranspose2d(inputs, 1) if narrow else nn.ConvTranspose2d(inputs, outputs, plan.kernel, 2, padding, extra)
        layer = _started(climb)
        last = high == plan.sizes[-1]
        layers += [norm(layer, not last), nn.Tanh() if last else nn.ReLU()]
    return nn.Sequential(*layers)  # (B, C, H, W)


def discriminator(shape: tuple[int, ...], norm: Norm, outputs: int = 1, pack: int = 1, share: int = 1) -> nn.Sequential:
    """Images (B, pack * C, H, W), `pack` of them joined along channels, -> (B, outputs), with 1 / `share` of the feature maps.

    Raises UsageError for a size that has no network.
    """
    plan = _plan(shape)
    widths = (pack * shape[0], *(width // share for width in reversed(plan.widths)))
    layers: list[nn.Module] = []
    for place, (inputs, maps) in enumerate(pairwise(widths)):
        narrow = inputs == 1 and plan.kernel == 4
        descent = PatchConv2d(1, maps) if narrow else nn.Conv2d(inputs, maps, plan.kernel, 2, (plan.kernel - 1) // 2)
        layer = _started(descent)
        layers += [norm(layer, place > 0), nn.LeakyReLU(SLOPE)]
    output = _started(nn.Linear(widths[-1] * plan.sizes[0] ** 2, outputs))
    return nn.Sequential(*layers, nn.Flatten(), norm(output, False))  # (B, outputs)


def _plan(shape: tuple[int, ...]) -> Plan:
    problem = supports(shape)
    if problem is not None:
        raise UsageError(problem)
    return STACKED_MNIST if shape == (3, 28, 28) else PLANS[shape[1]]


def _started(layer: Layer) -> Layer:
    nn.init.normal_(layer.weight, 0.0, 0.02)  # section 4
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
