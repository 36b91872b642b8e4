"""Layers that let a discriminator compare the samples of a batch, so that it sees missing variety."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MinibatchDiscrimination(nn.Module):
    """Features joined by how near each sample's neighbours are. Salimans et al. 2016, arXiv:1606.03498, section 3.2.

    Each sample's features (F,) make a matrix of `kernels` rows of `size`; a row's closeness to another sample's is
    exp(-L1 distance), and closenesses to all other samples of the batch are summed. (B, F) -> (B, F + kernels).
    """

    def __init__(self, features: int, kernels: int = 16, size: int = 4) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features, kernels, size) / features**0.5)

    def forward(self, features: Tensor) -> Tensor:
        """The features and, beside them, the closenesses, in [0, B - 1]; a sample is not compared with itself."""
        matrices = torch.einsum("bf,fks->bks", features, self.weight)
        distances = (matrices[:, None] - matrices[None]).abs().sum(dim=3)  # (B, B, kernels)
        closeness = torch.exp(-distances).sum(dim=1) - 1  # (B, kernels): a sample's own closeness is 1
        return torch.cat([features, closeness], dim=1)


class MinibatchStddev(nn.Module):
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
