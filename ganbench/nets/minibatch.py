"""Layers that let a discriminator compare the samples of a batch, so that it sees missing variety."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ComparesBatch(nn.Module):
    """A layer of rows (B, F) that compares the samples of a batch, so that it must see all of them: in several processes too."""


class MinibatchDiscrimination(ComparesBatch):
    """Features joined by how near each sample's neighbours are. Salimans et al. 2016, arXiv:1606.03498, section 3.2.

    Each sample's features (F,) make a matrix of `kernels` rows of `size`; a row's closeness to another sample's is
    exp(-L1 distance), and closenesses to all other samples of the batch are averaged. (B, F) -> (B, F + kernels).

    As in the authors' code, the first batch sets two numbers, which divide distances and shift closenesses to a mean of 0:
    unscaled, they would drown the features beside them, or be drowned. Here they are buffers, set for good; there both are
    trained from then on, closenesses are summed, and the nearest sample is set at a distance of 2. But a sum leaps from 1 to B
    - 1 when G collapses, and D with it. An average with the usual sample at a distance of 1 goes from exp(-1) to 1.
    """

    scale: Tensor
    shift: Tensor
    seen: Tensor

    def __init__(self, features: int, kernels: int = 16, size: int = 4) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features, kernels, size) / features**0.5)
        self.register_buffer("scale", torch.ones(kernels))
        self.register_buffer("shift", torch.zeros(kernels))
        self.register_buffer("seen", torch.zeros((), dtype=torch.bool))

    def forward(self, features: Tensor) -> Tensor:
        """The features and, beside them, the closenesses, in [-1, 1]; a sample is not compared with itself."""
        rows = torch.einsum("bf,fks->kbs", features, self.weight)
        itself = torch.eye(len(features), dtype=torch.bool, device=features.device)
        distances = torch.cdist(rows, rows, p=1.0)  # (kernels, B, B)
        others = len(features) - 1
        scale = self._kept(self.scale, distances.mean(dim=(1, 2)) * len(features) / others)
        closeness = torch.exp(-distances / scale[:, None, None]).masked_fill(itself, 0).sum(dim=2) / others  # (kernels, B)
        shift = self._kept(self.shift, closeness.mean(dim=1))
        with torch.no_grad():
            self.seen.fill_(True)
        return torch.cat([features, (closeness - shift[:, None]).T], dim=1)

    @torch.no_grad()
    def _kept(self, buffer: Tensor, found: Tensor) -> Tensor:
        """What the buffer holds, or `found` in the first batch, without a gradient."""
        buffer.copy_(torch.where(self.seen, buffer, found.clamp(min=torch.finfo(found.dtype).tiny)))
        return buffer.clone()


class MinibatchStddev(ComparesBatch):
    """Features joined by one number: how much the batch varies. Karras et al. 2018, arXiv:1710.10196, section 3.

    The standard deviation over the batch of each feature (divided by B), averaged over features; the same for every sample.
    (B, F) -> (B, F + 1). The small constant under the root is there for its slope, as in the authors' code.
    """

    def forward(self, features: Tensor) -> Tensor:
        """The features and, beside them, the mean standard deviation."""
        spread = (features.var(dim=0, correction=0) + 1e-8).sqrt().mean()
        return torch.cat([features, spread.expand(len(features), 1)], dim=1)


class BatchAware(nn.Module):
    """A discriminator: a trunk to features, a layer that compares the batch, and a linear logit."""

    def __init__(self, trunk: nn.Module, layer: nn.Module, features: int) -> None:
        super().__init__()
        self.trunk, self.layer, self.logit = trunk, layer, nn.Linear(features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Samples (B, *shape) -> logits (B,)."""
        logits: Tensor = self.logit(self.layer(nn.functional.leaky_relu(self.trunk(x), 0.2)))
        return logits[:, 0]
