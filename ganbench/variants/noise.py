"""Noise: the ceiling of a distance, what a generator that has learned nothing would get.

Images: every byte uniform in 0..255. Points: uniform over a box centred on the training data, with twice their extent along each
axis. A box of just their extent would look too good: on a ring of modes its mean and covariance are nearly the data's (a Fréchet
distance of 0.03 on the unit circle, where the box of twice the extent has 0.4), and this row is there to look bad.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ganbench.variant import Control

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from ganbench.dataset import LoadedDataset


def draw(dataset: LoadedDataset, count: int, generator: Generator) -> Tensor:
    """`count` items of noise: (count, C, H, W) uint8 for images, (count, D) of the data's own type for points."""
    items = dataset.train.items
    if len(dataset.shape) > 1:
        return torch.randint(0, 256, (count, *dataset.shape), generator=generator, dtype=torch.uint8)
    low, high = items.amin(dim=0), items.amax(dim=0)  # (D,)
    offset = 2 * torch.rand(count, *dataset.shape, generator=generator, dtype=items.dtype) - 1  # (count, D) in [-1, 1)
    return (low + high) / 2 + offset * (high - low)


CONTROL = Control(name="noise", family="control", paper="", draw=draw)
