"""Residual networks for square images, up to 128 pixels. Miyato et al. 2018, arXiv:1802.05957, appendix (its ResNets).

Projection of a label: Miyato and Koyama 2018, arXiv:1802.05637, section 3. Departs from them: far fewer feature maps, doubling
with each halving of the resolution up to four times `WIDTH`; a discriminator that halves to 4 or 7 pixels, so once more for
images of 32 than theirs for CIFAR; its blocks' first convolutions give as many maps as their second, as in SAGAN's and
BigGAN's; and a generator whose blocks start with a gain of 1, where the code of SNGAN has sqrt 2.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganbench.errors import UsageError
from ganbench.nets import norms
from ganbench.nets.attention import SelfAttention
from ganbench.nets.class_norm import ClassConditionalBatchNorm

SIZES = (8, 16, 28, 32, 64, 128)
WIDTH = 16  # feature maps at the full resolution; our own, the paper has 64 to 256
BLOCK_GAIN = 2**0.5  # of the 3 x 3 convolutions in the discriminator's blocks, in the code of SNGAN
Started = TypeVar("Started", nn.Linear, nn.Conv2d)
Normalise = Callable[[int], nn.Module]  # channels -> what stands before a rectifier


def supports(shape: tuple[int, ...]) -> str | None:
    """None where there are networks for samples of this shape, else one sentence that says why there are none."""
    if len(shape) == 1:
        return "Its networks are residual convolutions, and points are no images; choose images."
    height, width = shape[1:]
    if height == width and height in SIZES:
        return None
    sizes = ", ".join(map(str, SIZES))
    return f"There is no residual network for images of {height} x {width} pixels; resize them to a square of one of {sizes}."


def resolutions(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """(size, feature maps) that the generator climbs, from 4 or 7 pixels. Raises UsageError for a shape without networks."""
    if problem := supports(shape):
        raise UsageError(problem)
    sizes = [shape[1]]
    while sizes[0] > 7:
        sizes.insert(0, sizes[0] // 2)
    return [(size, WIDTH * min(4, shape[1] // size)) for size in sizes]


def doubled(x: Tensor) -> Tensor:
    """Maps (B, C, H, W) -> (B, C, 2 H, 2 W), each pixel four times."""
    return x[:, :, :, None, :, None].expand(-1, -1, -1, 2, -1, 2).flatten(4, 5).flatten(2, 3)


class UpBlock(nn.Module):
    """Norm, ReLU, doubling, 3 x 3 convolution, norm, ReLU, 3 x 3 convolution, beside a 1 x 1 convolution of the doubled maps.

    No convolution has a bias: a norm follows each, the last block's too.
    """

    def __init__(self, inputs: int, outputs: int, normalise: Normalise, norm: norms.Norm) -> None:
        super().__init__()
        self.first = normalise(inputs)
        self.conv1 = norm(started(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)), False)
        self.second = normalise(outputs)
        self.conv2 = norm(started(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)), False)
        self.shortcut = norm(started(nn.Conv2d(inputs, outputs, 1, bias=False)), False)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """Maps (B, inputs, H, W) -> (B, outputs, 2 H, 2 W)."""
        h = self.conv1(doubled(rectified(self.first, x, condition)))
        h = self.conv2(rectified(self.second, h, condition))
        given: Tensor = h + doubled(self.shortcut(x))
        return given


class Generator(nn.Module):
    """(z (B, latent_size), labels (B,) where `normalise` is conditional) -> images (B, C, H, W) in [-1, 1].

    With `chunks`, z is cut into one part for the first layer and one for each block; `embed(labels)` joined with a block's part is
    its condition. Brock et al. 2019, arXiv:1809.11096, section 3.1.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        first: int,
        normalise: Normalise,
        norm: norms.Norm = norms.none,
        attend: bool = False,
        embed: nn.Module | None = None,
    ) -> None:
        super().__init__()
        plan = resolutions(shape)
        size, maps = plan[0]
        self.first_size, self.embed = first, embed
        self.project = norm(started(nn.Linear(first, maps * size**2, bias=False)), False)
        self.start = (maps, size, size)
        self.blocks = nn.ModuleList(UpBlock(low, high, normalise, norm) for (_, low), (_, high) in pairwise(plan))
        self.attention = SelfAttention(plan[-2][1], norm) if attend and len(plan) > 2 else None
        self.last = normalise(plan[-1][1])
        self.to_image = norm(started(nn.Conv2d(plan[-1][1], shape[0], 3, padding=1)), False)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """The images; the norm before the last convolution has the condition of the last block."""
        x: Tensor = self.project(z[:, : self.first_size]).unflatten(1, self.start)
        parts = z[:, self.first_size :].chunk(len(self.blocks), 1)
        condition = labels
        for place, block in enumerate(self.blocks):
            if self.attention is not None and place == len(self.blocks) - 1:
                x = self.attention(x)
            if self.embed is not None:
                condition = torch.cat([self.embed(labels), parts[place]], 1)
            x = block(x, condition)
        return torch.tanh(self.to_image(rectified(self.last, x, condition)))


class DownBlock(nn.Module):
    """ReLU (not in front of the images), 3 x 3 convolution, ReLU, 3 x 3 convolution, mean of 2 x 2, beside a 1 x 1 convolution.

    Beside the maps themselves where it keeps their number and their resolution, as in the authors' code.
    """

    def __init__(self, inputs: int, outputs: int, norm: norms.Norm, starts: bool, halves: bool) -> None:
        super().__init__()
        self.starts, self.halves = starts, halves
        self.conv1 = norm(started(nn.Conv2d(inputs, outputs, 3, padding=1), BLOCK_GAIN), not starts)
        self.conv2 = norm(started(nn.Conv2d(outputs, outputs, 3, padding=1), BLOCK_GAIN), True)
        kept = inputs == outputs and not halves
        self.shortcut = nn.Identity() if kept else norm(started(nn.Conv2d(inputs, outputs, 1)), not starts)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) -> (B, outputs, H / 2, W / 2), or of H and W where it does not halve."""
        h = self.conv2(functional.relu(self.conv1(x if self.starts else functional.relu(x))))
        given: Tensor = h + self.shortcut(x)
        return functional.avg_pool2d(given, 2) if self.halves else given


class Trunk(nn.Module):
    """Images (B, pack * C, H, W) -> (B, outputs); with `classes`, (images, labels) -> logits (B,) with the label's projection."""

    def __init__(
        self,
        shape: tuple[int, ...],
        norm: norms.Norm = norms.none,
        outputs: int = 1,
        pack: int = 1,
        attend: bool = False,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        plan = resolutions(shape)[::-1]
        widths = [pack * shape[0], *(maps for _, maps in plan[1:]), plan[-1][1]]
        blocks: list[nn.Module] = []
        for place, (inputs, maps) in enumerate(pairwise(widths)):
            blocks.append(DownBlock(inputs, maps, norm, place == 0, place < len(plan) - 1))
            if attend and place == 0 and len(plan) > 2:
                blocks.append(SelfAttention(maps, norm))
        self.blocks = nn.Sequential(*blocks)
        self.out = norm(started(nn.Linear(widths[-1], outputs)), False)
        self.classes = classes or 0
        # As a matrix for one-hot labels, an embedding takes a norm like any layer.
        self.embed = None if classes is None else norm(started(nn.Linear(classes, widths[-1], bias=False)), False)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Sum over places of the last maps, then a linear layer; with labels plus the inner product with the label's embedding."""
        return self.judge(functional.relu(self.blocks(x)).sum((2, 3)), labels)

    def judge(self, features: Tensor, labels: Tensor | None) -> Tensor:
        """Features (B, D) -> (B, outputs), or logits (B,) where there are labels. arXiv:1802.05637, section 3."""
        output: Tensor = self.out(features)
        if self.embed is None or labels is None:
            return output
        classes = torch.arange(self.classes, device=labels.device)
        chosen = (labels[:, None] == classes).to(features.dtype)  # one-hot (B, classes)
        projected: Tensor = output[:, 0] + (self.embed(chosen) * features).sum(1)
        return projected


def rectified(norm: nn.Module, x: Tensor, condition: Tensor | None) -> Tensor:
    """ReLU of the normalised maps."""
    return functional.relu(norm(x, condition) if isinstance(norm, ClassConditionalBatchNorm) else norm(x))


def started(layer: Started, gain: float = 1.0) -> Started:
    """The layer with Glorot's uniform weights, `gain` times as large, and a bias of 0."""
    nn.init.xavier_uniform_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
