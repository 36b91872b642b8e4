"""IDX files and downloads, against torchvision's own reader; and CIFAR-10's pickles."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from small_data import idx_bytes, write_cifar, write_idx

from ganbench.dataset import Location, load_dataset
from ganbench.errors import InvalidInputError, MissingDataError
from ganbench.idx import find_root, read_idx

FOLDERS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("gzipped", [False, True])
def test_the_parts_are_those_of_torchvision(name: str, gzipped: bool, tmp_path: Path) -> None:
    import torchvision

    folder = tmp_path / FOLDERS[name] / "raw"
    write_idx(folder)
    theirs = {train: getattr(torchvision.datasets, FOLDERS[name])(tmp_path, train=train) for train in (True, False)}
    if gzipped:
        for path in list(folder.iterdir()):
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    data = load_dataset(name, Location(root=tmp_path))
    for part in (data.train, data.test):
        assert torch.equal(part.items[:, 0], theirs[part.name == "train"].data)
        assert part.labels is not None
        assert torch.equal(part.labels, theirs[part.name == "train"].targets)


@settings(deadline=None)
@given(array=arrays.arrays(np.uint8, st.tuples(*[st.integers(1, 5)] * 3)))
def test_any_array_is_read_back(array: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "array"
    path.write_bytes(idx_bytes(array))
    assert np.array_equal(read_idx(path, 3).numpy(), array)


@settings(deadline=None)
@given(cut=st.integers(0, 4 + 12 + 59), gzipped=st.booleans())
def test_a_file_cut_anywhere_is_refused(cut: int, gzipped: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = idx_bytes(np.ones((3, 4, 5), np.uint8))
    path = tmp_path_factory.getbasetemp() / ("cut.gz" if gzipped else "cut")
    path.write_bytes(gzip.compress(whole)[:cut] if gzipped else whole[:cut])
    if gzipped and cut >= len(gzip.compress(whole)):
        assert read_idx(path, 3).shape == (3, 4, 5)
    else:
        with pytest.raises(InvalidInputError, match=path.name):
            read_idx(path, 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x89PNG" + bytes(80), "not an IDX file"),
        (idx_bytes(np.ones(9, np.uint8)), "not an IDX file of 3 dimensions"),
        (idx_bytes(np.ones((3, 2, 2), np.uint8)) + b"x", "holds 13 bytes where its header promises 3 x 2 x 2"),
        (idx_bytes(np.ones((0, 2, 2), np.uint8)), "promises 0 x 2 x 2"),
    ],
)
def test_other_content_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(InvalidInputError, match=said):
        read_idx(tmp_path / "images", 3)


def test_images_and_labels_must_fit_together(tmp_path: Path) -> None:
    folder = tmp_path / "MNIST/raw"
    write_idx(folder)
    labels = folder / "train-labels-idx1-ubyte"
    labels.write_bytes(idx_bytes(np.zeros(39, np.uint8)))
    with pytest.raises(InvalidInputError, match="40 images, train-labels-idx1-ubyte 39 labels"):
        load_dataset("mnist", Location(root=tmp_path))
    labels.write_bytes(idx_bytes(np.full(40, 10, np.uint8)))
    with pytest.raises(InvalidInputError, match="the label 10 where there are 10 classes"):
        load_dataset("mnist", Location(root=tmp_path))


def test_one_missing_file_is_named(tmp_path: Path) -> None:
    write_idx(tmp_path / "MNIST/raw")
    (tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(MissingDataError, match="there is no MNIST/raw/t10k-labels-idx1-ubyte"):
        load_dataset("stacked-mnist", Location(root=tmp_path))


def test_download_only_what_is_missing_and_only_when_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetched = []

    def download(root: Path) -> None:
        print("0 %")
        fetched.append(root)
        (root / "data").write_text("x")

    with pytest.raises(MissingDataError, match="there is no data"):
        find_root("mine", Location(root=tmp_path), ["data"], download)
    for _ in range(2):
        assert find_root("mine", Location(root=tmp_path, download=True), ["data"], download) == tmp_path
    assert fetched == [tmp_path]
    assert capsys.readouterr() == ("", "0 %\n")  # stdout is for results


@pytest.mark.parametrize("error", [RuntimeError("Error downloading\nTried a"), OSError("no route"), ConnectionError("reset")])
def test_a_download_that_fails(error: Exception, tmp_path: Path) -> None:
    def download(root: Path) -> None:
        raise error

    with pytest.raises(MissingDataError) as raised:
        find_root("mine", Location(root=tmp_path, download=True), ["data"], download)
    assert " ".join(str(error).split()) in str(raised.value)
    assert "by hand" in str(raised.value)


def test_the_registered_downloads_go_through_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the network replaced by a function that says what it was asked for."""
    from torchvision.datasets import cifar, mnist

    def refuse(url: str, *arguments: object, **options: object) -> None:
        raise RuntimeError(f"asked for {url}")

    monkeypatch.setattr(mnist, "download_and_extract_archive", refuse)
    monkeypatch.setattr(cifar, "download_and_extract_archive", refuse)
    for name, file in (("mnist", "mnist/train-images"), ("fashion-mnist", "train-images"), ("cifar10", "cifar-10-python.tar.gz")):
        with pytest.raises(MissingDataError, match=f"could not be downloaded.*{file}"):
            load_dataset(name, Location(root=tmp_path, download=True))


def test_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = write_cifar(tmp_path, monkeypatch)
    data = load_dataset("cifar10", Location(root=tmp_path))
    pixels, labels = written.pop("test_batch")
    assert np.array_equal(data.test.items.numpy(), pixels)
    assert data.test.labels is not None
    assert data.test.labels.tolist() == labels
    assert np.array_equal(data.train.items.numpy(), np.concatenate([images for images, _ in written.values()]))
    assert data.train.labels is not None
    assert data.train.labels.tolist() == [label for _, labels in written.values() for label in labels]


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_changed_cifar10_file_is_never_unpickled(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path, monkeypatch)
    hostile = b"cos\nmkdir\n(S'" + str(tmp_path / "made").encode() + b"'\ntR."
    (tmp_path / "cifar-10-batches-py" / name).write_bytes(hostile)
    with pytest.raises(InvalidInputError, match="not the published md5"):
        load_dataset("cifar10", Location(root=tmp_path))
    assert not (tmp_path / "made").exists()
