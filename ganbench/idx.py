"""IDX files, the format of MNIST and its relatives, plain or gzipped; and where a downloaded data set lies."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import math
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.errors import InvalidInputError, MissingDataError
from ganbench.files import expanded

if TYPE_CHECKING:
    from torch import Tensor

    from ganbench.dataset import Location


def find_root(name: str, location: Location, files: list[str], download: Callable[[Path], object]) -> Path:
    """The root folder that holds `files` (paths below it, each as it is or with .gz added); downloaded first where that is allowed.

    `download(root)` is called only when a file is missing. Raises MissingDataError that says which file is missing where.
    """
    if location.root is None:
        raise MissingDataError(
            f"{name} needs the folder that holds {files[0]}; pass --data-root DIR, with --download to fetch the data into it."
        )
    root = expanded(location.root)
    if location.download and _missing(root, files):
        try:
            with contextlib.redirect_stdout(sys.stderr):  # stdout is for results
                download(root)
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            reason = " ".join(str(error).split())
            raise MissingDataError(f"{name} could not be downloaded to {root} ({reason}); put {files[0]} there by hand.") from None
    missing = _missing(root, files)
    if missing:
        raise MissingDataError(
            f"{name} is not in {root}: there is no {missing[0]}; pass the --data-root DIR that holds it, or --download to fetch it."
        )
    return root


def read_idx_part(folder: Path, stem: str, classes: int) -> tuple[Tensor, Tensor]:
    """Images (N, 1, H, W) uint8 and labels (N,) int64 of the files `{stem}-images-idx3-ubyte` and `{stem}-labels-idx1-ubyte`.

    Raises InvalidInputError for a file that is cut short or is no IDX file, and where images and labels do not fit together.
    """
    images_path, labels_path = _find(folder / f"{stem}-images-idx3-ubyte"), _find(folder / f"{stem}-labels-idx1-ubyte")
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1).long()
    if len(images) != len(labels):
        raise InvalidInputError(
            f"{images_path} holds {len(images)} images, {labels_path.name} {len(labels)} labels; fetch both again."
        )
    if labels.max() >= classes:
        raise InvalidInputError(f"{labels_path} holds the label {labels.max()} where there are {classes} classes; fetch it again.")
    return images[:, None], labels


def read_idx(path: Path, dimensions: int) -> Tensor:
    """The uint8 array of one IDX file, gzipped where its name ends in .gz.

    The file is 0, 0, 8 (unsigned bytes), the number of dimensions, each size as four bytes with the highest first, and the values.
    Raises InvalidInputError for any other content, and where there are fewer or more values than the sizes promise.
    """
    import torch

    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInputError(f"{path} cannot be read ({error}); fetch it again.") from None
    start = 4 + 4 * dimensions
    if data[:4] != bytes([0, 0, 8, dimensions]) or len(data) < start:
        raise InvalidInputError(f"{path} is not an IDX file of {dimensions} dimensions; fetch it again.")
    sizes = [int.from_bytes(data[k : k + 4], "big") for k in range(4, start, 4)]
    if len(data) - start != math.prod(sizes) or math.prod(sizes) == 0:
        raise InvalidInputError(
            f"{path} holds {len(data) - start} bytes where its header promises {' x '.join(map(str, sizes))}; fetch it again."
        )
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=start).view(sizes)


def _find(path: Path) -> Path:
    return path if path.is_file() else path.with_name(f"{path.name}.gz")


def _missing(root: Path, files: list[str]) -> list[str]:
    return [file for file in files if not _find(root / file).is_file()]
