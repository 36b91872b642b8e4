"""Stacked digits: three of scikit-learn's digits as three channels, 1,000 modes; stacked MNIST for a machine without data."""

from ganbench.channels import stack_channels
from ganbench.dataset import ClassModes, Dataset, LoadedDataset, Location, Part, load_dataset
from ganbench.rng import stream_seed


def load(location: Location) -> LoadedDataset:
    """50,000 training and 26,000 test images (N, 3, 8, 8), each part drawn from the same part of `digits`; labels are modes."""
    digits = load_dataset("digits", Location())

    def part(source: Part, count: int) -> Part:
        assert source.labels is not None
        return Part(
            source.name, *stack_channels(source.items, source.labels, count, stream_seed(0, f"stacked-digits {source.name}"))
        )

    return LoadedDataset(
        "stacked-digits", part(digits.train, 50_000), part(digits.test, 26_000), classes=1000, modes=ClassModes(10, channels=3)
    )


DATASET = Dataset(
    name="stacked-digits",
    version=1,
    licence="CC BY 4.0",
    source="three images of digits as the channels of one, as stacked MNIST is made (PacGAN, arXiv:1712.04086)",
    extractor="digits-cnn",
    metrics=("fd", "modes", "reverse-kl"),
    samples=26_000,
    load=load,
    modes=1000,
)
