"""Real samples for training: which ones make up which batch, and where they lie."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterator

import torch
from torch import Tensor

from ganbench.dataset import LoadedDataset
from ganbench.errors import UsageError
from ganbench.generator import scaled
from ganbench.images.ahead import ahead
from ganbench.rng import stream

log = logging.getLogger(__name__)
ROOM = 0.5  # of a device's free memory: data that take more of it stay in the host's

Drawn = dict[str, Tensor]  # a batch as it is drawn, on the device: places in the data that lie there, or its own raw items


def check_batch_size(dataset: LoadedDataset, batch_size: int) -> None:
    """Raise UsageError when the training part does not fill one batch."""
    if batch_size > len(dataset.train):
        raise UsageError(
            f"The batch size {batch_size} is more than the {len(dataset.train)} training samples of {dataset.name}; "
            "set a smaller batch_size in the suite's overrides."
        )


class RealBatches:
    """Batches of the training part, by number, as uint8 where they are images.

    The data lie on the device whole (`on_device`), unless they take too much of a GPU's free memory: then they stay in the host's,
    and a thread gathers batches ahead. Which samples make up a batch is the same.
    """

    def __init__(
        self,
        dataset: LoadedDataset,
        seeds: list[int],
        batch_size: int,
        device: str,
        dtype: torch.dtype,
        on_device: bool | None = None,
    ) -> None:
        check_batch_size(dataset, batch_size)
        part = dataset.train
        given = {"real": part.items, "labels": part.labels, "inputs": part.inputs}
        held = {name: tensor for name, tensor in given.items() if tensor is not None}
        self.on_device = has_room(held, dataset.name, device) if on_device is None else on_device
        self.held = {name: tensor.to(device) for name, tensor in held.items()} if self.on_device else held
        self.seeds, self.batch_size, self.device, self.dtype = seeds, batch_size, device, dtype
        self.per_epoch = len(part) // batch_size
        self._epoch = -1
        self._order = torch.empty(0)
        self._choosing = threading.Lock()  # a reader that was left may still be at work when the next one begins
        self._gathered: Iterator[Drawn] = iter(())
        self._next = -1  # the number of the batch that it gives next

    def draw(self, number: int) -> Drawn:
        """Batch `number`, for `take`: (S, B) int64 places of its samples, or where the data are the host's, (S, B, ...) each."""
        if self.on_device:
            return {"chosen": self._choose(number)}
        if number != self._next:  # the first one, or a training that was resumed
            self._gathered = ahead(self._gather, itertools.count(number), 1)
        self._next = number + 1
        return {name: tensor.to(self.device, non_blocking=True) for name, tensor in next(self._gathered).items()}

    def take(self, drawn: Drawn) -> Drawn:
        """What was drawn: real (S, B, *shape), images in [-1, 1], and labels (S, B) and inputs (S, B, C, H, W) if any."""
        raw = {name: tensor[drawn["chosen"]] for name, tensor in self.held.items()} if self.on_device else drawn
        return {name: tensor if name == "labels" else scaled(tensor, self.dtype) for name, tensor in raw.items()}

    def _choose(self, number: int) -> Tensor:
        """Which samples make up batch `number`: (S, B) int64."""
        epoch, position = divmod(number, self.per_epoch)
        if epoch != self._epoch:
            count = len(self.held["real"])
            orders = [torch.randperm(count, generator=stream(seed, "epoch", epoch)) for seed in self.seeds]
            self._order = torch.stack(orders).to(self.held["real"].device)  # (S, N)
            self._epoch = epoch
        at = position * self.batch_size
        return self._order[:, at : at + self.batch_size]

    def _gather(self, number: int) -> Drawn:
        """The raw items of a batch in the host's memory, pinned for a GPU: it then copies them while it computes."""
        with self._choosing:
            chosen = self._choose(number)
        pinned = self.device.startswith("cuda")
        gathered = {}
        for name, tensor in self.held.items():
            rows = torch.empty(chosen.numel(), *tensor.shape[1:], dtype=tensor.dtype, pin_memory=pinned)
            torch.index_select(tensor, 0, chosen.flatten(), out=rows)
            gathered[name] = rows.unflatten(0, chosen.shape)  # (S, B, ...)
        return gathered


def has_room(held: dict[str, Tensor], name: str, device: str) -> bool:
    """Whether data of this name, as they are held, leave room for networks on the device: always on a CPU.

    Logs a line where they would take more than half of a GPU's free memory.
    """
    if not device.startswith("cuda"):
        return True
    wanted, (free, _) = sum(tensor.nbytes for tensor in held.values()), torch.cuda.mem_get_info(device)
    if wanted > ROOM * free:
        log.warning(
            "%s takes %.1f GiB, and %s has %.1f free: it stays in the host's memory, and batches are read ahead.",
            name,
            wanted / 2**30,
            device,
            free / 2**30,
        )
    return wanted <= ROOM * free
