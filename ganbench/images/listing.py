"""The image files of a folder, in a fixed order, and what archives of images share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ganbench.errors import InvalidInputError, MissingDataError, UsageError
from ganbench.images.table import ImageTable, images_of

LARGEST_FILE = 2**28  # bytes of one file inside an archive: a larger one is no image but an archive made to fill the memory


class Folder:
    """A folder as the place of its files."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    @property
    def open_files(self) -> Sequence[int]:
        """None."""
        return ()

    def read(self, where: Sequence[int], name: str) -> bytes:
        """The bytes of a file."""
        handle = os.open(f"{self.path}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            content = os.read(handle, 2**20)
            if len(content) < 2**20:  # one call reads a small file whole, and asking again would cost as much
                return content
            parts = [content]
            while part := os.read(handle, 2**24):
                parts.append(part)
            return b"".join(parts)
        finally:
            os.close(handle)

    def shown(self, where: Sequence[int], name: str) -> str:
        """Its path."""
        return f"{self.path}/{name}"


def list_folder(path: Path) -> ImageTable:
    """The images of a folder and of all folders in it, sorted by path; hidden and side files (.txt, .json, ...) are passed over.

    Raises MissingDataError where there is no such folder, UsageError where it is a file, InvalidInputError where it holds no image
    or a file of another kind.
    """
    if path.is_file():
        raise UsageError(
            f"{path} is a file where a folder of images is wanted; name the folder, or write zip:PATH or tar:PATH for an archive."
        )
    if not path.is_dir():
        raise MissingDataError(f"There is no folder {path}; name a folder of images.")
    return images_of(path, Folder(path), ((name, ()) for name in _walk(str(path))))


def check_archive_path(path: Path, kind: str) -> None:
    """Raise unless `path` is a file."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder where a {kind} archive is wanted; write folder:{path}.")
    if not path.is_file():
        raise MissingDataError(f"There is no file {path}; name a {kind} archive of images.")


def entry_name(path: Path, written: str) -> str:
    """The place of an archive's entry inside the archive. Raises InvalidInputError for one that would lie outside."""
    name = written.replace("\\", "/")
    if name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0]:
        raise InvalidInputError(f"{path} holds {written!r}, a path outside the archive; make the archive again with plain paths.")
    return name


def check_entry_size(shown: str, size: int) -> None:
    """Raise InvalidInputError for an entry that no image is as large as."""
    if size > LARGEST_FILE:
        raise InvalidInputError(f"{shown} unpacks to {size:,} bytes, more than {LARGEST_FILE:,}; leave it out.")


def _walk(folder: str, below: str = "", above: frozenset[str] = frozenset()) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in above:  # a link back to a folder that this one lies in
        return
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    yield from _walk(entry.path, f"{below}{entry.name}/", above | {real})
                elif (
                    entry.is_file() or entry.is_symlink()
                ):  # a link to nothing is an image that does not open, not one to pass over
                    yield below + entry.name
    except OSError as error:
        raise InvalidInputError(f"{folder} cannot be read ({error.strerror}); give yourself leave to read it.") from None
