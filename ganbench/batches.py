"""Real samples for training: which ones make up which batch, and where they lie."""

from __future__ import annotations

import torch
from torch import Tensor

from ganbench.dataset import LoadedDataset
from ganbench.errors import UsageError
from ganbench.generator import scaled
from ganbench.rng import stream


def check_batch_size(dataset: LoadedDataset, batch_size: int) -> None:
    """Raise UsageError when the training part does not fill one batch."""
    if batch_size > len(dataset.train):
        raise UsageError(
            f"The batch size {batch_size} is more than the {len(dataset.train)} training samples of {dataset.name}; "
            "set a smaller batch_size in the suite's overrides."
        )


class RealBatches:
    """Batches of the training part, by number: the data lie on the device whole, as uint8 where they are images."""

    def __init__(self, dataset: LoadedDataset, seeds: list[int], batch_size: int, device: str, dtype: torch.dtype) -> None:
        check_batch_size(dataset, batch_size)
        self.items = dataset.train.items.to(device)
        self.labels = None if dataset.train.labels is None else dataset.train.labels.to(device)
        self.inputs = None if dataset.train.inputs is None else dataset.train.inputs.to(device)
        self.seeds, self.batch_size, self.dtype = seeds, batch_size, dtype
        self.per_epoch = len(dataset.train) // batch_size
        self._epoch = -1
        self._order = torch.empty(0)

    def choose(self, number: int) -> Tensor:
        """Which samples make up batch `number`: (S, B) int64, on the device."""
        epoch, position = divmod(number, self.per_epoch)
        if epoch != self._epoch:
            orders = [torch.randperm(len(self.items), generator=stream(seed, "epoch", epoch)) for seed in self.seeds]
            self._order = torch.stack(orders).to(self.items.device)  # (S, N)
            self._epoch = epoch
        at = position * self.batch_size
        return self._order[:, at : at + self.batch_size]

    def take(self, chosen: Tensor) -> dict[str, Tensor]:
        """The chosen (S, B): real (S, B, *shape), images in [-1, 1], and labels (S, B) and inputs (S, B, C, H, W) if any."""
        batch = {"real": scaled(self.items[chosen], self.dtype)}
        if self.labels is not None:
            batch["labels"] = self.labels[chosen]
        if self.inputs is not None:
            batch["inputs"] = scaled(self.inputs[chosen], self.dtype)
        return batch
