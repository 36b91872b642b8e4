"""MNIST and its negative, as pairs: items are 255 - x of the inputs, which are MNIST's images."""

from __future__ import annotations

from dataclasses import replace

from ganbench.dataset import Dataset, LoadedDataset, Location, Part, load_dataset


def load(location: Location) -> LoadedDataset:
    """60,000 training and 10,000 test pairs, in the order and with the labels of `mnist`. Raises as it does."""
    mnist = load_dataset("mnist", location)

    def pairs(part: Part) -> Part:
        return replace(part, items=255 - part.items, inputs=part.items)

    return LoadedDataset("inverted-mnist", pairs(mnist.train), pairs(mnist.test), classes=mnist.classes)


DATASET = Dataset(
    name="inverted-mnist",
    version=1,
    licence="CC BY-SA 3.0",
    source="the data set mnist (LeCun, Cortes, Burges), inverted",
    extractor="mnist-cnn",
    metrics=("fd", "kid"),
    samples=10000,
    load=load,
    needs="root",
)
