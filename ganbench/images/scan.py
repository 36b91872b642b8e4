"""Many image files of one size: their headers are read first, and their pixels batch by batch when they are wanted.

Opening a small image costs nearly as much as decoding it, so that small ones may be decoded while they are open for their headers.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from ganbench.errors import InvalidInputError
from ganbench.images.ahead import ahead, worker_count
from ganbench.images.pixels import PIXEL_RULE, Header, ImageFile, decode, header_and_pixels, quiet_bombs, read_header
from ganbench.images.processes import crew
from ganbench.images.spool import Spool
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
    spool: Spool | None = None  # their pixels, where they are kept

    def batches(self, batch_size: int) -> Iterator[Tensor]:
        """The images in their order as (B, C, H, W) uint8, from the spool, or decoded by a few threads or processes a little ahead.

        What is decoded ahead is 2 MiB of pixels, or two images, for each of them. Raises InvalidInputError that names the file
        when one does not decode.
        """
        import torch

        batch, filled, left = np.empty((0, *self.shape), np.uint8), 0, len(self.files)
        for pixels in self._pieces(max(1, min(FILES, batch_size, PIXEL_BYTES // int(np.prod(self.shape))))):
            while len(pixels):
                if filled == len(batch):
                    batch, filled = np.empty((min(batch_size, left), *self.shape), np.uint8), 0
                    left -= len(batch)
                some = pixels[: len(batch) - filled]
                batch[filled : filled + len(some)] = some
                filled, pixels = filled + len(some), pixels[len(some) :]
                if filled == len(batch):
                    yield torch.from_numpy(batch)

    def _pieces(self, at_once: int) -> Iterator[np.ndarray]:
        if self.spool is None:
            yield from _asked(self.files, lambda part: functools.partial(decoded, part, self.shape), at_once)
        else:
            for start in range(0, len(self.files), at_once):
                yield self.spool.read(start, min(start + at_once, len(self.files)))


def scan(files: ImageTable, report: Callable[[int], None] = lambda done: None, *, keep_pixels: bool = False) -> Scanned:
    """Read the headers of images; `report` hears how many are read. With `keep_pixels` the pixels of small ones are decoded too.

    Raises InvalidInputError that names the first file that cannot be read, or is of another size.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    first_of: dict[tuple[int, int], int] = {}
    grey, lossy, row = True, 0, 0
    summed = hashlib.sha256(f"[{PIXEL_RULE},[".encode())  # as `digest` sums the JSON of all, which would fill the memory
    spool = _spool(files) if keep_pixels else None
    asked = _asked(files, lambda part: functools.partial(headers_of, part, spool.shape if spool else None), FILES)
    with quiet_bombs(), contextlib.closing(asked) as answers:
        for told in answers:
            for size, count in told.sizes.items():
                sizes[size] += count
                first_of.setdefault(size, row + told.first_of[size])
            grey, lossy = grey and told.grey, lossy + told.lossy
            summed.update(b"," + told.text if row else told.text)
            if spool is not None:
                spool.add(told.pixels)
            row += sum(told.sizes.values())
            report(row)
    summed.update(b"]]")
    usual = sizes.most_common(1)[0][0]
    if len(sizes) > 1:
        row, size = min((row, size) for size, row in first_of.items() if size != usual)
        raise InvalidInputError(
            f"{files[row].shown} is {size[0]} x {size[1]} pixels, but most images are {usual[0]} x {usual[1]}; "
            "resize them all to one size."
        )
    shape = (1 if grey else 3, usual[1], usual[0])
    return Scanned(files, shape, lossy, summed.hexdigest(), spool if spool is not None and spool.shape else None)


def outline(files: ImageTable) -> str:
    """A sha256 of what is soon known of many images: all names, and the bytes of the first 64. Raises as `scan`."""
    summed = hashlib.sha256(files.names)
    for part in (files.starts, files.lengths):
        summed.update(part.tobytes())
    with quiet_bombs():
        summed.update(headers_of(files.part(0, min(FILES, len(files))), None).text)
    return summed.hexdigest()


def leave_out_bad(files: ImageTable) -> tuple[np.ndarray, list[str]]:
    """The rows of the files that decode, and the names of those that do not: every file is decoded once to tell."""
    with quiet_bombs(), contextlib.closing(_asked(files, lambda part: functools.partial(are_good, part), FILES)) as answers:
        told = np.fromiter(itertools.chain.from_iterable(answers), bool, len(files))
    return np.flatnonzero(told), [files[int(row)].shown for row in np.flatnonzero(~told)]


def read_images(files: ImageTable) -> Tensor:
    """All images in memory, (N, C, H, W) uint8, in the order of `files`; C is 1 when all are grey, else 3.

    Raises InvalidInputError that names the file when one does not decode, unpacks to too many pixels, or is of another size.
    """
    import torch

    scanned = scan(files, keep_pixels=True)
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


class Headers(NamedTuple):
    """What the headers of a few images say together."""

    text: bytes  # of each, in JSON, its name and the sha256 of its bytes
    sizes: Counter[tuple[int, int]]
    first_of: dict[tuple[int, int], int]  # which of them is the first of a size
    grey: bool  # all of them
    lossy: int
    pixels: np.ndarray | None


def headers_of(files: ImageTable, shape: tuple[int, int, int] | None) -> Headers:
    """What the headers of a few images say. Raises InvalidInputError for one that cannot be read.

    With a `shape` (C, H, W) their pixels too, (B, C, H, W) uint8, or None where not all decode to it.
    """
    headers: list[Header] = []
    pixels = None if shape is None else np.empty((len(files), *shape), np.uint8)
    texts: list[str] = []
    for file in files:
        if pixels is None:
            header = read_header(file)
        else:
            header, decoded_too = header_and_pixels(file)
            if decoded_too is not None and _fits(decoded_too, pixels.shape[1:]):
                pixels[len(headers)] = decoded_too
            else:
                pixels = None
        headers.append(header)
        texts.append(f'[{json.dumps(file.name)},"{header.digest}"]')
    sizes = [(header.width, header.height) for header in headers]
    first_of = {size: row for row, size in reversed(list(enumerate(sizes)))}
    grey, lossy = all(header.grey for header in headers), sum(header.lossy for header in headers)
    return Headers(",".join(texts).encode(), Counter(sizes), first_of, grey, lossy, pixels)


def are_good(files: ImageTable) -> list[bool]:
    """Which of a few images decode."""
    return [_is_good(file) for file in files]


def decoded(files: ImageTable, shape: tuple[int, int, int]) -> np.ndarray:
    """The pixels of a few images, (B, C, H, W) uint8. Raises InvalidInputError for one that does not decode."""
    out = np.empty((len(files), *shape), np.uint8)
    for file, place in zip(files, out, strict=True):
        pixels = decode(file)
        if not _fits(pixels, shape):
            raise InvalidInputError(f"{file.shown} was changed while it was read; start again.")
        place[:] = pixels
    return out


def _fits(pixels: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether an image is of the shape (C, H, W), or grey where that is in colour."""
    return pixels.shape[1:] == shape[1:] and len(pixels) <= shape[0]


def _spool(files: ImageTable) -> Spool:
    """A place for the pixels of images like the first one."""
    with quiet_bombs():
        first = read_header(files[0])
    return Spool(len(files), (1 if first.grey else 3, first.height, first.width))


def _is_good(file: ImageFile) -> bool:
    try:
        read_header(file, decode_too=True)
    except InvalidInputError:
        return False
    return True


def _asked(files: ImageTable, work_on: Callable[[ImageTable], Callable[[], Told]], at_once: int) -> Generator[Told, None, None]:
    """What the work on parts of `files` gives, in order, done by a few threads or processes a little ahead."""

    def ask(start: int) -> Told:
        worker = free.get()
        try:
            return worker.do(work_on(files.part(start, min(start + at_once, len(files)))))
        finally:
            free.put(worker)

    count = worker_count()
    with (
        crew(count, len(files), files.place.open_files) as free,
        contextlib.closing(ahead(ask, range(0, len(files), at_once), count)) as answers,
    ):
        yield from answers
