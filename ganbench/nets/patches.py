"""Convolutions of one channel as matrix products of patches.

On a CPU the library's convolutions are slow where one side has a single channel, and slower still stacked over seeds, when they
become grouped ones; the 4 x 4 patches of such a side are few, so cutting them out and multiplying costs less.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class PatchConv2d(nn.Conv2d):
    """`nn.Conv2d` of kernel 4, stride 2 and padding 1, which halves the resolution; equal to it but for rounding."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 2h, 2w) -> (B, O, h, w)."""
        if x.is_cuda:
            return super().forward(x)
        size, channels, height, width = x.shape
        h, w = height // 2, width // 2
        padded = functional.pad(x, (1, 1, 1, 1)).view(size, channels, h + 1, 2, w + 1, 2)
        blocks = padded.permute(0, 2, 4, 1, 3, 5).reshape(size, h + 1, w + 1, channels * 4)  # 2 x 2 pixels each
        corners = [blocks[:, :-1, :-1], blocks[:, :-1, 1:], blocks[:, 1:, :-1], blocks[:, 1:, 1:]]
        patches = torch.cat(corners, -1).view(size * h * w, channels * 16)
        kernel = self.weight.view(-1, channels, 2, 2, 2, 2).permute(2, 4, 1, 3, 5, 0).reshape(channels * 16, -1)
        maps = (patches @ kernel).view(size, h, w, -1).permute(0, 3, 1, 2)  # (B, O, h, w)
        return maps if self.bias is None else maps + self.bias[:, None, None]


class PatchConvTranspose2d(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d` of kernel 4, stride 2 and padding 1, which doubles the resolution; equal to it but for rounding."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 4, 2, 1)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, C, h, w) -> (B, O, 2h, 2w); `output_size` belongs to the signature of the class above and is not read."""
        if x.is_cuda:
            return super().forward(x)
        size, channels, h, w = x.shape
        kernel = self.weight.view(channels, -1, 2, 2, 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(channels, -1)  # (C, 2 2 O 2 2)
        patches = (x.permute(0, 2, 3, 1).reshape(size * h * w, channels) @ kernel).view(size, h, w, 2, 2, -1)
        # Each 2 x 2 block of the output is the sum of the four patches that reach over it.
        shifts = [((0, 1), (0, 1)), ((0, 1), (1, 0)), ((1, 0), (0, 1)), ((1, 0), (1, 0))]
        parts = [patches[..., place // 2, place % 2, :] for place in range(4)]
        blocks = sum(functional.pad(part, (0, 0, *across, *down)) for part, (down, across) in zip(parts, shifts, strict=True))
        assert isinstance(blocks, Tensor)  # sum() of tensors starts from 0
        grid = blocks.view(size, h + 1, w + 1, -1, 2, 2).permute(0, 3, 1, 4, 2, 5)  # (B, O, h + 1, 2, w + 1, 2)
        maps = grid.reshape(size, -1, 2 * h + 2, 2 * w + 2)[:, :, 1:-1, 1:-1]
        return maps if self.bias is None else maps + self.bias[:, None, None]
