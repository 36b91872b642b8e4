"""Self-attention over the places of a feature map. Zhang et al. 2019, arXiv:1805.08318, section 3."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganbench.nets import norms


class SelfAttention(nn.Module):
    """Maps (B, C, H, W) -> x + gamma * attention(x), of the same shape; gamma starts at 0, so it starts as the identity.

    Queries and keys have C / 8 channels, as in the paper, and values C / 2, as in its code, whose keys and values are pooled too.
    `norm` wraps the 1 x 1 convolutions.
    """

    def __init__(self, channels: int, norm: norms.Norm = norms.none) -> None:
        super().__init__()
        narrow, half = max(channels // 8, 1), max(channels // 2, 1)
        self.query = norm(nn.Conv2d(channels, narrow, 1, bias=False), False)
        self.key = norm(nn.Conv2d(channels, narrow, 1, bias=False), False)
        self.value = norm(nn.Conv2d(channels, half, 1, bias=False), False)
        self.out = norm(nn.Conv2d(half, channels, 1, bias=False), False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Each place gets the values of all places, weighted by the softmax over places of its query times their keys."""
        query, key, value = (layer(x).flatten(2) for layer in (self.query, self.key, self.value))  # (B, channels, N)
        weights = (query.mT @ key).softmax(-1)  # (B, N, N): row j sums to 1 over the places that j looks at
        seen = (value @ weights.mT).unflatten(2, x.shape[2:])
        given: Tensor = x + self.gamma * self.out(seen)
        return given
