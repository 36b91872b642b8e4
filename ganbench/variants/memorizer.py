"""Training data handed out again: the generator that has learned nothing but copying.

A metric that is blind to copying calls it perfect. A random subset of the training part without replacement, so that no item is
drawn twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ganbench.errors import UsageError
from ganbench.variant import Control

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from ganbench.dataset import LoadedDataset


def draw(dataset: LoadedDataset, count: int, generator: Generator) -> Tensor:
    """`count` different training items (count, *shape). Raises UsageError when the training part has fewer."""
    items = dataset.train.items
    if count > len(items):
        raise UsageError(
            f"{count} samples are asked for, but the training part of {dataset.name} has {len(items)}; ask for no more than those."
        )
    return items[torch.randperm(len(items), generator=generator)[:count]]


CONTROL = Control(name="memorizer", family="control", paper="", draw=draw)
