"""Arrays in .npy and .npz files as samples, as ready features, or as FID statistics. Nothing is unpickled."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganbench.errors import InvalidInputError
from ganbench.extractor import Statistics
from ganbench.files import digest, file_digest
from ganbench.sources.choice import choose
from ganbench.sources.samples import Reading, Samples, StoredStatistics

Array = np.ndarray[Any, Any]
ROWS = 65_536  # rows of an array looked at together, so that a mapped file is never whole in memory
STATISTICS = ("mu", "sigma")
CHUNK = 2**20  # bytes read at a time
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class ArrayFile:
    """What a file holds: the samples or features, and in a .npz their labels."""

    rows: Array
    labels: Array | None = None


def holds_statistics(path: Path) -> bool:
    """Whether a file is a .npz of FID statistics, `mu` and `sigma`, and not one of samples. Raises where it is no .npz at all."""
    if path.suffix.lower() != ".npz":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
    except Exception as error:  # a broken archive makes zipfile raise almost anything
        raise _unreadable(path, str(error)) from None
    return names.issuperset(STATISTICS) and "arr_0" not in names


def read_statistics(path: Path) -> StoredStatistics:
    """FID statistics of any floating-point type as a reference. Raises InvalidInputError for what is no mean and covariance."""
    stored = _load(path, STATISTICS)
    for name, array in stored.items():
        if array.dtype.kind != "f":
            raise InvalidInputError(f"{path} has {name} of type {array.dtype}, not floating-point; write the FID statistics again.")
    mean, covariance = (torch.from_numpy(stored[name].astype(np.float64)) for name in STATISTICS)
    statistics = Statistics(mean, covariance)
    statistics.check("reference")
    return StoredStatistics(path.name, statistics, file_digest(path))


def from_array(path: Path, reading: Reading) -> Samples:
    """The rows of an array: uint8 images (N, H, W, C) or (N, C, H, W), points (N, D), or with `reading.features` features (N, F).

    A second array of whole numbers (N,) in a .npz, `arr_1`, holds labels, as ADM writes them. A .npy, and a .npz that is not
    compressed, is mapped, not read into memory.
    """
    held = _read(path)
    array = held.rows
    if reading.features and not (array.ndim == 2 and array.dtype.kind == "f" and array.shape[1] > 0):
        raise InvalidInputError(
            f"{path} holds {array.dtype} of shape {array.shape}; ready features are floating-point of shape (N, F)."
        )
    is_points = array.ndim == 2 and array.dtype.kind == "f" and array.shape[1] > 0
    channels_last = False if is_points else _channels_last(path, array)
    chosen, notes = choose(reading, path.name, len(array))
    labels = _labels(path, held)
    kind = np.dtype(np.float64 if reading.features and array.dtype.itemsize > 4 else np.float32)
    if is_points:
        _check_finite(str(path), array, kind)
    order = None if len(chosen) == len(array) else chosen.numpy()

    def read(batch_size: int) -> Iterator[Tensor]:
        for start in range(0, len(chosen), batch_size):
            rows = array[start : start + batch_size] if order is None else array[order[start : start + batch_size]]
            if is_points:
                yield torch.from_numpy(rows.astype(kind))  # (B, D)
            else:
                yield torch.from_numpy(np.array(rows.transpose(0, 3, 1, 2) if channels_last else rows, order="C"))  # (B, C, H, W)

    height, width = array.shape[1:3] if channels_last else array.shape[-2:]
    shape = array.shape[1:] if is_points else (array.shape[3] if channels_last else array.shape[1], height, width)
    return Samples(
        path.name,
        len(chosen),
        tuple(shape),
        read,
        fingerprint=digest([file_digest(path), str(kind) if is_points else "uint8", reading.count, reading.seed]),
        labels=None if labels is None else labels[chosen],
        notes=notes,
        are_features=reading.features,
    )


def _labels(path: Path, held: ArrayFile) -> Tensor | None:
    if held.labels is None:
        return None
    if held.labels.dtype.kind not in "iu" or held.labels.shape != held.rows.shape[:1]:
        raise InvalidInputError(
            f"{path} has arr_1 of {held.labels.dtype} and shape {held.labels.shape}; labels are {len(held.rows)} whole numbers, "
            "one a sample."
        )
    return torch.from_numpy(held.labels.astype(np.int64))


def _read(path: Path) -> ArrayFile:
    if path.suffix.lower() == ".npz":
        stored = _load(path, ("arr_0", "arr_1"))
        return ArrayFile(stored["arr_0"], stored.get("arr_1"))
    return ArrayFile(_load(path, ())["arr_0"])


def _load(path: Path, wanted: tuple[str, ...]) -> dict[str, Array]:
    """The wanted arrays of a .npz that are there, or the one of a .npy as `arr_0`. Raises where the first of them is not."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(found, np.ndarray):
            return {"arr_0": found}
        with found as archive:
            if wanted and wanted[0] in archive:
                return {name: _member(path, name) for name in wanted if name in archive}
            held = ", ".join(archive.files) or "nothing"
    except Exception as error:  # a broken file makes NumPy, its tokenizer and zipfile raise almost anything
        raise _unreadable(path, str(error) or type(error).__name__) from None
    raise InvalidInputError(f"{path} holds {held}, but no arr_0; save the samples with numpy.savez(path, samples).")


def _member(path: Path, name: str) -> Array:
    """One array of a .npz, checked against the archive's checksum; mapped where it is stored as it is, else read into memory."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f"{name}.npy")
        with archive.open(info) as part:
            version = np.lib.format.read_magic(part)
            if info.compress_type == zipfile.ZIP_STORED and version in HEADERS:
                shape, column_first, dtype = HEADERS[version](part)
                start = part.tell()
                while part.read(CHUNK):  # its end is where the checksum is compared
                    pass
                if info.file_size - start == math.prod(shape) * dtype.itemsize > 0 and shape and not dtype.hasobject:
                    place = _data_start(path, info) + start
                    return np.memmap(path, dtype, "r", place, shape, "F" if column_first else "C")
        with archive.open(info) as part:
            return np.asarray(np.lib.format.read_array(part, allow_pickle=False))


def _data_start(path: Path, info: zipfile.ZipInfo) -> int:
    """Where in the archive a part's bytes begin: after its local header, whose name and extra field have lengths of their own."""
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(30)
    return info.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")


def _unreadable(path: Path, said: str) -> InvalidInputError:
    reason = "it is no NumPy file, or one of Python objects" if "allow_pickle" in said else " ".join(said.split())
    return InvalidInputError(f"{path} is not an array that can be read ({reason}); write it again with numpy.save or savez.")


def _channels_last(path: Path, array: Array) -> bool:
    """Whether images are (N, H, W, C), not (N, C, H, W). Raises InvalidInputError for what are no uint8 images."""
    shown = f"{path} holds {array.dtype} of shape {array.shape}"
    if array.dtype != np.uint8:
        raise InvalidInputError(
            f"{shown}; save images as uint8 (from [-1, 1]: 127.5 x + 128, clamped to 0..255 and floored), "
            "or points as floats of shape (N, D)."
        )
    if array.ndim != 4 or 0 in array.shape[1:] or (array.shape[1] not in (1, 3) and array.shape[3] not in (1, 3)):
        axis = " Grey images need that axis too: save array[..., None]." if array.ndim == 3 and 0 not in array.shape else ""
        raise InvalidInputError(f"{shown}; images are (N, H, W, C) or (N, C, H, W) with 1 or 3 channels.{axis}")
    if array.shape[1] in (1, 3) and array.shape[3] in (1, 3):
        raise InvalidInputError(f"{shown}, in which the channels are first or last; save larger images, or as a folder of files.")
    return array.shape[3] in (1, 3)


def _check_finite(source: str, array: Array, kind: np.dtype[Any]) -> None:
    """Raise InvalidInputError when a row is not finite in the type it is read as: how many such rows there are, and the first."""
    bad: list[Array] = []
    with np.errstate(over="ignore"):
        for start in range(0, len(array), ROWS):
            finite = np.isfinite(array[start : start + ROWS].astype(kind)).all(axis=1)
            bad.append(np.flatnonzero(~finite) + start)
    indices = np.concatenate(bad)
    if len(indices):
        raise InvalidInputError(
            f"{source} has NaN, infinite or too large values in {len(indices)} of {len(array)} rows, the first is row {indices[0]} "
            "(counted from 0); leave them out."
        )
