"""Batch norm whose gain and bias depend on a condition. De Vries et al. 2017, arXiv:1707.00683."""

from __future__ import annotations

from torch import Tensor, nn


class ClassConditionalBatchNorm(nn.Module):
    """Batch norm without an affine part, times 1 + gain(condition), plus bias(condition).

    `gain` and `bias` map the condition, labels (B,) or a vector (B, D), to (B, channels); `by_label` makes the pair for labels.
    In eval mode the statistics are the running ones.
    """

    def __init__(self, channels: int, gain: nn.Module, bias: nn.Module) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain, self.bias = gain, bias

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Maps (B, channels, H, W) -> the same shape."""
        gain: Tensor = 1 + self.gain(condition)[:, :, None, None]
        shifted: Tensor = self.norm(x) * gain + self.bias(condition)[:, :, None, None]
        return shifted


def by_label(channels: int, classes: int) -> ClassConditionalBatchNorm:
    """A gain and a bias a class, starting at a gain of 1 and a bias of 0."""
    gain, bias = nn.Embedding(classes, channels), nn.Embedding(classes, channels)
    nn.init.zeros_(gain.weight)
    nn.init.zeros_(bias.weight)
    return ClassConditionalBatchNorm(channels, gain, bias)
