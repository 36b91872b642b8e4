"""Points of a mixture of Gaussians in the plane, equal to the last bit on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganbench.dataset import LoadedDataset, Part
from ganbench.rng import stream_seed

if TYPE_CHECKING:
    from torch import Tensor

    from ganbench.dataset import PointModes


def draw_mixture(centres: Sequence[tuple[float, ...]], sigma: float, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """`count` points (N, 2) float32 and the index (N,) int64 of the mode that each is drawn from.

    Each point's mode is drawn at random, all with one probability; the point is its centre plus N(0, sigma^2 I). (Modes that took
    turns would make the parts more alike than independent samples are, and held-out data look better than any generator can.)
    Normals are made with Box and Muller's transform (1958) from the raw bits of PCG64, which numpy keeps fixed where it promises
    nothing for its own normals. Coordinates are rounded to 6 decimals, which hides the last bit of a machine's functions.
    """
    import numpy as np
    import torch

    bits = np.random.PCG64(seed).random_raw(3 * count).reshape(count, 3)
    uniform = ((bits[:, 1:] >> 11) + 1) * 2.0**-53  # (N, 2), in (0, 1]
    radius = sigma * np.sqrt(-2 * np.log(uniform[:, 0]))
    angle = 2 * np.pi * uniform[:, 1]
    offsets = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)  # (N, 2)
    labels = (bits[:, 0] % len(centres)).astype(np.int64)
    points = np.round(np.asarray(centres)[labels] + offsets, 6) + 0.0  # + 0.0 makes -0.0 and 0.0 one value
    return torch.from_numpy(points.astype(np.float32)), torch.from_numpy(labels)


def drawn_dataset(name: str, modes: PointModes) -> LoadedDataset:
    """100,000 training and 10,000 test points of a mixture, from streams of its name; labels are the modes' numbers."""
    train, test = (
        Part(split, *draw_mixture(modes.centres, modes.sigma, count, stream_seed(0, f"{name} {split}")))
        for split, count in (("train", 100_000), ("test", 10_000))
    )
    return LoadedDataset(name, train, test, classes=modes.count, modes=modes)
