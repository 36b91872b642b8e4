"""What a metric is: a pure function of the features of two sides, and the facts that the registry needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ganbench.errors import InvalidInputError

if TYPE_CHECKING:
    from torch import Tensor

    from ganbench.dataset import Modes
    from ganbench.extractor import Features, Statistics

T = TypeVar("T")

# "reference" is satisfied by FID statistics too, "reference-features" is not. "logits" are one set an image, (N, K). "labels" are
# the classes of both sides. "held-out" is real data that the generator was not trained on, beside the reference that it was. The
# samples themselves are "images", and "path" are steps along paths in the generator's latent space.
Need = Literal["reference", "reference-features", "held-out", "logits", "labels", "images", "path", "modes", "point-modes"]


@dataclass(frozen=True)
class PathSteps:
    """Short steps along paths between random latents: how far a generator's samples move in features (Karras et al. 2019)."""

    squared_distances: Tensor  # (N,) float64, between the features of a step's two ends
    epsilon: float  # the step's length, as a share of its path
    interpolation: Literal["slerp", "lerp"]


@dataclass(frozen=True)
class Evidence:
    """All that a metric may read: the features of both sides, and the modes of the data set where they are known.

    `held_out` are features of real data that the generator was not trained on; `images` the samples themselves, (N, C, H, W) uint8.
    Metrics that share an intermediate result ask for it with `once`, and it is computed for the first that asks.
    Raises InvalidInputError for features that no metric can read (see `Features.check`), so that none returns a number from them.
    """

    reference: Features | Statistics | None
    samples: Features
    modes: Modes | None = None
    held_out: Features | None = None
    images: Tensor | None = None
    path: PathSteps | None = None
    _kept: dict[Callable[[Evidence], Any], Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        self.samples.check("samples")
        for side, theirs in (("reference", self.reference), ("held-out data", self.held_out)):
            if theirs is None:
                continue
            theirs.check(side)
            if self.samples.width != theirs.width:
                raise InvalidInputError(
                    f"The samples have {self.samples.width} features and the {side} {theirs.width}; take both from one extractor."
                )

    def once(self, function: Callable[[Evidence], T]) -> T:
        """`function(self)`, computed at the first call."""
        if function not in self._kept:
            self._kept[function] = function(self)
        result: T = self._kept[function]
        return result


@dataclass(frozen=True)
class Value:
    """A metric's number, and its own error where it has one: `error_kind` names it ("std over 10 splits, ddof 0").

    `conventions` are those that the data settle (KID's subset size in small sets); they join the metric's own in the protocol.
    `notes` are sentences that a reader of this number must know.
    """

    value: float
    error: float | None = None
    error_kind: str | None = None
    conventions: dict[str, str | int | float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metric:
    """A score of samples.

    `conventions` are the plain values that change the number (splits, subset size, ddof): they stand in the protocol.
    `field_name` is the field's name for it in the features of the extractor `home` ("fid" in Inception's, "precision" in VGG's); in
    another network's features the score carries that network's name (`fd-digits-cnn`). None: the metric's name says all, for it
    reads no features. `least` and `most` bound what any samples can score; None: nothing does. `from_moments` is the same number
    from two sides, the samples first, of which mean and covariance are enough: where all metrics have it, features of large sets
    need not be kept.
    """

    name: str
    version: int
    better: Literal["higher", "lower"]
    needs: tuple[Need, ...]
    paper: str
    compute: Callable[[Evidence], Value]
    conventions: dict[str, str | int | float] = field(default_factory=dict)
    field_name: str | None = None
    home: str = "inception-v3-compat"
    least: float | None = None
    most: float | None = None
    from_moments: Callable[[Features | Statistics, Features | Statistics], Value] | None = None

    def label(self, extractor: str) -> str:
        """The name of the score in features of `extractor`."""
        if self.field_name is None:
            return self.name
        return self.field_name if extractor == self.home else f"{self.name}-{extractor}"
