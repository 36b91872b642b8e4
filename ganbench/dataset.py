"""What a data set is: two parts, a training part and a held-out part, with their content hashes, licence and known modes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.files import digest

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PointModes:
    """Modes of a mixture of Gaussians in the plane: their centres and the one standard deviation."""

    centres: tuple[tuple[float, ...], ...]
    sigma: float

    @property
    def count(self) -> int:
        """How many modes there are."""
        return len(self.centres)


@dataclass(frozen=True)
class ClassModes:
    """Modes that a classifier tells apart: `classes ** channels` of them, a digit a channel, the first channel most significant."""

    classes: int
    channels: int = 1

    @property
    def count(self) -> int:
        """How many modes there are."""
        return int(self.classes**self.channels)


Modes = PointModes | ClassModes


@dataclass(frozen=True)
class Part:
    """One part of a data set, whole in memory."""

    name: str  # "train" or "test"
    items: Tensor  # (N, C, H, W) uint8 or (N, D) float32
    labels: Tensor | None = None  # (N,) int64

    def __len__(self) -> int:
        return len(self.items)

    @functools.cached_property
    def hash(self) -> str:
        """sha256 of the items' shape, type and bytes; labels are not part of it."""
        items = self.items.contiguous()
        head = f"{items.dtype}{tuple(items.shape)}".encode()
        return digest(head + items.numpy().tobytes())


@dataclass(frozen=True)
class LoadedDataset:
    """A data set in memory. `name` is as the user wrote it, with the path of a folder or zip."""

    name: str
    train: Part
    test: Part
    classes: int | None = None
    modes: Modes | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(D,) for points, (C, H, W) for images."""
        return tuple(self.train.items.shape[1:])


@dataclass(frozen=True)
class Location:
    """Where data may come from: the root folder that the user named, leave to download, and the PATH of `folder:PATH`."""

    root: Path | None = None
    download: bool = False
    path: str | None = None


@dataclass(frozen=True)
class Dataset:
    """A data set that can be loaded.

    `extractor` and `metrics` are what it is scored with where the user does not say; `samples` is how many are drawn from a
    generator to score it. `load` raises MissingDataError (with where the data come from) or InvalidInputError.
    """

    name: str
    version: int
    licence: str
    source: str
    extractor: str
    metrics: tuple[str, ...]
    samples: int
    load: Callable[[Location], LoadedDataset]
    needs: str = ""  # "root": --data-root; "path": NAME:PATH; empty: nothing
