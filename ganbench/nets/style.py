"""StyleGAN2's networks, for square images. Karras et al. 2020, arXiv:1912.04958, sections 2 and 4.1, figures 2 and 7.

A skip generator and a residual discriminator, with an equalised learning rate throughout (Karras et al. 2018, arXiv:1710.10196,
section 4.1). The noise maps are the tail of the latent, so that the generator is a function of z.

Departs from it: few feature maps, a mapping network of 4 layers where it has 8, resolutions halved by means of 2 x 2 pixels where
it blurs with a filter of 4, a standard deviation over the whole batch where it takes groups of 4, that stands behind the last
convolution and not before it, and a tanh at the end, since images here are in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, leaky_relu, linear

from ganbench.errors import UsageError
from ganbench.nets.minibatch import MinibatchStddev

MAPPING_LAYERS = 4
MAPPING_RATE = (
    0.01  # the mapping network's share of the learning rate: the authors' code, and StyleGAN, arXiv:1812.04948, appendix C
)
MANY, FEW = 32, 16  # feature maps up to 16 pixels, and above; the paper has 512 and fewer


@dataclass(frozen=True)
class Plan:
    """The resolutions that the generator climbs and the discriminator comes down, and the feature maps at each."""

    sizes: tuple[int, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Feature maps at each of `sizes`."""
        return tuple(MANY if size <= 16 else FEW for size in self.sizes)

    @property
    def noise(self) -> tuple[int, ...]:
        """The resolution of each noise map: one at the lowest resolution, and two at each other."""
        return (self.sizes[0], *(size for size in self.sizes[1:] for _ in range(2)))


PLANS = {
    8: Plan((4, 8)),
    16: Plan((4, 8, 16)),
    28: Plan((7, 14, 28)),
    32: Plan((4, 8, 16, 32)),
    64: Plan((4, 8, 16, 32, 64)),
    128: Plan((4, 8, 16, 32, 64, 128)),
}


def supports(shape: tuple[int, ...]) -> str | None:
    """None where there is a network for samples of this shape, else one sentence that says why there is none."""
    if len(shape) == 1:
        return "A style modulates convolutions over images, and points have none; choose image data."
    height, width = shape[1:]
    if height == width and height in PLANS:
        return None
    sizes = ", ".join(map(str, PLANS))
    return f"StyleGAN2 has no network for images of {height} x {width} pixels; resize them to a square of one of {sizes}."


def noise_pixels(shape: tuple[int, ...]) -> int:
    """How many numbers the noise maps of one image (C, H, W) are. Raises UsageError for a size that has no network."""
    return sum(size**2 for size in _plan(shape).noise)


class EqualLinear(nn.Module):
    """A linear layer whose weights, N(0, 1) at the start, are scaled at run time. Karras et al. 2018, section 4.1.

    The scale is `rate` / sqrt(inputs), He's constant without its gain, which stands behind the activation; `rate` slows the layer's
    learning by that factor. (B, inputs) -> (B, outputs).
    """

    def __init__(self, inputs: int, outputs: int, rate: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale, self.rate = rate / sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        """The product with the scaled weights, plus the scaled bias."""
        return linear(x, self.weight * self.scale, self.bias * self.rate)


class EqualConv2d(nn.Module):
    """A convolution with an equalised learning rate, as `EqualLinear`, that keeps the resolution."""

    def __init__(self, inputs: int, outputs: int, kernel: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale, self.padding = 1 / sqrt(inputs * kernel**2), kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) -> (B, outputs, H, W)."""
        return conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


class ModulatedConv2d(nn.Module):
    """A convolution whose weights are scaled by each sample's style, and brought back to length 1. Equations 1 and 3.

    The weights of a sample are w'[o, i, k] = s[i] w[o, i, k], divided by sqrt(sum over i, k of w'^2 + 1e-8) where `demodulate`.
    The input maps are scaled by s, and the output maps divided by the length: the same by linearity, with one convolution for all.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, style: int, demodulate: bool = True) -> None:
        super().__init__()
        self.conv = EqualConv2d(inputs, outputs, kernel, bias=False)
        self.style = EqualLinear(style, inputs, bias=1.0)
        self.demodulate = demodulate

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) and w (B, style) -> (B, outputs, H, W)."""
        style = self.style(w)  # (B, inputs)
        maps: Tensor = self.conv(x * style[:, :, None, None])
        if not self.demodulate:
            return maps
        squares = (self.conv.weight * self.conv.scale).square().sum((2, 3))  # (outputs, inputs)
        return maps * torch.rsqrt(linear(style.square(), squares) + 1e-8)[:, :, None, None]


class StyledLayer(nn.Module):
    """A modulated convolution, noise of a learned strength, a bias and the activation."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(inputs, outputs, 3, style)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs, 1, 1))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """Maps (B, inputs, H, W), w (B, style) and noise (B, 1, H, W) -> (B, outputs, H, W)."""
        return activated(self.conv(x, w) + self.strength * noise + self.bias)


class ToImage(nn.Module):
    """Maps to an image's channels, modulated and not demodulated."""

    def __init__(self, inputs: int, channels: int, style: int) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(inputs, channels, 1, style, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) and w (B, style) -> (B, channels, H, W)."""
        image: Tensor = self.conv(x, w) + self.bias
        return image


class Generator(nn.Module):
    """z (B, style + noise pixels) -> images (B, C, H, W) in [-1, 1]; the last numbers of z are the noise maps, lowest first."""

    def __init__(self, shape: tuple[int, ...], latent_size: int) -> None:
        super().__init__()
        plan = _plan(shape)
        self.noise = plan.noise
        self.style = style = latent_size - noise_pixels(shape)
        if style < 1:
            raise UsageError(f"A latent of {latent_size} has no room for a style beside {latent_size - style} numbers of noise.")
        self.mapping = nn.ModuleList(EqualLinear(style, style, MAPPING_RATE) for _ in range(MAPPING_LAYERS))
        self.constant = nn.Parameter(torch.randn(plan.widths[0], plan.sizes[0], plan.sizes[0]))
        layers = [StyledLayer(plan.widths[0], plan.widths[0], style)]
        for low, high in pairwise(plan.widths):
            layers += [StyledLayer(low, high, style), StyledLayer(high, high, style)]
        self.layers = nn.ModuleList(layers)
        self.to_image = nn.ModuleList(ToImage(width, shape[0], style) for width in plan.widths)

    def forward(self, z: Tensor, shift: Tensor | None = None) -> Tensor:
        """The images of z; `shift` (B, style) is added to w, so that a slope in it, at 0, is that in w."""
        style, *maps = z.split([self.style, *(size**2 for size in self.noise)], dim=1)
        noise = [each.unflatten(1, (1, size, size)) for each, size in zip(maps, self.noise, strict=True)]
        w = style * torch.rsqrt(style.square().mean(1, keepdim=True) + 1e-8)  # to length 1 a number, as in StyleGAN's code
        for layer in self.mapping:
            w = activated(layer(w))
        return self._synthesis(w if shift is None else w + shift, noise)

    def _synthesis(self, w: Tensor, noise: list[Tensor]) -> Tensor:
        x = self.layers[0](self.constant.expand(len(w), *self.constant.shape), w, noise[0])
        image: Tensor = self.to_image[0](x, w)
        for level in range(1, len(self.to_image)):
            first = 2 * level - 1
            x = self.layers[first](_doubled(x), w, noise[first])
            x = self.layers[first + 1](x, w, noise[first + 1])
            image = _doubled(image) + self.to_image[level](x, w)
        return torch.tanh(image)


class Descent(nn.Module):
    """A residual block that halves the resolution: two convolutions beside a linear path, divided by sqrt(2). Figure 7 (c)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = EqualConv2d(inputs, inputs, 3), EqualConv2d(inputs, outputs, 3)
        self.skip = EqualConv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) -> (B, outputs, H / 2, W / 2)."""
        through = activated(avg_pool2d(self.second(activated(self.first(x))), 2))
        halved: Tensor = (through + self.skip(avg_pool2d(x, 2))) / sqrt(2)
        return halved


def generator(shape: tuple[int, ...], latent_size: int) -> Generator:
    """z (B, latent_size) -> images (B, C, H, W) in [-1, 1]. Raises UsageError for a size without a network, or a small latent."""
    return Generator(shape, latent_size)


def discriminator(shape: tuple[int, ...]) -> nn.Sequential:
    """Images (B, C, H, W) -> logits (B,), compared over the batch. Raises UsageError for a size that has no network."""
    plan = _plan(shape)
    widths = tuple(reversed(plan.widths))
    return nn.Sequential(
        EqualConv2d(shape[0], widths[0], 1),
        Activation(),
        *(Descent(inputs, outputs) for inputs, outputs in pairwise(widths)),
        EqualConv2d(widths[-1], widths[-1], 3),
        Activation(),
        nn.Flatten(),
        MinibatchStddev(),
        EqualLinear(widths[-1] * plan.sizes[0] ** 2 + 1, widths[-1]),
        Activation(),
        EqualLinear(widths[-1], 1),
        nn.Flatten(0),
    )


class Activation(nn.Module):
    """`activated` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        """The rectified input."""
        return activated(x)


def activated(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2 times sqrt(2), which keeps the signal's size behind weights scaled without He's gain."""
    return leaky_relu(x, 0.2) * sqrt(2)


def _doubled(x: Tensor) -> Tensor:
    # Bilinear: rows and columns of zeros in between, then the filter [1, 3, 3, 1] of the authors' code.
    return interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _plan(shape: tuple[int, ...]) -> Plan:
    problem = supports(shape)
    if problem is not None:
        raise UsageError(problem)
    return PLANS[shape[1]]
