"""One side of a comparison before it is read, and how the user wants it read."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from ganbench.dataset import Dataset, Modes, content_hash
from ganbench.generator import quantisation_of

if TYPE_CHECKING:
    from ganbench.extractor import Statistics

PartName = Literal["train", "test"]


@dataclass(frozen=True)
class GeneratorOptions:
    """What a generator from elsewhere cannot say of itself.

    `classes`: labels 0..classes-1 are drawn evenly and given as a second input. `value_range` is that of floating-point images.
    `model` is the `module:factory` that builds the network of a state dict. `trust` allows files that hold code or pickles.
    """

    latent_dim: int | None = None
    latent_law: Literal["normal", "uniform"] = "normal"
    classes: int | None = None
    value_range: tuple[float, float] = (-1.0, 1.0)
    model: str | None = None
    trust: bool = False


@dataclass(frozen=True)
class Reading:
    """How an input is read.

    `count` samples are wanted (None: all there are, and of a generator the usual number), chosen or drawn by `seed`. `features`:
    arrays hold (N, F) features already. `skip_bad` leaves out image files that do not decode, and counts them in a note. `report`
    hears what is read before samples are known (headers), and how many of how many. `known` tells of the outline of a set of images
    whether their features are probably kept, so that their pixels are not wanted.
    """

    count: int | None = None
    seed: int = 0
    default_part: PartName = "test"
    device: str = "cpu"
    variant_file: Path | None = None
    features: bool = False
    skip_bad: bool = False
    generator: GeneratorOptions = field(default_factory=GeneratorOptions)
    report: Callable[[str, int, int], None] = lambda what, done, total: None
    known: Callable[[str], bool] = lambda outline: False


@dataclass(frozen=True)
class PathEnds:
    """Samples at both ends of short steps along paths between random latents; `read` gives them in pairs of batches.

    Images are floats in 0..255 that are not rounded: a step moves a pixel by far less than one level, so that rounding would leave
    noise alone.
    """

    count: int
    epsilon: float
    interpolation: Literal["slerp", "lerp"]
    read: Callable[[int], Iterator[tuple[Tensor, Tensor]]]  # batch size -> two of (B, C, H, W) or (B, D) float32


@dataclass(frozen=True)
class Samples:
    """Samples of one side of a comparison. Reading is put off: `read(batch_size)` decodes or draws each one once, in order.

    `source` says what they are: "mnist:test", "folder:generated", "samples.npz", "wgan-gp:seed-0.safetensors". `fingerprint` is a
    sha256 of all that the samples depend on, known without reading them (file bytes; weights, seed and count); None where only
    reading tells. `paths(count, seed)` is there for generators. `modes`, `dataset_name` and `dataset` are None where the input does
    not tell them. `jpeg` counts the files that were stored with loss. `are_features`: the items are features (N, F) already.
    `outline` is a sha256 of what is known of image files before all of them are opened: it only says what to expect.
    """

    source: str
    count: int
    shape: tuple[int, ...]  # of one item: (C, H, W) or (D,)
    read: Callable[[int], Iterator[Tensor]]  # batches of (B, C, H, W) uint8, or of (B, D) float32 or float64
    fingerprint: str | None = None
    labels: Tensor | None = None  # (N,) int64
    modes: Modes | None = None
    dataset_name: str | None = None
    dataset: Dataset | None = None
    notes: tuple[str, ...] = ()
    jpeg: int = 0
    are_features: bool = False
    paths: Callable[[int, int], PathEnds] | None = None
    held: Tensor | None = None  # the items, where they are in memory anyhow
    outline: str | None = None

    def __len__(self) -> int:
        return self.count

    @functools.cached_property
    def items(self) -> Tensor:
        """All of them in memory, read at the first call: (N, C, H, W) uint8 or (N, D) floats."""
        return torch.cat(list(self.read(256))) if self.held is None else self.held

    @functools.cached_property
    def hash(self) -> str:
        """`content_hash` of the items: that of a data set's part where they are all of it."""
        return content_hash(self.items)

    @property
    def quantisation(self) -> str:
        """How the items came to be what they are, for the protocol."""
        return quantisation_of(len(self.shape) == 3)


def in_memory(source: str, items: Tensor, labels: Tensor | None = None, fingerprint: str | None = None) -> Samples:
    """Items (N, C, H, W) uint8 or (N, D) floats as one side."""
    return Samples(
        source, len(items), tuple(items.shape[1:]), lambda size: iter(items.split(size)), fingerprint, labels, held=items
    )


@dataclass(frozen=True)
class StoredStatistics:
    """FID statistics (`mu`, `sigma`) as a reference: no samples are at hand. `hash` is the sha256 of the file."""

    source: str
    statistics: Statistics
    hash: str
