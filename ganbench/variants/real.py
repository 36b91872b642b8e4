"""Held-out data: the floor of a score, what a generator that had learned the distribution itself would get.

The first `count` items of a random permutation of the test part, so that no item is drawn twice. Where that is the whole part,
every seed has the same permutation: its scores are then equal, and not just but for rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ganbench.errors import UsageError
from ganbench.rng import stream
from ganbench.variant import Control

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from ganbench.dataset import LoadedDataset


def draw(dataset: LoadedDataset, count: int, generator: Generator) -> Tensor:
    """`count` different test items (count, *shape). Raises UsageError when the test part has fewer."""
    items = dataset.test.items
    if count > len(items):
        raise UsageError(
            f"{count} samples are asked for, but the test part of {dataset.name} has {len(items)}; ask for no more than those."
        )
    order = torch.randperm(len(items), generator=generator if count < len(items) else stream(0, "whole test part"))
    return items[order[:count]]


CONTROL = Control(name="real", family="control", paper="", draw=draw)
