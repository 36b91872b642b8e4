"""Arrays in .npy and .npz files as samples."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_data import random_images, save_array

from ganbench.dataset import Location, Part
from ganbench.errors import GanbenchError, InvalidInputError
from ganbench.sources.open import open_samples
from ganbench.sources.samples import Reading, Samples

IMAGES = random_images(20)  # (N, H, W, C)
CHANNELS_FIRST = torch.from_numpy(IMAGES.transpose(0, 3, 1, 2).copy())


def opened(path: Path, count: int | None = None, **options: Any) -> Samples:
    return open_samples(str(path), Location(), Reading(count, **options))


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_images_in_both_layouts(suffix: str, channels: int, order: str, tmp_path: Path) -> None:
    last = np.asarray(IMAGES[..., :channels], order=order)
    for array in (last, last.transpose(0, 3, 1, 2)):
        samples = opened(save_array(tmp_path / f"samples{suffix}", array))
        assert torch.equal(samples.items, CHANNELS_FIRST[:, :channels])
        assert (samples.source, samples.dataset, samples.dataset_name, samples.modes) == (f"samples{suffix}", None, None, None)
        assert samples.hash == Part("test", CHANNELS_FIRST[:, :channels].contiguous()).hash


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8", ">f8"])
def test_arrays_of_points(dtype: str, tmp_path: Path) -> None:
    points = np.linspace(-3, 3, 14).reshape(7, 2).astype(dtype)
    samples = opened(save_array(tmp_path / "points.npy", points))
    assert samples.items.dtype == torch.float32
    assert samples.items.tolist() == points.astype("<f4").tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("count", [None, 3])
@pytest.mark.parametrize("first", [7, 70_000])
def test_values_that_are_not_finite(value: float, count: int | None, first: int, tmp_path: Path) -> None:
    points = np.zeros((100_000, 2))  # more rows than are looked at together
    points[[first, 80_000], [0, 1]] = value
    points[80_000, 0] = value
    with pytest.raises(InvalidInputError, match=rf"in 2 of 100000 rows, the first is row {first} \(counted from 0\)"):
        opened(save_array(tmp_path / "points.npy", points), count)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (IMAGES / np.float32(255), "float32 of shape .20, 8, 8, 3.; save images as uint8"),
        (IMAGES.astype(np.int64), "int64 of shape"),
        (IMAGES[..., 0], "uint8 of shape .20, 8, 8.; images are"),
        (np.zeros((5, 4, 8, 8), np.uint8), "1 or 3 channels"),
        (np.zeros((5, 3, 8, 3), np.uint8), "channels are first or last"),
        (np.zeros((5, 0, 8, 3), np.uint8), "shape .5, 0, 8, 3.|cannot be read"),
        (np.zeros((5, 2), np.int32), "int32"),
        (np.zeros(5), "float64 of shape .5,."),
        (np.zeros((), np.uint8), "uint8 of shape"),
        (np.zeros((1, 2)), "fewer than two samples .1."),
        (IMAGES[:1], "fewer than two samples .1."),
        (IMAGES[:0], "fewer than two samples .0.|cannot be read"),
        (np.array([{}, {}]), "Python objects"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_that_are_no_samples(array: np.ndarray, said: str, suffix: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=said):
        opened(save_array(tmp_path / f"x{suffix}", array))


def test_archives_without_arr_0(tmp_path: Path) -> None:
    np.savez(tmp_path / "named.npz", images=np.zeros(3), other=np.zeros((3, 3)))
    with pytest.raises(InvalidInputError, match="holds images, other, but no arr_0"):
        opened(tmp_path / "named.npz")
    with zipfile.ZipFile(tmp_path / "images.npz", "w") as archive:
        archive.writestr("a.png", b"x")
    with pytest.raises(InvalidInputError, match="no arr_0"):
        opened(tmp_path / "images.npz")


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "hostile.npy"
    path.write_bytes(b"cos\nmkdir\n(S'" + str(tmp_path / "made").encode() + b"'\ntR.")
    with pytest.raises(InvalidInputError, match="Python objects"):
        opened(path)
    assert not (tmp_path / "made").exists()


@settings(deadline=None)
@given(compressed=st.booleans(), zipped=st.booleans(), cut=st.integers(0, 2000), at=st.integers(0, 1999), value=st.integers(0, 255))
def test_damaged_arrays(
    compressed: bool, zipped: bool, cut: int, at: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One byte changed, or the end cut off: an error that names the file, or an array; never another exception."""
    file = io.BytesIO()
    write = (np.savez_compressed if compressed else np.savez) if zipped else np.save
    write(file, IMAGES[:2])
    content = bytearray(file.getvalue())
    content[at % len(content)] = value
    path = tmp_path_factory.getbasetemp() / ("damaged.npz" if zipped else "damaged.npy")
    for damaged in (content, file.getvalue()[: cut % len(content)]):
        path.write_bytes(damaged)
        said = ""
        try:
            opened(path)
        except GanbenchError as error:
            said = str(error)
        assert said == "" or "damaged" in said
        assert said != "" or damaged is content  # an array that is cut off is always refused
