"""Twenty-five Gaussians on the grid {-4, -2, 0, 2, 4}^2, sigma 0.05: more modes than the ring, and one in the middle."""

from ganbench.dataset import Dataset, LoadedDataset, Location, PointModes
from ganbench.mixture import drawn_dataset

MODES = PointModes(tuple((float(x), float(y)) for x in range(-4, 5, 2) for y in range(-4, 5, 2)), sigma=0.05)


def load(location: Location) -> LoadedDataset:
    """100,000 training and 10,000 test points, the same on every machine; labels are the modes' numbers."""
    return drawn_dataset("grid-25", MODES)


DATASET = Dataset(
    name="grid-25",
    version=1,
    licence="none: drawn from a formula",
    source="25 Gaussians at {-4, -2, 0, 2, 4}^2, sigma 0.05 (VEEGAN, arXiv:1705.07761; PacGAN, arXiv:1712.04086)",
    extractor="points",
    metrics=("fd", "modes", "high-quality", "reverse-kl"),
    samples=2500,
    load=load,
    modes=25,
)
