"""MNIST: 60,000 training and 10,000 test images of handwritten digits, 28 x 28 and grey, with its own split."""

from pathlib import Path

from ganbench.dataset import ClassModes, Dataset, LoadedDataset, Location, Part
from ganbench.idx import find_root, read_idx_part

FILES = [f"MNIST/raw/{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def download(root: Path) -> None:
    """Fetch the four files into root/MNIST/raw with torchvision, which checks their md5."""
    from torchvision.datasets import MNIST

    MNIST(root, download=True)


def load(location: Location) -> LoadedDataset:
    """Images (N, 1, 28, 28) with the digits as labels, from root/MNIST/raw as torchvision lays it out; .gz files are read too."""
    folder = find_root("mnist", location, FILES, download) / "MNIST/raw"
    train = Part("train", *read_idx_part(folder, "train", classes=10))
    test = Part("test", *read_idx_part(folder, "t10k", classes=10))
    return LoadedDataset("mnist", train, test, classes=10, modes=ClassModes(10))


DATASET = Dataset(
    name="mnist",
    version=1,
    licence="CC BY-SA 3.0",
    source="MNIST (LeCun, Cortes and Burges 1998), torchvision.datasets.MNIST",
    extractor="mnist-cnn",
    metrics=("fd", "kid", "is", "modes", "reverse-kl"),
    samples=10_000,
    load=load,
    modes=10,
    needs="root",
)
