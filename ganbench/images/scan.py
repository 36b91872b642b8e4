"""Many image files of one size: their headers are read first, and their pixels batch by batch when they are wanted."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ganbench.errors import InvalidInputError
from ganbench.files import digest
from ganbench.images.pixels import PIXEL_RULE, ImageFile, decode, quiet_bombs, read_header

if TYPE_CHECKING:
    from torch import Tensor

THREADS = min(4, os.cpu_count() or 1)  # Pillow and sha256 work outside the interpreter's lock
AHEAD = 64  # images decoded before they are asked for


@dataclass(frozen=True)
class Scanned:
    """Images whose headers are known. `fingerprint` is a sha256 of their names, their bytes and the rule that reads pixels."""

    files: tuple[ImageFile, ...]
    shape: tuple[int, int, int]  # (C, H, W), C 1 where all are grey
    lossy: int  # how many are stored as JPEG or JPEG 2000
    fingerprint: str

    def batches(self, batch_size: int) -> Iterator[Tensor]:
        """The images in their order as (B, C, H, W) uint8, each decoded once, by a few threads a little ahead of the reader.

        Raises InvalidInputError that names the file when one does not decode.
        """
        import torch

        batch = np.empty((min(batch_size, len(self.files)), *self.shape), np.uint8)
        filled = 0
        for file, pixels in zip(self.files, _decoded(self.files), strict=True):
            if pixels.shape[1:] != self.shape[1:] or len(pixels) > self.shape[0]:
                raise InvalidInputError(f"{file.shown} was changed while it was read; start again.")
            batch[filled] = pixels
            filled += 1
            if filled == len(batch):
                yield torch.from_numpy(batch)
                batch, filled = np.empty_like(batch), 0
        if filled:
            yield torch.from_numpy(batch[:filled])


def scan(files: Sequence[ImageFile]) -> Scanned:
    """Read the headers of images. Raises InvalidInputError that names the first file that cannot be read, or is of another size."""
    with quiet_bombs(), ThreadPoolExecutor(THREADS) as pool:
        headers = list(pool.map(read_header, files))
    sizes = [(header.width, header.height) for header in headers]
    usual = Counter(sizes).most_common(1)[0][0]
    for file, size in zip(files, sizes, strict=True):
        if size != usual:
            raise InvalidInputError(
                f"{file.shown} is {size[0]} x {size[1]} pixels, but most images are {usual[0]} x {usual[1]}; "
                "resize them all to one size."
            )
    channels = 1 if all(header.grey for header in headers) else 3
    names = [[str(file.path), header.digest] for file, header in zip(files, headers, strict=True)]
    lossy = sum(header.lossy for header in headers)
    return Scanned(tuple(files), (channels, usual[1], usual[0]), lossy, digest([PIXEL_RULE, names]))


def leave_out_bad(files: Sequence[ImageFile]) -> tuple[list[ImageFile], list[str]]:
    """The files that decode, and the names of those that do not: every file is decoded once to tell."""

    def complaint(file: ImageFile) -> str | None:
        try:
            read_header(file, decode_too=True)
        except InvalidInputError as error:
            return str(error)
        return None

    with quiet_bombs(), ThreadPoolExecutor(THREADS) as pool:
        complaints = list(pool.map(complaint, files))
    good = [file for file, said in zip(files, complaints, strict=True) if said is None]
    return good, [file.shown for file, said in zip(files, complaints, strict=True) if said is not None]


def read_images(files: Sequence[ImageFile]) -> Tensor:
    """All images in memory, (N, C, H, W) uint8, in the order of `files`; C is 1 when all are grey, else 3.

    Raises InvalidInputError that names the file when one does not decode, unpacks to too many pixels, or is of another size.
    """
    import torch

    scanned = scan(files)
    try:
        items = torch.from_numpy(np.empty((len(files), *scanned.shape), np.uint8))
    except MemoryError:
        raise InvalidInputError(
            f"{len(files):,} images of {scanned.shape[2]} x {scanned.shape[1]} pixels do not fit into memory; "
            "resize them or give fewer."
        ) from None
    start = 0
    for batch in scanned.batches(AHEAD):
        items[start : start + len(batch)] = batch
        start += len(batch)
    return items


def _decoded(files: Sequence[ImageFile]) -> Iterator[np.ndarray]:
    waiting: deque[Future[np.ndarray]] = deque()
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for file in files:
                waiting.append(pool.submit(decode, file))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # a reader that stops early must not wait for the rest
            pool.shutdown(wait=False, cancel_futures=True)
