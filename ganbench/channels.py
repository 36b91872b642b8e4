"""Stacked digits: three random images as the three channels of one, so that ten classes make 1,000 modes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def stack_channels(images: Tensor, labels: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """`count` images (count, 3, H, W) uint8 and their modes (count,) int64, from grey images (N, 1, H, W) of ten classes.

    Each channel is an image drawn with replacement; the mode of classes a, b, c is 100 a + 10 b + c (PacGAN, Lin et al. 2018,
    arXiv:1712.04086, section 4.2). The draws are the raw bits of PCG64 modulo N, which no version of numpy changes.
    """
    import numpy as np
    import torch

    drawn = np.random.PCG64(seed).random_raw(3 * count).reshape(count, 3) % len(images)
    chosen = torch.from_numpy(drawn.astype(np.int64))  # (count, 3)
    stacked = images[:, 0][chosen]  # (count, 3, H, W)
    return stacked, labels[chosen] @ torch.tensor([100, 10, 1])
