"""Fashion-MNIST: 60,000 training and 10,000 test images of clothes, 28 x 28 and grey, with its own split."""

from pathlib import Path

from ganbench.dataset import Dataset, LoadedDataset, Location, Part
from ganbench.idx import find_root, read_idx_part

FILES = [f"FashionMNIST/raw/{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def download(root: Path) -> None:
    """Fetch the four files into root/FashionMNIST/raw with torchvision, which checks their md5."""
    from torchvision.datasets import FashionMNIST

    FashionMNIST(root, download=True)


def load(location: Location) -> LoadedDataset:
    """Images (N, 1, 28, 28) with ten labels, from root/FashionMNIST/raw as torchvision lays it out; .gz files are read too."""
    folder = find_root("fashion-mnist", location, FILES, download) / "FashionMNIST/raw"
    train = Part("train", *read_idx_part(folder, "train", classes=10))
    test = Part("test", *read_idx_part(folder, "t10k", classes=10))
    return LoadedDataset("fashion-mnist", train, test, classes=10)


DATASET = Dataset(
    name="fashion-mnist",
    version=1,
    licence="MIT",
    source="Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747), torchvision.datasets.FashionMNIST",
    extractor="inception-v3-compat",
    metrics=("fd", "kid", "is"),
    samples=10_000,
    load=load,
    needs="root",
)
