"""Packing. Lin et al. 2018 (PacGAN), arXiv:1712.04086, section 2: a discriminator that judges several samples together."""

from __future__ import annotations

from torch import Tensor, nn

from ganbench.errors import UsageError


class Packed(nn.Module):
    """A discriminator on groups of `count` neighbours of a batch, joined along features (D,) or channels (C, H, W).

    It maps (B, C, ...) to (B / count,) logits; `discriminator` is built for samples of shape (count * C, ...).
    """

    def __init__(self, discriminator: nn.Module, count: int) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B / count,). Raises UsageError when `count` does not divide the batch."""
        size, first, *rest = x.shape
        self.check(size)
        logits: Tensor = self.discriminator(x.reshape(size // self.count, self.count * first, *rest))  # (B / count,)
        return logits

    def check(self, size: int) -> None:
        """Raise UsageError when `count` does not divide a batch of `size`."""
        if size % self.count:
            raise UsageError(f"A batch of {size} cannot be packed by {self.count}; choose a batch size that {self.count} divides.")
