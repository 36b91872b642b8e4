"""What a data set is: two parts, a training part and a held-out part, with their content hashes, licence and known modes."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench import registry
from ganbench.errors import InvalidInputError, UsageError

if TYPE_CHECKING:
    import torch
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
    inputs: Tensor | None = None  # (N, C, H, W) uint8, what each item is made from by image-to-image variants

    def __len__(self) -> int:
        return len(self.items)

    @functools.cached_property
    def hash(self) -> str:
        """`content_hash` of the items; labels and inputs are not part of it."""
        return content_hash(self.items)


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

    @property
    def inputs(self) -> tuple[int, ...] | None:
        """The shape of what an item is made from, where the data are pairs."""
        return None if self.train.inputs is None else tuple(self.train.inputs.shape[1:])


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
    modes: int | None = None  # how many its data have, where they are known: as many as what `load` returns says
    needs: str = ""  # "root": --data-root; "path": NAME:PATH; empty: nothing


def content_hash(items: Tensor) -> str:
    """sha256 (64 hex digits) of the items' shape, type and bytes."""
    summed = hashlib.sha256(content_header(items.dtype, tuple(items.shape)))
    summed.update(items.contiguous().numpy().data)
    return summed.hexdigest()


def content_header(dtype: torch.dtype, shape: tuple[int, ...]) -> bytes:
    """What a content hash starts with, for those who hash items as they read them."""
    return f"{dtype}{shape}".encode()


def find_dataset(reference: str) -> tuple[Dataset, str | None]:
    """The data set that `reference` names, and the PATH where the reference is NAME:PATH.

    `reference` is a registered name (`mnist`), NAME:PATH for one that reads a path (`folder:PATH`), or a Python file's path.
    Raises UsageError for a name that is not known, and for a path that is missing or that the data set does not take, and
    InvalidInputError for a file that defines something else.
    """
    name, _, path = (reference, "", "") if reference.endswith(".py") else reference.partition(":")
    dataset: Dataset = registry.find("datasets", name).load()
    if dataset.needs == "path" and not path:
        raise UsageError(f"The data set {name!r} reads a path; write {name}:PATH.")
    if dataset.needs != "path" and path:
        raise UsageError(
            f"The data set {name!r} takes no path such as {path!r}; write {name}, or to score {name}:train or {name}:test."
        )
    return dataset, path or None


def load_dataset(reference: str, location: Location) -> LoadedDataset:
    """The data set that `reference` names (see `find_dataset`), in memory and checked.

    Raises UsageError for a reference that cannot be right, MissingDataError where the data are not on this machine, and
    InvalidInputError where they are not what a data set must be.
    """
    dataset, path = find_dataset(reference)
    loaded = dataset.load(replace(location, path=path))
    for part in (loaded.train, loaded.test):
        _check(f"The {part.name} part of {reference}", part, loaded)
    return loaded


def _check(where: str, part: Part, loaded: LoadedDataset) -> None:
    import torch

    items, labels = part.items, part.labels
    images = items.ndim == 4 and items.dtype == torch.uint8
    points = items.ndim == 2 and items.dtype == torch.float32
    if not (images or points) or items.numel() == 0:
        raise InvalidInputError(
            f"{where} is {items.dtype} of shape {tuple(items.shape)}; images are (N, C, H, W) uint8 and points (N, D) float32."
        )
    if tuple(items.shape[1:]) != loaded.shape:
        raise InvalidInputError(
            f"{where} has items of shape {tuple(items.shape[1:])}, its train part {loaded.shape}; make them equal."
        )
    if points and not items.isfinite().all():
        raise InvalidInputError(f"{where} holds NaN or infinite values; leave those points out.")
    if labels is not None and (labels.shape != items.shape[:1] or labels.dtype != torch.int64):
        raise InvalidInputError(
            f"{where} has labels of shape {tuple(labels.shape)} and {labels.dtype}; they are ({len(part)},) int64."
        )
    if part.inputs is not None and (part.inputs.ndim != 4 or len(part.inputs) != len(part) or part.inputs.dtype != torch.uint8):
        raise InvalidInputError(
            f"{where} has inputs of shape {tuple(part.inputs.shape)}, {part.inputs.dtype}; they are ({len(part)}, C, H, W) uint8."
        )
