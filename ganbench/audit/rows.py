"""Damages by choice of rows: which real items stand as samples. Nothing is extracted again for them.

Each function takes a draw, a level and a generator, and leaves the draw as it was.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ganbench.audit.damage import Chosen, Draw


def dropped(draw: Draw, level: float, generator: Generator) -> Chosen:
    """N samples without `level` classes, drawn at random; other unseen items of the classes left fill the gap.

    One class at least is left; where its items run out, they are shown again.
    """
    classes = draw.labels_of(draw.unseen)
    known = classes.unique()
    gone = known[torch.randperm(len(known), generator=generator)[: min(int(level), len(known) - 1)]]
    return _as_they_are(_fill(draw.unseen[~torch.isin(classes, gone)], draw.count))


def unbalanced(draw: Draw, level: float, generator: Generator) -> Chosen:
    """N samples whose class shares fall geometrically, in a random order of classes: the largest is `level` times the smallest."""
    classes = draw.labels_of(draw.unseen)
    known = classes.unique()
    order = known[torch.randperm(len(known), generator=generator)]
    falling = torch.tensor(level, dtype=torch.float64) ** -torch.linspace(0, 1, len(order), dtype=torch.float64)
    counts = apportion(falling, draw.count)
    parts = [_fill(draw.unseen[classes == each], int(count)) for each, count in zip(order, counts, strict=True) if count > 0]
    return _as_they_are(torch.cat(parts))


def repeated(draw: Draw, level: float, generator: Generator) -> Chosen:
    """N / `level` different samples, rounded up, each about `level` times."""
    return _as_they_are(_fill(draw.samples[: _ceil_share(draw.count, level)], draw.count))


def memorised(draw: Draw, level: float, generator: Generator) -> Chosen:
    """A share `level` of the samples is replaced by as many different items of the training data."""
    count = round(level * draw.count)
    return _as_they_are(torch.cat([draw.reference[:count], draw.samples[count:]]))


def memorised_changed(draw: Draw, level: float, generator: Generator) -> Chosen:
    """As `memorised`, and the training items are shown changed."""
    rows = memorised(draw, level, generator).rows
    return Chosen(rows, torch.arange(draw.count) < round(level * draw.count))


def exemplars(draw: Draw, level: float, generator: Generator) -> Chosen:
    """A share `level` of the samples is replaced by one unseen item of their class, the same for the whole class."""
    count = round(level * draw.count)
    spare = draw.unseen.flip(0)  # the last are not among the samples
    classes = draw.labels_of(spare)
    first = {int(each): spare[classes == each][0] for each in classes.unique()}
    replaced = [first[int(each)] for each in draw.labels_of(draw.samples[:count])]
    return _as_they_are(torch.cat([torch.tensor(replaced, dtype=torch.int64), draw.samples[count:]]))


def fewer(draw: Draw, level: float, generator: Generator) -> Chosen:
    """N / `level` samples, rounded up."""
    return _as_they_are(draw.samples[: _ceil_share(draw.count, level)])


def as_drawn(draw: Draw, level: float, generator: Generator) -> Chosen:
    """The samples, unchanged: real against real."""
    return _as_they_are(draw.samples)


def all_changed(draw: Draw, level: float, generator: Generator) -> Chosen:
    """The samples, all of them changed."""
    return Chosen(draw.samples, torch.ones(draw.count, dtype=torch.bool))


def share_changed(draw: Draw, level: float, generator: Generator) -> Chosen:
    """The samples, a share `level` of them changed."""
    return Chosen(draw.samples, torch.arange(draw.count) < round(level * draw.count))


def apportion(shares: Tensor, total: int) -> Tensor:
    """Whole numbers (K,) in proportion to shares (K,) that add up to `total`, by largest remainders."""
    exact = shares / shares.sum() * total
    counts = exact.floor()
    missing = total - int(counts.sum())
    counts[(exact - counts).argsort(descending=True, stable=True)[:missing]] += 1
    return counts.long()


def _as_they_are(rows: Tensor) -> Chosen:
    return Chosen(rows, torch.zeros(len(rows), dtype=torch.bool))


def _fill(rows: Tensor, count: int) -> Tensor:
    """The first `count` rows; where they run out they begin again."""
    return rows.repeat(-(-count // len(rows)))[:count]


def _ceil_share(count: int, level: float) -> int:
    return -(-count // int(level))
