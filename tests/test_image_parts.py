"""Folders and zips of images as data sets: their parts and their classes. Each test runs on both."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from small_data import image_bytes, random_images, write_files

from ganbench.dataset import LoadedDataset, Location, load_dataset
from ganbench.errors import InvalidInputError

PIXELS = random_images(12)
FILES = [image_bytes(pixels) for pixels in PIXELS]


@pytest.fixture(params=["folder", "zip"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def load(kind: str, tmp_path: Path, files: dict[str, bytes], name: str = "images") -> LoadedDataset:
    path = write_files(tmp_path / (f"{name}.zip" if kind == "zip" else name), files)
    data = load_dataset(f"{kind}:{path}", Location())
    assert data.name == f"{kind}:{path}"
    return data


def indices(items: torch.Tensor) -> list[int]:
    """Which of PIXELS the items are."""
    known = {pixels.transpose(2, 0, 1).tobytes(): k for k, pixels in enumerate(PIXELS)}
    return [known[item.tobytes()] for item in items.numpy()]


@pytest.mark.parametrize("test", ["test", "val", "valid", "validation", "Test"])
@pytest.mark.parametrize("outer", ["", "outer/", "two/deep/"])
def test_folders_for_the_parts(kind: str, test: str, outer: str, tmp_path: Path) -> None:
    names = ["train/cat/0.png", "train/cat/1.png", "train/dog/2.png", f"{test}/cat/3.png", f"{test}/emu/deep/4.png"]
    data = load(kind, tmp_path, {f"{outer}{name}": FILES[k] for k, name in enumerate(names)})
    assert indices(data.train.items) == [0, 1, 2]
    assert indices(data.test.items) == [3, 4]
    assert data.classes == 3  # cat, dog, emu
    assert data.train.labels is not None
    assert data.test.labels is not None
    assert data.train.labels.tolist() == [0, 0, 1]
    assert data.test.labels.tolist() == [0, 2]


def test_a_test_folder_comes_before_a_validation_folder(kind: str, tmp_path: Path) -> None:
    data = load(kind, tmp_path, {"train/0.png": FILES[0], "val/1.png": FILES[1], "test/2.png": FILES[2]})
    assert (indices(data.train.items), indices(data.test.items)) == ([0], [2])
    assert data.classes is None
    assert data.train.labels is None


@pytest.mark.parametrize("beside", ["3.png", "unlabelled/3.png"])
def test_an_image_beside_the_parts(kind: str, beside: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"3\.png.* lies beside the folders train and val"):
        load(kind, tmp_path, {"train/0.png": FILES[0], "val/1.png": FILES[1], beside: FILES[2]})


def test_one_size_over_both_parts(kind: str, tmp_path: Path) -> None:
    odd = image_bytes(np.zeros((3, 3), np.uint8))
    with pytest.raises(InvalidInputError, match=r"test/2\.png.* is 3 x 3 pixels, but most images are 8 x 8"):
        load(kind, tmp_path, {"train/0.png": FILES[0], "train/1.png": FILES[1], "test/2.png": odd})


def test_split_by_content(kind: str, tmp_path: Path) -> None:
    """An image is in the test part when the sha256 of its pixels, channels first, is a multiple of 5."""
    images = random_images(400, seed=1)
    data = load(kind, tmp_path, {f"{k}.png": image_bytes(pixels) for k, pixels in enumerate(images)})
    digests = [hashlib.sha256(np.ascontiguousarray(pixels.transpose(2, 0, 1)).tobytes()).digest() for pixels in images]
    expected = {digest for digest in digests if int.from_bytes(digest, "big") % 5 == 0}
    assert {hashlib.sha256(item.tobytes()).digest() for item in data.test.items.numpy()} == expected
    assert len(data.train) + len(data.test) == 400
    assert abs(len(data.test) - 80) < 5 * math.sqrt(400 * 0.2 * 0.8)  # five standard deviations of a binomial count


def test_names_do_not_move_an_image_and_copies_stay_together(kind: str, tmp_path: Path) -> None:
    first = load(kind, tmp_path, {f"{k}.png": file for k, file in enumerate(FILES)}, "first")
    again = load(
        kind,
        tmp_path,
        {f"x/{97 - k}.bmp": image_bytes(pixels, "BMP") for k, pixels in enumerate(PIXELS)}
        | {f"y/{k}.png": file for k, file in enumerate(FILES)},
        "again",
    )
    assert sorted(indices(again.test.items)) == sorted(indices(first.test.items) * 2)
    assert sorted(indices(again.train.items)) == sorted(indices(first.train.items) * 2)


def test_classes_without_parts(kind: str, tmp_path: Path) -> None:
    files = {f"{'ab'[k % 2]}/{k}.png": file for k, file in enumerate(FILES)}
    data = load(kind, tmp_path, files)
    assert data.classes == 2
    for part in (data.train, data.test):
        assert part.labels is not None
        assert part.labels.tolist() == [k % 2 for k in indices(part.items)]
    assert load(kind, tmp_path, {**files, "top.png": FILES[0]}, "unlabelled").classes is None
    assert load(kind, tmp_path, {f"one/{k}.png": file for k, file in enumerate(FILES)}, "one").classes is None
    assert load(kind, tmp_path, {"train/one/0.png": FILES[0], "test/one/1.png": FILES[1]}, "one-in-parts").classes is None


def test_too_few_images_for_two_parts(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="too few different images"):
        load(kind, tmp_path, {f"{k}.png": FILES[0] for k in range(9)})


def test_grey_images(kind: str, tmp_path: Path) -> None:
    grey = random_images(2, channels=1)
    data = load(kind, tmp_path, {"train/0.png": image_bytes(grey[0]), "test/0.png": image_bytes(grey[1])})
    assert data.shape == (1, 8, 8)
    assert np.array_equal(torch.cat([data.train.items, data.test.items])[:, 0].numpy(), grey)


def test_a_path_from_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_files(tmp_path / "images", {"train/0.png": FILES[0], "test/1.png": FILES[1]})
    assert load_dataset("folder:~/images", Location()).name == "folder:~/images"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user who can be refused")
def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    path = write_files(tmp_path / "images", {"shut/0.png": FILES[0]})
    (path / "shut").chmod(0)
    with pytest.raises(InvalidInputError, match="shut cannot be read"):
        load_dataset(f"folder:{path}", Location())
    (path / "shut").chmod(0o700)
