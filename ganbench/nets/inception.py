"""Inception v3 as the TensorFlow graph of FID has it (Szegedy et al. 2015, arXiv:1512.00567; the graph of 2015-12-05).

It differs from the paper's in its pooling branches: averages leave the padding out, and the last one takes the maximum. Parameters
have the names that pytorch-fid gave them, which torch-fidelity's file shares.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganbench.nets.pieces import describe, piece_on

SIDE = 299
ON_ONE_THREAD = 4  # images: their largest activation (22 MB) is memory that glibc keeps; of 16 it is mapped anew at every layer


class Norm(nn.Module):
    """Batch norm by running statistics."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(channels)), nn.Parameter(torch.empty(channels))
        self.running_mean, self.running_var = nn.Buffer(torch.empty(channels)), nn.Buffer(torch.empty(channels))
        self.eps = 1e-3

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W), normalised."""
        return nn.functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class Unit(nn.Module):
    """A convolution without bias, batch norm, ReLU."""

    def __init__(self, before: int, after: int, kernel: int | tuple[int, int], stride: int = 1, padded: bool = True) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (height // 2, width // 2) if padded else 0
        self.conv = nn.Conv2d(before, after, (height, width), stride, padding, bias=False)
        self.bn: nn.Module = Norm(after)

    def forward(self, x: Tensor) -> Tensor:
        """(B, after, H', W') of x (B, before, H, W)."""
        return nn.functional.relu(self.bn(self.conv(x)), inplace=True)

    def fold(self) -> None:
        """Make the normalisation a part of the convolution: scaled in float64, kept in float32 with channels last."""
        norm = self.bn
        assert isinstance(norm, Norm)
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        weight = (self.conv.weight.double() * scale[:, None, None, None]).float()
        bias = (norm.bias.double() - norm.running_mean.double() * scale).float()
        self.conv.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last), requires_grad=False)
        self.conv.bias = nn.Parameter(bias, requires_grad=False)
        self.bn = nn.Identity()


def average(x: Tensor) -> Tensor:
    """3x3 means that leave the padding out."""
    return nn.functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class InceptionA(nn.Module):
    """35x35: 1x1, 5x5, two 3x3, and pooling."""

    def __init__(self, before: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = Unit(before, 64, 1)
        self.branch5x5_1, self.branch5x5_2 = Unit(before, 48, 1), Unit(48, 64, 5)
        self.branch3x3dbl_1, self.branch3x3dbl_2, self.branch3x3dbl_3 = Unit(before, 64, 1), Unit(64, 96, 3), Unit(96, 96, 3)
        self.branch_pool = Unit(before, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 224 + pooled, 35, 35)."""
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(average(x))], dim=1)


class InceptionB(nn.Module):
    """35x35 to 17x17."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.branch3x3 = Unit(before, 384, 3, stride=2, padded=False)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Unit(before, 64, 1), Unit(64, 96, 3)
        self.branch3x3dbl_3 = Unit(96, 96, 3, stride=2, padded=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 480 + before, 17, 17)."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, nn.functional.max_pool2d(x, 3, stride=2)], dim=1)


class InceptionC(nn.Module):
    """17x17: 1x1, 7x7 as two strips, 7x7 twice as four strips, and pooling."""

    def __init__(self, before: int, inner: int) -> None:
        super().__init__()
        wide, high = (1, 7), (7, 1)
        self.branch1x1 = Unit(before, 192, 1)
        self.branch7x7_1, self.branch7x7_2, self.branch7x7_3 = (
            Unit(before, inner, 1),
            Unit(inner, inner, wide),
            Unit(inner, 192, high),
        )
        self.branch7x7dbl_1, self.branch7x7dbl_2 = Unit(before, inner, 1), Unit(inner, inner, high)
        self.branch7x7dbl_3, self.branch7x7dbl_4 = Unit(inner, inner, wide), Unit(inner, inner, high)
        self.branch7x7dbl_5 = Unit(inner, 192, wide)
        self.branch_pool = Unit(before, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 768, 17, 17)."""
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), single, double, self.branch_pool(average(x))], dim=1)


class InceptionD(nn.Module):
    """17x17 to 8x8."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.branch3x3_1, self.branch3x3_2 = Unit(before, 192, 1), Unit(192, 320, 3, stride=2, padded=False)
        self.branch7x7x3_1, self.branch7x7x3_2 = Unit(before, 192, 1), Unit(192, 192, (1, 7))
        self.branch7x7x3_3, self.branch7x7x3_4 = Unit(192, 192, (7, 1)), Unit(192, 192, 3, stride=2, padded=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 512 + before, 8, 8)."""
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), seven, nn.functional.max_pool2d(x, 3, stride=2)], dim=1)


class InceptionE(nn.Module):
    """8x8: branches that end in two strips side by side, and pooling."""

    def __init__(self, before: int, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        wide, high = (1, 3), (3, 1)
        self.pool = pool
        self.branch1x1 = Unit(before, 320, 1)
        self.branch3x3_1 = Unit(before, 384, 1)
        self.branch3x3_2a, self.branch3x3_2b = Unit(384, 384, wide), Unit(384, 384, high)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Unit(before, 448, 1), Unit(448, 384, 3)
        self.branch3x3dbl_3a, self.branch3x3dbl_3b = Unit(384, 384, wide), Unit(384, 384, high)
        self.branch_pool = Unit(before, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 2048, 8, 8)."""
        single, double = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        strips = [self.branch3x3_2a(single), self.branch3x3_2b(single), self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)]
        return torch.cat([self.branch1x1(x), *strips, self.branch_pool(self.pool(x))], dim=1)


class Inception(nn.Module):
    """The whole network, in the order of its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, 3, stride=2, padded=False)
        self.Conv2d_2a_3x3, self.Conv2d_2b_3x3 = Unit(32, 32, 3, padded=False), Unit(32, 64, 3)
        self.MaxPool_1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1, self.Conv2d_4a_3x3 = Unit(64, 80, 1), Unit(80, 192, 3, padded=False)
        self.MaxPool_2 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = InceptionA(192, 32), InceptionA(256, 64), InceptionA(288, 64)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b, self.Mixed_6c = InceptionC(768, 128), InceptionC(768, 160)
        self.Mixed_6d, self.Mixed_6e = InceptionC(768, 160), InceptionC(768, 192)
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b = InceptionE(1280, average)
        self.Mixed_7c = InceptionE(2048, nn.MaxPool2d(3, stride=1, padding=1))
        self.AvgPool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, 2048), not negative, and logits without bias (B, 1008), of images (B, 3, 299, 299) in [-1, 1]."""
        for name, layer in self.named_children():
            if name != "fc":
                x = layer(x)
        features = x.flatten(1)  # (B, 2048)
        return features, features.mm(self.fc.weight.T)


def ready(
    network: Inception, name: str, prepare: Callable[[Tensor], Tensor], device: str, exact: bool
) -> Callable[[Tensor], tuple[Tensor, Tensor | None]]:
    """A function from uint8 images (B, 1 or 3, H, W) to features (B, 2048) and logits (B, 1008), float32, on the CPU.

    `prepare` takes them to (B, 1 or 3, 299, 299) in [-1, 1]. Exact: each layer as torch-fidelity and pytorch-fid compute it, over
    the whole batch. Otherwise batch norm is folded into the convolutions, channels come last and images go in small pieces, which
    moves a feature by about 1e-6 of the largest one. `name` is the extractor's, for the error. The network is changed.
    """
    if not exact:
        for module in network.modules():
            if isinstance(module, Unit):
                module.fold()
    network = network.to(device)
    layout = torch.contiguous_format if exact else torch.channels_last

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = network(prepare(images).expand(-1, 3, -1, -1).contiguous(memory_format=layout))  # grey is resized once
        return features, logits

    piece = piece_on(device, exact, ON_ONE_THREAD)
    return lambda images: describe(name, run, images, device, piece)
