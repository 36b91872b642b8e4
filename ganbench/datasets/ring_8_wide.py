"""Eight Gaussians on the unit circle, sigma 0.05: `ring-8` with wider modes, on which few steps show what is learned."""

import math

from ganbench.dataset import Dataset, LoadedDataset, Location, PointModes
from ganbench.mixture import drawn_dataset

MODES = PointModes(tuple((math.cos(2 * math.pi * k / 8), math.sin(2 * math.pi * k / 8)) for k in range(8)), sigma=0.05)


def load(location: Location) -> LoadedDataset:
    """100,000 training and 10,000 test points, the same on every machine; labels are the modes' numbers."""
    return drawn_dataset("ring-8-wide", MODES)


DATASET = Dataset(
    name="ring-8-wide",
    version=1,
    licence="none: drawn from a formula",
    source="8 Gaussians on the unit circle, sigma 0.05",
    extractor="points",
    metrics=("fd", "modes", "high-quality", "reverse-kl"),
    samples=2500,
    load=load,
    modes=8,
)
