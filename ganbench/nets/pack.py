"""Packing. Lin et al. 2018 (PacGAN), arXiv:1712.04086, section 2: a discriminator that judges several samples together."""

from __future__ import annotations

from torch import Tensor, nn

from ganbench.errors import UsageError


def packed_shape(shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The shape of `count` samples joined along features (D,) or channels (C, H, W)."""
    return (shape[0] * count, *shape[1:])


class Packed(nn.Module):
    """`discriminator`, built for `packed_shape`, on groups of `count` neighbours of a batch: (B, C, ...) -> (B / count,) logits."""

    def __init__(self, discriminator: nn.Module, count: int) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B / count,). Raises UsageError when `count` does not divide the batch."""
        if len(x) % self.count:
            raise UsageError(f"A batch of {len(x)} cannot be packed by {self.count}; choose a batch size that {self.count} divides.")
        logits: Tensor = self.discriminator(x.reshape(-1, *packed_shape(x.shape[1:], self.count)))  # (B / count,)
        return logits
