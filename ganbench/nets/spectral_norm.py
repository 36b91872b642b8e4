"""Spectral normalisation. Miyato et al. 2018, arXiv:1802.05957, equation 8 and algorithm 1.

A layer of our own: `torch.nn.utils.spectral_norm` does not work under `torch.func.vmap`, which stacks seeds.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class SpectralNorm(nn.Module):
    """A linear or convolution layer whose weight is divided by an estimate of its largest singular value.

    A convolution's weight counts as a matrix (out, in * height * width), as in the paper's section 2.1. Each forward pass makes one
    step of power iteration from the buffer `u`, and keeps the new `u` in training mode only.
    """

    u: Tensor

    def __init__(self, layer: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer("u", functional.normalize(torch.randn(layer.weight.shape[0]), dim=0))

    def weight(self) -> Tensor:
        """The layer's weight over its estimated spectral norm. The singular vectors count as constants in its gradient."""
        matrix = self.layer.weight.flatten(1)  # (out, rest)
        with torch.autocast(matrix.device.type, enabled=False):  # the estimate is in full, whatever the layer computes in
            with torch.no_grad():
                v = functional.normalize(matrix.mT @ self.u, dim=0)  # (rest,)
                # A tensor of its own, not the buffer: autograd keeps it, and the next pass overwrites the buffer.
                u = functional.normalize(matrix @ v, dim=0)  # (out,)
                if self.training:
                    self.u.copy_(u)
            return self.layer.weight / (u @ (matrix @ v))

    def forward(self, x: Tensor) -> Tensor:
        """What the layer gives for `x` with the normalised weight."""
        if isinstance(self.layer, nn.Conv2d):
            return functional.conv2d(x, self.weight(), self.layer.bias, self.layer.stride, self.layer.padding)
        return functional.linear(x, self.weight(), self.layer.bias)
