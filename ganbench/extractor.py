"""What a feature extractor is: samples in, features and (where it has them) class logits out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ganbench.errors import InvalidInputError

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 512  # rows of features that are held in float64 at a time
ROUNDING = 1e-3  # of the largest number of a covariance: what float32 may leave of asymmetry and of negative eigenvalues


@dataclass(frozen=True)
class Features:
    """What an extractor says of N samples, on the CPU."""

    features: Tensor  # (N, F) float32 or float64, finite
    logits: Tensor | None = None  # (N, K), or (N, C, K) where each channel is classified by itself
    labels: Tensor | None = None  # (N,) int64, the classes of the items where they are known
    known_moments: Statistics | None = field(default=None, compare=False, repr=False)  # what `moments` gives, from a cache

    def __len__(self) -> int:
        return len(self.features)

    @property
    def width(self) -> int:
        """F, the number of features of one sample."""
        return self.features.shape[1]

    @functools.cached_property
    def moments(self) -> Statistics:
        """Mean (F,) and covariance (F, F), with N - 1, in float64; computed at the first call, in blocks of rows."""
        return self.known_moments or _moments(self.features)

    def take(self, rows: Tensor) -> Features:
        """The features, logits and labels of some rows: indices (n,) int64, or a mask (N,) bool."""
        logits, labels = (None if each is None else each[rows] for each in (self.logits, self.labels))
        return Features(self.features[rows], logits, labels)

    def check(self, side: str) -> None:
        """Raise InvalidInputError unless there are two rows or more, of (N, F) with F > 0, and all numbers are finite.

        `side` says whose they are ("samples", "reference"). The error counts the bad rows and names the first, from 0.
        """
        if self.features.ndim != 2 or self.width == 0:
            raise InvalidInputError(f"The features of the {side} have shape {tuple(self.features.shape)}; they must be (N, F).")
        count = len(self)
        if count < 2:
            raise InvalidInputError(f"The {side} have {count} rows of features, and a score needs at least 2; give more.")
        for what, rows in (("logits", self.logits), ("labels", self.labels)):
            if rows is not None and len(rows) != count:
                raise InvalidInputError(
                    f"The {side} have {count} rows of features and {len(rows)} of {what}; give one of each an item."
                )
        for what, numbers in (("features", self.features), ("logits", self.logits)):
            bad = [] if numbers is None else not_finite(numbers)
            refuse_not_finite(f"{what} of the {side}", bad, count)


def refuse_not_finite(what: str, bad: Sequence[int], count: int) -> None:
    """Raise InvalidInputError where there are bad rows of `count`, given by their indices."""
    if bad:
        raise InvalidInputError(
            f"The {what} are NaN or infinite in {len(bad)} of {count} rows, first in row {bad[0]} (from 0); "
            "leave those items out, or find out where they come from."
        )


def not_finite(numbers: Tensor) -> list[int]:
    """The indices of rows that hold NaN or infinite values, looked for in blocks that need little memory."""
    bad: list[int] = []
    for start, block in zip(range(0, len(numbers), BLOCK), numbers.split(BLOCK), strict=True):
        rows = (~block.isfinite()).flatten(1).any(dim=1).nonzero().flatten() + start
        bad += rows.tolist()
    return bad


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
        """Raise InvalidInputError unless the shapes are (F,) and (F, F), all numbers are finite, and sigma is a covariance.

        A covariance is symmetric and positive semi-definite, here up to 1e-3 of its largest number: float32 leaves less than that.
        """
        mean, covariance = self.mean, self.covariance
        if mean.ndim != 1 or len(mean) == 0 or covariance.shape != (len(mean), len(mean)):
            raise InvalidInputError(
                f"The {side}'s FID statistics have mu {tuple(mean.shape)} and sigma {tuple(covariance.shape)}; "
                "they must be (F,) and (F, F)."
            )
        if not (mean.isfinite().all() and covariance.isfinite().all()):
            raise InvalidInputError(f"The {side}'s FID statistics hold NaN or infinite values; compute them again.")
        covariance = covariance.double()
        largest = covariance.abs().max()
        asymmetry = (covariance - covariance.T).abs().max()
        if asymmetry > ROUNDING * largest:
            raise InvalidInputError(
                f"The {side}'s sigma is not symmetric (two entries that must be equal differ by {asymmetry:.3g}), so it is no "
                "covariance; compute the FID statistics again."
            )
        if largest > 0 and not _is_semi_definite(covariance / largest):
            raise InvalidInputError(
                f"The {side}'s sigma is not positive semi-definite (it gives some direction a negative variance), so it is no "
                "covariance; compute the FID statistics again."
            )


def mean_of(features: Tensor) -> Tensor:
    """The mean (F,) in float64 of features (N, F). Equal rows have exactly themselves as their mean, however large they are."""
    import torch

    first = torch.stack([block.sum(dim=0, dtype=torch.float64) for block in features.split(BLOCK)]).sum(dim=0) / len(features)
    rests = [torch.sub(block, first).sum(dim=0) for block in features.split(BLOCK)]
    return first + torch.stack(rests).sum(dim=0) / len(features)


def scatter(features: Tensor, centre: Tensor) -> Tensor:
    """The sum over rows x of features (N, F) of (x - centre) (x - centre)^T, (F, F), in float64 and in blocks of rows."""
    import numpy as np
    import torch
    from scipy.linalg import get_blas_funcs

    width = len(centre)
    total = torch.zeros(width, width, dtype=torch.float64, device=features.device)
    if features.device.type != "cpu":
        for block in features.split(BLOCK):
            centred = torch.sub(block, centre)  # (B, F) float64
            total.addmm_(centred.T, centred)
        return total
    syrk = get_blas_funcs("syrk", dtype=np.float64)  # one triangle is half of the work, and torch has no such product
    buffer = torch.empty(min(BLOCK, len(features)), width, dtype=torch.float64)
    for block in features.split(BLOCK):
        centred = torch.sub(block, centre, out=buffer[: len(block)])
        syrk(1.0, centred.numpy().T, beta=1.0, c=total.numpy().T, overwrite_c=True)
    for start in range(0, width, BLOCK):  # the other triangle
        stop = start + BLOCK
        total[start:stop, start:stop] += total[start:stop, start:stop].tril(-1).T
        total[start:stop, stop:] = total[stop:, start:stop].T
    return total


def _moments(features: Tensor) -> Statistics:
    mean = mean_of(features)
    return Statistics(mean, scatter(features, mean) / (len(features) - 1))


def _is_semi_definite(covariance: Tensor) -> bool:
    """Whether a matrix (F, F) with numbers of at most 1 has no eigenvalue below -ROUNDING; only its lower triangle is read."""
    import torch

    shifted = covariance + ROUNDING * torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    return int(torch.linalg.cholesky_ex(shifted).info) == 0


@dataclass(frozen=True)
class Loading:
    """How an extractor is wanted: the file of `--weights` (None: the extractor's own), the device, and whether its features must be
    equal to the bit to those of the implementation that it follows, at the same batch size, rather than fast."""

    weights: Path | None = None
    device: str = "cpu"
    exact: bool = False


@dataclass(frozen=True)
class LoadedExtractor:
    """An extractor with its weights, ready on a device.

    `extract(batch)` takes (B, C, H, W) uint8, or (B, D) float32 for points, on the CPU. `weights_hash` is the sha256 of the
    weights' file, None where there are no weights; `resize` says in words how an image comes to the network's input. `notes` are
    sentences that a reader of scores in these features must know. `arithmetic` says how the network is computed where that is not
    as its authors do, and `side` the pixels of its square input where images of other sizes are resized to it.
    """

    name: str
    version: int
    extract: Callable[[Tensor], Features]
    resize: str
    weights_hash: str | None = None
    notes: tuple[str, ...] = ()
    arithmetic: str | None = None
    side: int | None = None

    @property
    def facts(self) -> dict[str, str | int | float | bool | None]:
        """What the protocol tells of it."""
        facts: dict[str, str | int | float | bool | None] = {
            "name": self.name,
            "version": self.version,
            "weights_hash": self.weights_hash,
            "resize": self.resize,
        }
        return facts if self.arithmetic is None else {**facts, "arithmetic": self.arithmetic}


@dataclass(frozen=True)
class Extractor:
    """A feature extractor that can be loaded.

    `load(how)` raises MissingDataError with one sentence that says where the weights come from where they are not at hand, and
    InvalidInputError for a weights file that holds other things. `feature_count` is F, per channel where each channel is extracted
    by itself. `logits` says what class logits it gives, of `classes` classes: none, one set an image, or one set a channel (which
    for grey images is one an image).
    """

    name: str
    version: int
    paper: str
    feature_count: int | None
    load: Callable[[Loading], LoadedExtractor]
    logits: Literal["none", "image", "channel"] = "none"
    classes: int | None = None
