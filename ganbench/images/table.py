"""The image files of a folder or of archives as a table of a few dozen bytes a file: millions are listed in little memory."""

from __future__ import annotations

import functools
import os
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import IO, Protocol, overload

import numpy as np

from ganbench.errors import InvalidInputError
from ganbench.images.pixels import ImageFile

IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".jp2", ".j2k"),
)
SIDE_SUFFIXES = (
    *(".txt", ".json", ".jsonl", ".csv", ".tsv", ".md", ".rst", ".yaml", ".yml", ".toml", ".xml", ".html"),
    *(".log", ".ini", ".db", ".pdf", ".sha256", ".md5", ".py"),
)
SIDE_NAMES = ("license", "licence", "readme", "copying")
ROWS = 256  # of a table that are made into Python's own numbers at a time


class Place(Protocol):
    """Where files lie: a folder or archives. It is small, whatever it holds, and may be pickled.

    Of each file the table keeps its name and a few whole numbers, such as its offset in the archive.
    """

    @property
    def open_files(self) -> Sequence[int]:
        """The numbers of the open files that a process must be given to read here."""

    def read(self, where: Sequence[int], name: str) -> bytes:
        """The bytes of a file; several threads may ask. Raises InvalidInputError, or OSError, where it cannot be read."""

    def shown(self, where: Sequence[int], name: str) -> str:
        """What an error calls the file."""


class OpenFile:
    """A file that closes itself when nobody keeps it. Reading a place of it is safe from several threads and processes."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        weakref.finalize(self, file.close)

    def __reduce__(self) -> tuple[object, ...]:
        return _given, (self.file.fileno(),)

    def read(self, size: int, offset: int) -> bytes:
        """`size` bytes from `offset` on, fewer where the file ends."""
        content = os.pread(self.file.fileno(), size, offset)
        while len(content) < size:
            part = os.pread(self.file.fileno(), size - len(content), offset + len(content))
            if not part:
                break
            content += part
        return content


@functools.cache
def _given(number: int) -> OpenFile:
    """A file that this process was started with."""
    return OpenFile(os.fdopen(number, "rb"))


@dataclass(frozen=True, eq=False)
class ImageTable(Sequence[ImageFile]):
    """Images in a fixed order. What an index gives is made at that moment, and kept by nobody."""

    place: Place
    names: bytes  # all names, one after the other
    starts: np.ndarray  # (N,) int64: where a name starts
    lengths: np.ndarray  # (N,) int32: its length in bytes
    where: np.ndarray  # (N, K) int64: the numbers that its place needs to find it
    above: int = 0  # outer folders that all images share, which a name is told without

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> ImageFile: ...
    @overload
    def __getitem__(self, index: slice) -> ImageTable: ...
    def __getitem__(self, index: int | slice) -> ImageFile | ImageTable:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        return next(iter(self.take(np.array([index]))))

    def __iter__(self) -> Iterator[ImageFile]:
        place = self.place
        for written, where in self._entries():
            yield ImageFile(self._told(written), place.shown(where, written), functools.partial(place.read, where, written))

    def told_names(self) -> Iterator[str]:
        """The images' names, as `ImageFile.name` has them."""
        return (self._told(written) for written, _ in self._entries())

    def take(self, rows: np.ndarray) -> ImageTable:
        """The images of some rows (n,), integers, in their order."""
        return ImageTable(self.place, self.names, self.starts[rows], self.lengths[rows], self.where[rows], self.above)

    def part(self, start: int, stop: int) -> ImageTable:
        """The images from `start` to before `stop`, with no more names than theirs: small enough to be sent to another process."""
        ends = (self.starts[start:stop] + self.lengths[start:stop]).tolist()
        names = [self.names[first:last] for first, last in zip(self.starts[start:stop].tolist(), ends, strict=True)]
        lengths = self.lengths[start:stop]
        return ImageTable(self.place, b"".join(names), _starts(lengths), lengths, self.where[start:stop], self.above)

    def _entries(self) -> Iterator[tuple[str, list[int]]]:
        """The names as they are written, with the numbers; what numpy holds is made into Python's own some rows at a time."""
        for start in range(0, len(self), ROWS):
            rows = slice(start, start + ROWS)
            ends = (self.starts[rows] + self.lengths[rows]).tolist()
            for first, last, where in zip(self.starts[rows].tolist(), ends, self.where[rows].tolist(), strict=True):
                yield self.names[first:last].decode("utf-8", "surrogateescape"), where

    def _told(self, written: str) -> str:
        return written if self.above == 0 else "/".join(parts_of(written)[self.above :])


def parts_of(written: str) -> list[str]:
    """The folders of a path and its last name, without the empty ones and the points that change nothing."""
    return [part for part in written.split("/") if part not in ("", ".")]


def passed_over(parts: list[str]) -> bool:
    """Whether the path is that of a hidden or a side file."""
    name = parts[-1].lower()
    hidden = any(part[0] == "." or part == "__MACOSX" for part in parts)
    return hidden or _suffix(name) in SIDE_SUFFIXES or name in SIDE_NAMES


def _suffix(name: str) -> str:
    stem, point, ending = name.rpartition(".")
    return point + ending if stem and ending else ""


def images_of(path: Path, place: Place, found: Iterable[tuple[str, Sequence[int]]]) -> ImageTable:
    """The images among files of the folder or archive `path`, given by their names and numbers, sorted by path.

    Raises InvalidInputError where there is none, or a file of another kind.
    """
    names: list[str] = []
    numbers = array("q")
    for written, where in found:
        parts = parts_of(written)
        if passed_over(parts):
            continue
        if _suffix(parts[-1].lower()) not in IMAGE_SUFFIXES:
            raise InvalidInputError(
                f"{place.shown(where, written)} is neither an image ({', '.join(IMAGE_SUFFIXES)}) nor a side file such as .txt; "
                "take it out."
            )
        names.append("/".join(parts))
        numbers.extend(where)
    if not names:
        raise InvalidInputError(f"{path} holds no images; name one that holds image files ({', '.join(IMAGE_SUFFIXES)}).")
    order = sorted(range(len(names)), key=[name.replace("/", "\0") for name in names].__getitem__)  # as lists of parts are sorted
    first, last = (names[order[end]].split("/")[:-1] for end in (0, -1))
    shared = list(takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))  # sorted: all share it then
    return table_of(place, [names[row] for row in order], _rows(numbers, len(names))[order], len(shared))


def table_of(place: Place, names: Sequence[str], where: np.ndarray, above: int = 0) -> ImageTable:
    """A table of files with these names and numbers (N, K) in their order."""
    encoded = [name.encode("utf-8", "surrogateescape") for name in names]
    lengths = np.fromiter(map(len, encoded), np.int32, len(encoded))
    return ImageTable(place, b"".join(encoded), _starts(lengths), lengths, where, above)


def _starts(lengths: np.ndarray) -> np.ndarray:
    starts: np.ndarray = np.cumsum(lengths, dtype=np.int64) - lengths
    return starts


def _rows(numbers: array[int], count: int) -> np.ndarray:
    rows = np.empty((count, len(numbers) // count), np.int64)
    rows[:] = np.frombuffer(numbers.tobytes(), np.int64).reshape(rows.shape)
    return rows
