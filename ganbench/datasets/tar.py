"""A tar archive of images, plain or compressed (gzip, bzip2, xz), named `tar:PATH`: a data set of the user's own.

Folders train and test in it are its parts, and the folders under those its classes; see ganbench/images/ for how an image is read
and how images without such folders are split.
"""

from ganbench.dataset import Dataset, LoadedDataset, Location, Part
from ganbench.files import expanded
from ganbench.images.parts import read_parts
from ganbench.images.tar import list_tar


def load(location: Location) -> LoadedDataset:
    """The images of `location.path` (N, C, H, W), C 1 or 3, with their classes where the folders tell them."""
    path = expanded(location.path or "")
    parts = read_parts(path, list_tar(path))
    train, test = Part("train", parts.train, parts.train_labels), Part("test", parts.test, parts.test_labels)
    return LoadedDataset(f"tar:{location.path}", train, test, classes=parts.classes)


DATASET = Dataset(
    name="tar",
    version=1,
    licence="that of the images",
    source="a tar archive that the user names",
    extractor="inception-v3-compat",
    metrics=("fd", "kid", "is"),
    samples=10_000,
    load=load,
    needs="path",
)
