"""Digits, MNIST and what is stacked from them, against scikit-learn, torchvision and their own definitions."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from small_data import SHARED, write_idx

from ganbench.channels import stack_channels
from ganbench.dataset import ClassModes, LoadedDataset, Location, load_dataset

DIGITS_TEST = "b972e0c2"  # head of the test part's hash, recorded once: the split is the same everywhere
COUNTS = {"stacked-digits": (50_000, 26_000), "stacked-mnist": (128_000, 26_000)}


@pytest.fixture(scope="module")
def digits() -> LoadedDataset:
    return load_dataset("digits", Location())


@pytest.fixture(scope="module", params=COUNTS)
def stacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedDataset, LoadedDataset]:
    """A stacked data set, and the one that its channels come from."""
    root = tmp_path_factory.mktemp("data")
    write_idx(root / "MNIST/raw")
    name = request.param
    return load_dataset(name, Location(root=root)), load_dataset(name.removeprefix("stacked-"), Location(root=root))


def test_digits_are_those_of_scikit_learn(digits: LoadedDataset) -> None:
    ours = torch.cat([digits.train.items, digits.test.items]).flatten(1).numpy()
    levels = np.rint(ours * (16 / 255))  # 0..16 is steps of 15.9 apart, so that rounding finds each level again
    assert digits.train.labels is not None
    assert digits.test.labels is not None
    labels = torch.cat([digits.train.labels, digits.test.labels])
    pixels, targets = load_digits(return_X_y=True)
    rows = sorted((int(label), row.tobytes()) for label, row in zip(labels, levels, strict=True))
    assert rows == sorted((int(label), row.tobytes()) for label, row in zip(targets, pixels.astype(float), strict=True))


def test_digits_use_all_of_uint8(digits: LoadedDataset) -> None:
    by_hand = {math.floor(level * 255 / 16 + 0.5) for level in range(17)}
    assert set(digits.train.items.unique().tolist()) == by_hand
    assert {0, 128, 255} < by_hand


def test_digits_split(digits: LoadedDataset) -> None:
    assert digits.train.items.shape == (1197, 1, 8, 8)
    assert digits.test.items.shape == (600, 1, 8, 8)
    assert digits.test.labels is not None
    # 600 of 1,797 drawn without replacement: each class' count is hypergeometric, with a standard deviation of about 6.
    assert all(abs(count - 60) < 5 * 6 for count in digits.test.labels.bincount().tolist())
    assert digits.test.labels.bincount().tolist() != [60] * 10
    assert digits.test.hash.startswith(DIGITS_TEST)
    assert digits.modes == ClassModes(10)


def test_digits_split_is_drawn_from_all_along_the_file(digits: LoadedDataset) -> None:
    """600 ranks of 1797 drawn at random have their mean within five standard errors of the middle."""
    order = {row.tobytes(): rank for rank, row in enumerate(load_digits().data.astype(np.uint8))}
    ranks = [order[np.rint(item * (16 / 255)).astype(np.uint8).tobytes()] for item in digits.test.items.numpy()]
    error = math.sqrt((1797**2 - 1) / 12 / 600)
    assert abs(np.mean(ranks) - 898) < 5 * error
    assert ranks == sorted(ranks)


def test_stacked_counts(stacked: tuple[LoadedDataset, LoadedDataset]) -> None:
    data, base = stacked
    assert (len(data.train), len(data.test)) == COUNTS[data.name]
    assert data.shape == (3, *base.shape[1:])
    assert data.modes == ClassModes(10, channels=3)
    assert data.modes.count == data.classes == 1000


def test_stacked_channels_come_from_the_same_part_and_give_the_mode(stacked: tuple[LoadedDataset, LoadedDataset]) -> None:
    data, base = stacked
    for part, source in ((data.train, base.train), (data.test, base.test)):
        assert part.labels is not None
        assert source.labels is not None
        digit = {image.tobytes(): int(label) for image, label in zip(source.items.numpy(), source.labels, strict=True)}
        for image, mode in zip(part.items[:5000].numpy(), part.labels[:5000].tolist(), strict=True):
            a, b, c = (digit[channel.tobytes()] for channel in image)
            assert mode == 100 * a + 10 * b + c


def test_stacked_channels_are_independent(stacked: tuple[LoadedDataset, LoadedDataset]) -> None:
    """Against the product of the classes' frequencies, the modes' chi-squared has mean 999 and a variance near 1998."""
    data, base = stacked
    assert base.test.labels is not None
    assert data.test.labels is not None
    digit = base.test.labels.bincount(minlength=10).double() / len(base.test)
    expected = 26_000 * torch.einsum("a,b,c->abc", digit, digit, digit).flatten()
    counts = data.test.labels.bincount(minlength=1000).double()
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_squared - 999) < 5 * math.sqrt(2 * 999)
    assert (counts > 0).all()


def test_stacking_by_hand() -> None:
    images = torch.arange(4, dtype=torch.uint8).reshape(4, 1, 1, 1)
    stacked, modes = stack_channels(images, torch.tensor([7, 0, 9, 4]), count=50, seed=3)
    drawn = [[int(word) % 4 for word in np.random.PCG64(3).random_raw(150)[3 * k : 3 * k + 3]] for k in range(50)]
    assert stacked.flatten(1).tolist() == drawn
    assert modes.tolist() == [int("".join(str((7, 0, 9, 4)[k]) for k in row)) for row in drawn]


@pytest.mark.skipif(not (SHARED / "MNIST/raw").is_dir(), reason="MNIST is not here")
def test_mnist_itself() -> None:
    """The published md5 of the training images, and torchvision's reading of both parts."""
    from torchvision.datasets import MNIST

    root = Path(SHARED)
    digest = hashlib.md5((root / "MNIST/raw/train-images-idx3-ubyte").read_bytes(), usedforsecurity=False).hexdigest()
    assert digest == "6bbc9ace898e44ae57da46a324031adb"
    data = load_dataset("mnist", Location(root=root))
    assert data.train.items.shape == (60_000, 1, 28, 28)
    assert data.test.items.shape == (10_000, 1, 28, 28)
    for part in (data.train, data.test):
        theirs = MNIST(root, train=part.name == "train")
        assert torch.equal(part.items[:, 0], theirs.data)
        assert part.labels is not None
        assert torch.equal(part.labels, theirs.targets)
