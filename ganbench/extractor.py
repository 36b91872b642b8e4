"""What a feature extractor is: samples in, features and (where it has them) class logits out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Features:
    """What an extractor says of N samples, on the CPU."""

    features: Tensor  # (N, F) float32 or float64, finite
    logits: Tensor | None = None  # (N, K), or (N, C, K) where each channel is classified by itself

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class LoadedExtractor:
    """An extractor with its weights, ready on a device.

    `extract(batch)` takes (B, C, H, W) uint8, or (B, D) float32 for points, on the CPU. `weights_hash` is the sha256 of the
    weights' file, None where there are no weights; `resize` says in words how an image comes to the network's input.
    """

    name: str
    version: int
    extract: Callable[[Tensor], Features]
    resize: str
    weights_hash: str | None = None


@dataclass(frozen=True)
class Extractor:
    """A feature extractor that can be loaded.

    `load(weights, device)` takes the file of `--weights` or None for the extractor's own, and raises MissingDataError with one
    sentence that says where the weights come from. `feature_count` is F, per channel where each channel is extracted by itself.
    """

    name: str
    version: int
    paper: str
    feature_count: int | None
    load: Callable[[Path | None, str], LoadedExtractor]
