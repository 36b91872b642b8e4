"""Many image files of one size: their headers are read first, and their pixels batch by batch when they are wanted."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ganbench.errors import InvalidInputError
from ganbench.images.ahead import ahead, worker_count
from ganbench.images.pixels import PIXEL_RULE, Header, ImageFile, decode, quiet_bombs, read_header
from ganbench.images.processes import crew
from ganbench.images.table import ImageTable

if TYPE_CHECKING:
    from torch import Tensor

Told = TypeVar("Told")

FILES = 64  # that a worker reads at a time
PIXEL_BYTES = 2**20  # decoded at a time, at most: of large images fewer than 64, but one at least


@dataclass(frozen=True)
class Scanned:
    """Images whose headers are known. `fingerprint` is a sha256 of their names, their bytes and the rule that reads pixels."""

    files: ImageTable
    shape: tuple[int, int, int]  # (C, H, W), C 1 where all are grey
    lossy: int  # how many are stored as JPEG or JPEG 2000
    fingerprint: str

    def batches(self, batch_size: int) -> Iterator[Tensor]:
        """The images in their order as (B, C, H, W) uint8, each decoded once, by a few threads or processes a little ahead.

        What is decoded ahead is 2 MiB of pixels, or two images, for each of them. Raises InvalidInputError that names the file
        when one does not decode.
        """
        import torch

        at_once = max(1, min(FILES, batch_size, PIXEL_BYTES // int(np.prod(self.shape))))
        batch, filled, left = np.empty((0, *self.shape), np.uint8), 0, len(self.files)
        for pixels in _asked(self.files, functools.partial(decoded, shape=self.shape), at_once):
            while len(pixels):
                if filled == len(batch):
                    batch, filled = np.empty((min(batch_size, left), *self.shape), np.uint8), 0
                    left -= len(batch)
                some = pixels[: len(batch) - filled]
                batch[filled : filled + len(some)] = some
                filled, pixels = filled + len(some), pixels[len(some) :]
                if filled == len(batch):
                    yield torch.from_numpy(batch)


def scan(files: ImageTable, report: Callable[[int], None] = lambda done: None) -> Scanned:
    """Read the headers of images; `report` hears how many are read.

    Raises InvalidInputError that names the first file that cannot be read, or is of another size.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    first_of: dict[tuple[int, int], int] = {}
    grey, lossy, row = True, 0, 0
    summed = hashlib.sha256(f"[{PIXEL_RULE},[".encode())  # as `digest` sums the JSON of all, which would fill the memory
    with quiet_bombs(), contextlib.closing(_asked(files, headers_of, FILES)) as answers:
        for name, header in itertools.chain.from_iterable(answers):
            size = (header.width, header.height)
            sizes[size] += 1
            first_of.setdefault(size, row)
            grey, lossy = grey and header.grey, lossy + header.lossy
            summed.update(f'{"," if row else ""}[{json.dumps(name)},"{header.digest}"]'.encode())
            row += 1
            if row % FILES == 0 or row == len(files):
                report(row)
    summed.update(b"]]")
    usual = sizes.most_common(1)[0][0]
    if len(sizes) > 1:
        row, size = min((row, size) for size, row in first_of.items() if size != usual)
        raise InvalidInputError(
            f"{files[row].shown} is {size[0]} x {size[1]} pixels, but most images are {usual[0]} x {usual[1]}; "
            "resize them all to one size."
        )
    return Scanned(files, (1 if grey else 3, usual[1], usual[0]), lossy, summed.hexdigest())


def leave_out_bad(files: ImageTable) -> tuple[np.ndarray, list[str]]:
    """The rows of the files that decode, and the names of those that do not: every file is decoded once to tell."""
    with quiet_bombs(), contextlib.closing(_asked(files, are_good, FILES)) as answers:
        told = np.fromiter(itertools.chain.from_iterable(answers), bool, len(files))
    return np.flatnonzero(told), [files[int(row)].shown for row in np.flatnonzero(~told)]


def read_images(files: ImageTable) -> Tensor:
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
    for batch in scanned.batches(FILES):
        items[start : start + len(batch)] = batch
        start += len(batch)
    return items


def headers_of(files: ImageTable) -> list[tuple[str, Header]]:
    """The names and headers of a few images. Raises InvalidInputError for one that cannot be read."""
    return [(file.name, read_header(file)) for file in files]


def are_good(files: ImageTable) -> list[bool]:
    """Which of a few images decode."""
    return [_is_good(file) for file in files]


def decoded(files: ImageTable, shape: tuple[int, int, int]) -> np.ndarray:
    """The pixels of a few images, (B, C, H, W) uint8. Raises InvalidInputError for one that does not decode."""
    out = np.empty((len(files), *shape), np.uint8)
    for file, place in zip(files, out, strict=True):
        pixels = decode(file)
        if pixels.shape[1:] != shape[1:] or len(pixels) > shape[0]:
            raise InvalidInputError(f"{file.shown} was changed while it was read; start again.")
        place[:] = pixels
    return out


def _is_good(file: ImageFile) -> bool:
    try:
        read_header(file, decode_too=True)
    except InvalidInputError:
        return False
    return True


def _asked(files: ImageTable, question: Callable[[ImageTable], Told], at_once: int) -> Generator[Told, None, None]:
    """The answers for parts of `files`, in order, by a few threads or processes that work a little ahead."""

    def ask(start: int) -> Told:
        worker = free.get()
        try:
            return worker.do(functools.partial(question, files.part(start, min(start + at_once, len(files)))))
        finally:
            free.put(worker)

    count = worker_count()
    with (
        crew(count, len(files), files.place.open_files) as free,
        contextlib.closing(ahead(ask, range(0, len(files), at_once), count)) as answers,
    ):
        yield from answers
