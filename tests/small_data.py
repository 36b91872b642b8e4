"""Small data sets in the real formats, so that tests need no download."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganbench.dataset import Location
from ganbench.registry import Entry

SHARED = Path(__file__).parents[1] / "../shared/data"  # real data, where a checkout has them
SIZES = {"train": 40, "t10k": 20}


def idx_bytes(array: np.ndarray) -> bytes:
    """An IDX file of unsigned bytes, as Yann LeCun's page describes it."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


def write_idx(folder: Path, side: int = 4) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The four files of MNIST with random images of `side` pixels; classes take turns. Returns them by torchvision's part names."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    written = {}
    for part, count in SIZES.items():
        images, labels = rng.integers(0, 256, (count, side, side), np.uint8), np.arange(count, dtype=np.uint8) % 10
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
        written[part] = images, labels
    return written


def write_cifar(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[np.ndarray, list[int]]]:
    """The pickles of CIFAR-10 with 4 random images each; torchvision's list of md5 is made to agree with them."""
    from torchvision.datasets import CIFAR10

    folder = root / CIFAR10.base_folder
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    written = {}

    def write(name: str, content: dict[str, object]) -> list[str]:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return [name, hashlib.md5(data, usedforsecurity=False).hexdigest()]

    sums = []
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        pixels, labels = rng.integers(0, 256, (4, 3, 32, 32), np.uint8), rng.integers(0, 10, 4).tolist()
        sums.append(write(name, {"data": pixels.reshape(4, -1), "labels": labels}))
        written[name] = pixels, labels
    meta = write("batches.meta", {"label_names": list("abcdefghij")})
    monkeypatch.setattr(CIFAR10, "train_list", sums[:5])
    monkeypatch.setattr(CIFAR10, "test_list", sums[5:])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": meta[0], "key": "label_names", "md5": meta[1]})
    return written


def image_bytes(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    """An image file of (H, W) or (H, W, 3) uint8 pixels."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def random_images(count: int, *, channels: int = 3, side: int = 8, seed: int = 0) -> np.ndarray:
    """(count, side, side, 3) or, of one channel, (count, side, side) uint8."""
    shape = (count, side, side, 3) if channels == 3 else (count, side, side)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write_files(path: Path, files: dict[str, bytes]) -> Path:
    """The files as a zip or tar archive where `path` ends in .zip, .tar, .tgz or .tar.xz, else as a folder."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    elif path.suffix in (".tar", ".tgz", ".xz"):
        with tarfile.open(path, {".tar": "w:", ".tgz": "w:gz", ".xz": "w:xz"}[path.suffix]) as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    else:
        path.mkdir()
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    return path


def save_array(path: Path, array: np.ndarray) -> Path:
    """The array as .npy, or as `arr_0` of a .npz."""
    if path.suffix == ".npz":
        np.savez(path, array)
    else:
        np.save(path, array)
    return path


def locate(entry: Entry, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Location]:
    """A reference to the data set, and a place where small data for it lie."""
    if entry.facts.get("needs") == "path":
        files = {f"{'ab'[k % 2]}/{k}.png": image_bytes(pixels) for k, pixels in enumerate(random_images(40))}
        path = folder / ("images" if entry.name == "folder" else f"images.{entry.name}")
        return f"{entry.name}:{write_files(path, files)}", Location()
    if entry.facts.get("needs") == "root":
        write_idx(folder / "MNIST/raw")
        write_idx(folder / "FashionMNIST/raw")
        write_cifar(folder, monkeypatch)
    return entry.name, Location(root=folder)
