"""Which of the samples that are there are taken, and batches of what is in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ganbench.errors import InvalidInputError, UsageError
from ganbench.rng import stream
from ganbench.sources.samples import Reading


def choose(reading: Reading, source: str, available: int) -> tuple[Tensor, tuple[str, ...]]:
    """The indices (N,) of the chosen ones, with a note where they are not all: the head of a permutation drawn by the seed.

    Raises UsageError when more are wanted than there are, InvalidInputError where there are fewer than two.
    """
    if available < 2:
        raise InvalidInputError(f"{source} holds fewer than two samples ({available}); give more.")
    if reading.count is None or reading.count == available:
        return torch.arange(available), ()
    if reading.count > available:
        raise UsageError(f"{reading.count} samples are asked of {source}, which holds {available}; ask for {available} or fewer.")
    chosen = torch.randperm(available, generator=stream(reading.seed, "choose samples"))[: reading.count]
    return chosen, (f"{reading.count} of the {available} in {source}, chosen by seed {reading.seed}",)


def slices(items: Tensor) -> Callable[[int], Iterator[Tensor]]:
    """`Samples.read` of items in memory."""

    def read(batch_size: int) -> Iterator[Tensor]:
        yield from items.split(batch_size)

    return read
