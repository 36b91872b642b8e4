"""CIFAR-10: 50,000 training and 10,000 test photographs of ten kinds of thing, 32 x 32 in colour, with its own split."""

from pathlib import Path

from ganbench.dataset import Dataset, LoadedDataset, Location, Part
from ganbench.errors import InvalidInputError
from ganbench.idx import find_root

FOLDER = "cifar-10-batches-py"
FILES = [f"{FOLDER}/{name}" for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta")]


def download(root: Path) -> None:
    """Fetch and unpack the archive into root with torchvision, which checks its md5."""
    from torchvision.datasets import CIFAR10

    CIFAR10(root, download=True)


def load(location: Location) -> LoadedDataset:
    """Images (N, 3, 32, 32) with ten labels, from root/cifar-10-batches-py.

    The files are pickles, so torchvision opens them only when their md5 is the published one.
    """
    root = find_root("cifar10", location, FILES, download)
    return LoadedDataset("cifar10", _part("train", root), _part("test", root), classes=10)


def _part(name: str, root: Path) -> Part:
    import torch
    from torchvision.datasets import CIFAR10

    try:
        read = CIFAR10(root, train=name == "train")
    except RuntimeError:
        raise InvalidInputError(
            f"A file in {root / FOLDER} has not the published md5; remove that folder and pass --download."
        ) from None
    return Part(name, torch.from_numpy(read.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(read.targets))


DATASET = Dataset(
    name="cifar10",
    version=1,
    licence="none stated; cite Krizhevsky 2009",
    source="CIFAR-10 (Krizhevsky 2009, Learning multiple layers of features from tiny images), torchvision.datasets.CIFAR10",
    extractor="inception-v3-compat",
    metrics=("fd", "kid", "is"),
    samples=10_000,
    load=load,
    needs="root",
)
