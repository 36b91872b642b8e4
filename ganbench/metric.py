"""What a metric is: a pure function of the features of two sides, and the facts that the registry needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ganbench.errors import InvalidInputError

if TYPE_CHECKING:
    from ganbench.dataset import Modes
    from ganbench.extractor import Features, Statistics

T = TypeVar("T")

# "reference" is satisfied by FID statistics too, "reference-features" is not. "logits" are one set an image, (N, K).
Need = Literal["reference", "reference-features", "logits", "modes", "point-modes"]


@dataclass(frozen=True)
class Evidence:
    """All that a metric may read: the features of both sides, and the modes of the data set where they are known.

    Metrics that share an intermediate result ask for it with `once`, and it is computed for the first that asks.
    Raises InvalidInputError for features that no metric can read (see `Features.check`), so that none returns a number from them.
    """

    reference: Features | Statistics | None
    samples: Features
    modes: Modes | None = None
    _kept: dict[Callable[[Evidence], Any], Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        self.samples.check("samples")
        if self.reference is not None:
            self.reference.check("reference")
            ours, theirs = self.samples.width, self.reference.width
            if ours != theirs:
                raise InvalidInputError(
                    f"The samples have {ours} features and the reference has {theirs}; take both from one extractor."
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
    `inception_name` is the field's name for it in Inception's features ("fid"); in another network's features it carries that
    network's name (`fd-digits-cnn`). None: the metric's name says all.
    """

    name: str
    version: int
    better: Literal["higher", "lower"]
    needs: tuple[Need, ...]
    paper: str
    compute: Callable[[Evidence], Value]
    conventions: dict[str, str | int | float] = field(default_factory=dict)
    inception_name: str | None = None

    def label(self, extractor: str) -> str:
        """The name of the score in features of `extractor`."""
        if self.inception_name is None:
            return self.name
        return self.inception_name if extractor == "inception-v3-compat" else f"{self.name}-{extractor}"
