"""Digits and their edges, as pairs: an image-to-image toy that needs no download. Items are the edges, inputs the digits.

An edge image is the morphological gradient: at each pixel the largest less the smallest value of its 3 x 3 neighbourhood, outside
pixels not counted. It is a function of the digit, so a perfect translator exists.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganbench.dataset import Dataset, LoadedDataset, Location, Part, load_dataset

if TYPE_CHECKING:
    from torch import Tensor


def edges(images: Tensor) -> Tensor:
    """The morphological gradient (N, C, H, W) uint8 of images (N, C, H, W) uint8."""
    from torch.nn.functional import max_pool2d

    values = images.float()
    largest, smallest = max_pool2d(values, 3, 1, 1), -max_pool2d(-values, 3, 1, 1)  # padding is -inf: outside pixels do not count
    return (largest - smallest).to(images.dtype)


def load(location: Location) -> LoadedDataset:
    """1,197 training and 600 test pairs, in the order and with the labels of `digits`."""
    digits = load_dataset("digits", location)

    def pairs(part: Part) -> Part:
        return replace(part, items=edges(part.items), inputs=part.items)

    return LoadedDataset("digits-edges", pairs(digits.train), pairs(digits.test), classes=digits.classes)


DATASET = Dataset(
    name="digits-edges",
    version=1,
    licence="CC BY 4.0",
    source="the data set digits (Alpaydin and Kaynak 1998, UCI), and the morphological gradient of each image",
    extractor="digits-cnn",
    metrics=("fd", "kid"),
    samples=600,
    load=load,
)
