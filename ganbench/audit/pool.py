"""The real data of an audit: one pool of both parts of a data set, split at random again for every repeat, and its features."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench.audit.damage import Damage, Draw, Subject
from ganbench.dataset import LoadedDataset
from ganbench.errors import UsageError
from ganbench.extractor import Features, LoadedExtractor
from ganbench.rng import stream

PARTS = 6  # the pool is 2 N of reference, N of held-out and 3 N of unseen data
USUAL_COUNT = 1000  # N where the user does not say, if the data are that many
SMALLEST_COUNT = 32  # of which the strongest repetition and the fewest samples leave one and two
BATCH_SIZE = 256

Report = Callable[[str, int, int], None]  # what is done, how much of how much


@dataclass(frozen=True)
class Pool:
    """6 N real items with the classes that their data set gives them."""

    items: Tensor  # (6 N, C, H, W) uint8 or (6 N, D) floats
    labels: Tensor | None  # (6 N,) int64
    subject: Subject

    def draw(self, seed: int, position: int) -> Draw:
        """The split of one repeat."""
        count = self.subject.count
        order = torch.randperm(len(self.items), generator=stream(seed, "audit split", position))
        reference, held_out, unseen = order.split([2 * count, count, 3 * count])
        return Draw(reference, held_out, unseen, count, self.labels)


def pool_of(dataset: LoadedDataset, count: int | None, seed: int) -> Pool:
    """6 N items of both parts of a data set, drawn at random without replacement; N is `count`, or at most 1,000.

    Raises UsageError where the data are fewer than 6 N items, or N is less than 32.
    """
    parts = (dataset.train, dataset.test)
    there = sum(map(len, parts))
    chosen = min(there // PARTS, USUAL_COUNT) if count is None else count
    if chosen < SMALLEST_COUNT:
        raise UsageError(
            f"An audit needs {SMALLEST_COUNT} samples or more, and {PARTS} times as many real items; these are {chosen} samples of "
            f"{there} items. Give more."
        )
    if PARTS * chosen > there:
        raise UsageError(
            f"{chosen} samples need {PARTS * chosen} real items for the reference, the held-out and the unseen data, and "
            f"{dataset.name} has {there}; ask for {there // PARTS} samples at most."
        )
    rows = torch.randperm(there, generator=stream(seed, "audit pool"))[: PARTS * chosen]
    items = torch.cat([part.items for part in parts])[rows]
    known = [part.labels for part in parts if part.labels is not None]
    labels = torch.cat(known)[rows] if len(known) == len(parts) else None
    classes = 0 if labels is None else len(labels.unique())
    return Pool(items, labels, Subject(tuple(items.shape[1:]), classes, chosen, standard_deviation(items)))


def standard_deviation(items: Tensor) -> float:
    """The standard deviation (ddof 0) of all numbers in items (N, ...), in float64, a block at a time."""
    blocks = items.split(BATCH_SIZE)
    mean = sum(float(block.sum(dtype=torch.float64)) for block in blocks) / items.numel()
    squares = sum(float((block.double() - mean).square().sum()) for block in blocks)
    return float((squares / items.numel()) ** 0.5)


def change_items(pool: Pool, damage: Damage, strength: float, seed: int) -> Tensor | None:
    """All items of the pool changed, or None for a damage that changes none."""
    if damage.change is None:
        return None
    generator = stream(seed, f"audit {damage.name}", round(1000 * strength))
    return torch.cat([damage.change(block, strength, pool.subject, generator) for block in pool.items.split(BATCH_SIZE)])


def extract(extractor: LoadedExtractor, items: Tensor, labels: Tensor | None, what: str, report: Report) -> Features:
    """Features of items (N, ...) with their classes. Raises InvalidInputError where one is not finite."""
    batches: list[Features] = []
    for block in items.split(BATCH_SIZE):
        batches.append(extractor.extract(block))
        report(what, sum(map(len, batches)), len(items))
    features = dataclasses.replace(join(batches), labels=labels)
    features.check(what)
    return features


def join(parts: list[Features]) -> Features:
    """The rows of several features one after another; logits and labels where each has them."""
    logits = [part.logits for part in parts if part.logits is not None]
    labels = [part.labels for part in parts if part.labels is not None]
    return Features(
        torch.cat([part.features for part in parts]),
        torch.cat(logits) if len(logits) == len(parts) else None,
        torch.cat(labels) if len(labels) == len(parts) else None,
    )
