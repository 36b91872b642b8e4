"""What one extractor says of a side, batch by batch: rows of features in one block of memory, or no more than their moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ganbench.errors import InvalidInputError
from ganbench.extractor import BLOCK, Features, LoadedExtractor, Statistics, not_finite, refuse_not_finite
from ganbench.moments import Moments, merge_moments, moments_of


class Collected:
    """The features under an extractor of those of `total` items that are `here`, in this process: all, or its share.

    Where moments suffice, features of more than `most_bytes`, and of more items than features, are merged into moments in float64
    as they come. `most_bytes` is None where rows are wanted.
    """

    def __init__(self, extractor: LoadedExtractor, total: int, here: range, most_bytes: int | None) -> None:
        self.extractor, self.total, self.here, self.most_bytes = extractor, total, here, most_bytes
        self.rows: _Rows | _Merged | None = None

    def add(self, batch: Tensor) -> None:
        """Extract the next items. Raises InvalidInputError for an extractor that loses rows."""
        said = self.extractor.extract(batch)
        if len(said) != len(batch):
            raise InvalidInputError(
                f"The extractor {self.extractor.name} gave {len(said)} rows of features for {len(batch)} items; mend it."
            )
        if self.rows is None:
            self.rows = _Merged(self.here.start) if self._is_merged(said.features) else _Rows(said, len(self.here))
        self.rows.add(said)

    def join(self, side: str) -> Features | Statistics:
        """All that was said. Raises InvalidInputError for features that cannot be scored (`Features.check`)."""
        assert self.rows is not None, "a side has two items or more"
        return self.rows.join(side)

    def share(self) -> dict[str, Tensor]:
        """What was said in this process of several, for `join_shares`; nothing where it has no items."""
        return {} if self.rows is None else self.rows.share(self.total)

    def _is_merged(self, first: Tensor) -> bool:
        if self.most_bytes is None or first.ndim != 2:
            return False
        width = first.shape[1]
        return self.total > width and self.total * width * first.element_size() > self.most_bytes


def join_shares(shares: Sequence[dict[str, Tensor]], side: str) -> Features | Statistics:
    """What an extractor said in every process, from their shares in their order. Raises as `Collected.join`."""

    def each(what: str) -> list[Tensor]:
        return [share[what] for share in shares if what in share]

    counts = [int(count) for count in each("count")]
    sums = [Moments(*fields) for fields in zip(counts, each("mean"), each("scatter"), strict=True)]
    if bad := each("bad"):
        refuse_not_finite(f"features of the {side}", torch.cat(bad).tolist(), sum(counts))
        return merge_moments(sums).statistics
    joined = Features(torch.cat(each("features")), torch.cat(each("logits")) if each("logits") else None)
    joined.check(side)
    return replace(joined, known_moments=merge_moments(sums).statistics) if sums else joined


def _summed(moments: Moments) -> dict[str, Tensor]:
    return {"count": torch.tensor(moments.count), "mean": moments.mean, "scatter": moments.scatter}


class _Rows:
    def __init__(self, first: Features, total: int) -> None:
        self.filled = 0
        try:
            self.features = first.features.new_empty((total, *first.features.shape[1:]))
            self.logits = None if first.logits is None else first.logits.new_empty((total, *first.logits.shape[1:]))
        except RuntimeError:
            raise InvalidInputError(
                f"Features {tuple(first.features.shape[1:])} of {total:,} samples do not fit into memory; score fewer of them with "
                "--n, or ask for fd alone, which needs no more than their moments."
            ) from None

    def add(self, said: Features) -> None:
        rows = slice(self.filled, self.filled + len(said))
        self.features[rows] = said.features
        if self.logits is not None and said.logits is not None:
            self.logits[rows] = said.logits
        self.filled += len(said)

    def join(self, side: str) -> Features:
        joined = Features(self.features[: self.filled], None if self.logits is None else self.logits[: self.filled])
        joined.check(side)
        return joined

    def share(self, total: int) -> dict[str, Tensor]:
        found = {"features": self.features[: self.filled]}
        if self.logits is not None:
            found["logits"] = self.logits[: self.filled]
        # Moments cost more than rows to send and to join where features are many.
        worth_it = self.features.ndim == 2 and total > self.features.shape[1]
        return found | _summed(moments_of(found["features"])) if worth_it else found


class _Merged:
    def __init__(self, start: int) -> None:
        self.waiting: list[Tensor] = []
        self.start = start  # the number of the first item
        self.count = 0
        self.bad: list[int] = []
        self.moments: Moments | None = None

    def add(self, said: Features) -> None:
        self.bad += [self.start + self.count + row for row in not_finite(said.features)]
        self.count += len(said)
        self.waiting.append(said.features)
        if sum(map(len, self.waiting)) >= max(BLOCK, said.width):  # merging costs as much as so many rows
            self._merge()

    def join(self, side: str) -> Statistics:
        refuse_not_finite(f"features of the {side}", self.bad, self.count)
        self._merge()
        assert self.moments is not None
        return self.moments.statistics

    def share(self, total: int) -> dict[str, Tensor]:
        self._merge()
        assert self.moments is not None
        return _summed(self.moments) | {"bad": torch.tensor(self.bad, dtype=torch.int64)}

    def _merge(self) -> None:
        if self.waiting:
            found = moments_of(torch.cat(self.waiting))
            self.moments = found if self.moments is None else merge_moments([self.moments, found])
            self.waiting.clear()
