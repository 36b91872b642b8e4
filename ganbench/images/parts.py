"""The training and the test part of a folder or archive of images, and their classes."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ganbench.errors import InvalidInputError
from ganbench.images.listing import list_folder
from ganbench.images.scan import read_images
from ganbench.images.table import ImageTable
from ganbench.images.tar import list_tar
from ganbench.images.zip import list_zip

if TYPE_CHECKING:
    from torch import Tensor

TEST_FOLDERS = ("test", "val", "valid", "validation")  # the first that is there holds the test part
LISTERS: dict[str, Callable[[Path], ImageTable]] = {"folder": list_folder, "zip": list_zip, "tar": list_tar}


@dataclass(frozen=True)
class ImageParts:
    """The training and the test part of a folder or archive of images; labels and classes are None where there are no classes."""

    train: Tensor  # (N, C, H, W) uint8
    test: Tensor
    train_labels: Tensor | None  # (N,) int64
    test_labels: Tensor | None
    classes: int | None


def part_folders(files: ImageTable) -> dict[str, np.ndarray]:
    """The rows of the images under "train" and under "test" where the top level has both folders.

    Folders val, valid or validation may stand for test. Empty where there are not both.
    Raises InvalidInputError for an image beside the two, which would belong to no part.
    """
    tops: dict[str, array[int]] = {}
    for row, name in enumerate(files.told_names()):
        top, inside, _ = name.partition("/")
        tops.setdefault(top.lower() if inside else "", array("q")).append(row)
    test = next((name for name in TEST_FOLDERS if name in tops), None)
    if "train" not in tops or test is None:
        return {}
    beside = [name for name in tops if name not in ("train", *TEST_FOLDERS)]
    if beside:
        raise InvalidInputError(
            f"{files[tops[beside[0]][0]].shown} lies beside the folders train and {test}; move it into one of them."
        )
    return {part: np.frombuffer(tops[name], np.int64) for part, name in (("train", "train"), ("test", test))}


def class_numbers(files: ImageTable, depth: int) -> tuple[np.ndarray | None, int | None]:
    """The class of each file (N,) int64, and how many there are: the name of its folder `depth` below the top, in sorted order.

    (None, None) where a file has no such folder, or all have the same.
    """
    met: dict[str, int] = {}
    numbers = array("q")
    for name in files.told_names():
        parts = name.split("/", depth + 1)
        if len(parts) < depth + 2:
            return None, None
        numbers.append(met.setdefault(parts[depth], len(met)))
    if len(met) < 2:
        return None, None
    order = np.argsort(np.argsort(np.array(list(met), dtype=object)))  # of each folder, among the sorted ones
    return order[np.frombuffer(numbers, np.int64)], len(met)


def read_parts(path: Path, files: ImageTable) -> ImageParts:
    """All images of the folder or archive `path`, in two parts, in memory.

    The parts are the folders train and test (`part_folders`); where there are none, an image is in the test part when the sha256 of
    its pixels is a multiple of 5, so that names do not matter and copies of an image stay together. Its class is the first
    folder under the part, where every image has one and there are two or more. Raises as `read_images`, and where a part is empty.
    """
    import torch

    folders = part_folders(files)
    ordered = files.take(np.concatenate([folders["train"], folders["test"]])) if folders else files
    items = read_images(ordered)
    train: slice | Tensor
    test: slice | Tensor
    if folders:
        train, test = slice(len(folders["train"])), slice(len(folders["train"]), None)
    else:
        test = torch.tensor([int(hashlib.sha256(item.tobytes()).hexdigest(), 16) % 5 == 0 for item in items.numpy()])
        train = ~test
    if len(items[train]) == 0 or len(items[test]) == 0:
        raise InvalidInputError(f"{path} has too few different images for two parts; add images, or make folders train and test.")
    numbers, classes = class_numbers(ordered, depth=1 if folders else 0)
    labels = None if numbers is None else torch.from_numpy(numbers)
    return ImageParts(
        items[train], items[test], None if labels is None else labels[train], None if labels is None else labels[test], classes
    )
