"""A zip archive of images, named `zip:PATH`: a data set of the user's own.

Folders train and test in it are its parts, and the folders under those its classes; see ganbench/images/ for how an image is read
and how images without such folders are split.
"""

from ganbench.dataset import Dataset, LoadedDataset, Location, Part
from ganbench.files import expanded
from ganbench.images.parts import read_parts
from ganbench.images.zip import list_zip


def load(location: Location) -> LoadedDataset:
    """The images of `location.path` (N, C, H, W), C 1 or 3, with their classes where the folders tell them."""
    path = expanded(location.path or "")
    parts = read_parts(path, list_zip(path))
    train, test = Part("train", parts.train, parts.train_labels), Part("test", parts.test, parts.test_labels)
    return LoadedDataset(f"zip:{location.path}", train, test, classes=parts.classes)


DATASET = Dataset(
    name="zip",
    version=1,
    licence="that of the images",
    source="a zip archive that the user names",
    extractor="inception-v3-compat",
    metrics=("fd", "kid", "is"),
    samples=10_000,
    load=load,
    needs="path",
)
