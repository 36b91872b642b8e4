"""Stacked MNIST: three MNIST digits as three channels, 1,000 modes. Counts as in PacGAN (Lin et al. 2018, arXiv:1712.04086)."""

from ganbench.channels import stack_channels
from ganbench.dataset import ClassModes, Dataset, LoadedDataset, Location, Part, load_dataset
from ganbench.rng import stream_seed


def load(location: Location) -> LoadedDataset:
    """128,000 training and 26,000 test images (N, 3, 28, 28), each part drawn from the same part of `mnist`; labels are modes."""
    mnist = load_dataset("mnist", location)

    def part(source: Part, count: int) -> Part:
        assert source.labels is not None
        return Part(
            source.name, *stack_channels(source.items, source.labels, count, stream_seed(0, f"stacked-mnist {source.name}"))
        )

    return LoadedDataset(
        "stacked-mnist", part(mnist.train, 128_000), part(mnist.test, 26_000), classes=1000, modes=ClassModes(10, channels=3)
    )


DATASET = Dataset(
    name="stacked-mnist",
    version=1,
    licence="CC BY-SA 3.0",
    source="three images of MNIST as the channels of one (PacGAN, Lin et al. 2018, arXiv:1712.04086)",
    extractor="mnist-cnn",
    metrics=("fd", "modes", "reverse-kl"),
    samples=26_000,
    load=load,
    modes=1000,
    needs="root",
)
