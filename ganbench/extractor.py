"""What a feature extractor is: samples in, features and (where it has them) class logits out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ganbench.errors import InvalidInputError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Features:
    """What an extractor says of N samples, on the CPU."""

    features: Tensor  # (N, F) float32 or float64, finite
    logits: Tensor | None = None  # (N, K), or (N, C, K) where each channel is classified by itself

    def __len__(self) -> int:
        return len(self.features)

    @property
    def width(self) -> int:
        """F, the number of features of one sample."""
        return self.features.shape[1]

    def check(self, side: str) -> None:
        """Raise InvalidInputError unless there are two rows or more, of (N, F) with F > 0, and all numbers are finite.

        `side` says whose they are ("samples", "reference"). The error counts the bad rows and names the first, from 0.
        """
        if self.features.ndim != 2 or self.width == 0:
            raise InvalidInputError(f"The features of the {side} have shape {tuple(self.features.shape)}; they must be (N, F).")
        count = len(self)
        if count < 2:
            raise InvalidInputError(f"The {side} have {count} rows of features, and a score needs at least 2; give more.")
        if self.logits is not None and len(self.logits) != count:
            raise InvalidInputError(
                f"The {side} have {count} rows of features and {len(self.logits)} of logits; give one of each an item."
            )
        for what, numbers in (("features", self.features), ("logits", self.logits)):
            bad = [] if numbers is None else (~numbers.isfinite()).flatten(1).any(dim=1).nonzero().flatten().tolist()
            if bad:
                raise InvalidInputError(
                    f"The {what} of the {side} are NaN or infinite in {len(bad)} of {count} rows, first in row {bad[0]} (from 0); "
                    "leave those items out, or find out where they come from."
                )


@dataclass(frozen=True)
class Statistics:
    """Mean and covariance of features that are not at hand themselves, as an FID statistics file holds them (`mu`, `sigma`)."""

    mean: Tensor  # (F,)
    covariance: Tensor  # (F, F), as the file's writer normalised it

    @property
    def width(self) -> int:
        """F, the number of features."""
        return len(self.mean)

    def check(self, side: str) -> None:
        """Raise InvalidInputError unless the shapes are (F,) and (F, F), all numbers finite, and the covariance symmetric."""
        mean, covariance = self.mean, self.covariance
        if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
            raise InvalidInputError(
                f"The {side}'s FID statistics have mu {tuple(mean.shape)} and sigma {tuple(covariance.shape)}; "
                "they must be (F,) and (F, F)."
            )
        if not (mean.isfinite().all() and covariance.isfinite().all()):
            raise InvalidInputError(f"The {side}'s FID statistics hold NaN or infinite values; compute them again.")
        if (covariance - covariance.T).abs().max() > 1e-3 * covariance.abs().max():
            raise InvalidInputError(
                f"The {side}'s sigma is not symmetric, so it is no covariance; compute the FID statistics again."
            )


@dataclass(frozen=True)
class LoadedExtractor:
    """An extractor with its weights, ready on a device.

    `extract(batch)` takes (B, C, H, W) uint8, or (B, D) float32 for points, on the CPU. `weights_hash` is the sha256 of the
    weights' file, None where there are no weights; `resize` says in words how an image comes to the network's input. `notes` are
    sentences that a reader of scores in these features must know.
    """

    name: str
    version: int
    extract: Callable[[Tensor], Features]
    resize: str
    weights_hash: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extractor:
    """A feature extractor that can be loaded.

    `load(weights, device)` takes the file of `--weights` or None for the extractor's own, and raises MissingDataError with one
    sentence that says where the weights come from. `feature_count` is F, per channel where each channel is extracted by itself.
    `logits` says what class logits it gives: none, one set an image, or one set a channel (which for grey images is one an image).
    """

    name: str
    version: int
    paper: str
    feature_count: int | None
    load: Callable[[Path | None, str], LoadedExtractor]
    logits: Literal["none", "image", "channel"] = "none"
