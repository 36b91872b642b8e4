"""What a damage is: a rule that picks rows of real data, and where it needs one a change of the items, at graded levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

Kind = Literal["modes", "copies", "quality", "size"]


@dataclass(frozen=True)
class Subject:
    """The facts of the data that say which damages apply, and at which levels.

    `classes` is how many classes the labels show, 0 where there are no labels. `scale` is the standard deviation of all numbers in
    the data: the unit of noise.
    """

    shape: tuple[int, ...]  # of one item: (C, H, W) or (D,)
    classes: int
    count: int  # N, how many samples are scored
    scale: float

    @property
    def is_image(self) -> bool:
        """Whether the items are images rather than points."""
        return len(self.shape) == 3


@dataclass(frozen=True)
class Draw:
    """One random split of the pool: row numbers, no row in two parts."""

    reference: Tensor  # (2 N,) int64: what the generator is said to be trained on
    held_out: Tensor  # (N,)
    unseen: Tensor  # (3 N,) in random order; the first N are the samples, and the others replace those that a damage removes
    count: int
    labels: Tensor | None  # (rows of the pool,) int64

    @property
    def samples(self) -> Tensor:
        """The rows (N,) that are scored where there is no damage."""
        return self.unseen[: self.count]

    def labels_of(self, rows: Tensor) -> Tensor:
        """The classes of some rows, of data that have them."""
        assert self.labels is not None, "damages of classes apply to data with labels only"
        return self.labels[rows]


@dataclass(frozen=True)
class Chosen:
    """The damaged samples: rows of the pool, and which of them are shown changed."""

    rows: Tensor  # (n,) int64
    changed: Tensor  # (n,) bool

    @property
    def distinct(self) -> float:
        """The share of the rows that are distinct, 0 to 1."""
        return len(torch.unique(self.rows * 2 + self.changed)) / len(self.rows)


@dataclass(frozen=True)
class Damage:
    """A damage at graded levels.

    `levels(subject)` go from weak to strong, in `unit`; empty where the damage does not apply. `choose(draw, level, generator)`
    picks the rows. `change(items, strength, subject, generator)` gives changed items of the same shape and type; its strength is
    the level, or `strength` at all levels where that is not None. `kind` groups the damages: to a metric without bias "size" is
    no damage.
    """

    name: str
    kind: Kind
    unit: str
    levels: Callable[[Subject], tuple[float, ...]]
    choose: Callable[[Draw, float, Generator], Chosen]
    change: Callable[[Tensor, float, Subject, Generator], Tensor] | None = None
    strength: float | None = None

    def strength_at(self, level: float) -> float:
        """How strong the change of the items is at a level."""
        return level if self.strength is None else self.strength
