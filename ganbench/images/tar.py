"""The image files of a tar archive, plain or compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from ganbench.errors import InvalidInputError
from ganbench.images.listing import check_archive_path, check_entry_size, entry_name
from ganbench.images.table import ImageTable, OpenFile, images_of

_Stream = gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
UNPACKERS: dict[bytes, Callable[[Path], _Stream]] = {  # by the first bytes of the file
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
CHUNK = 2**20  # bytes unpacked at a time
BOMB_BYTES, BOMB_RATIO = 2**32, 100  # an archive that unpacks to more than both is made to fill the disk
BLOCK = 512  # bytes: a tar archive is a row of these, and ends in blocks of zeros


class TarArchive:
    """An open tar archive, unpacked where it was compressed, as the place of its plain files, told by their offsets and sizes."""

    def __init__(self, path: Path) -> None:
        self.path, self.held = path, OpenFile(_plain(path))

    @property
    def open_files(self) -> Sequence[int]:
        """The archive."""
        return (self.held.file.fileno(),)

    def read(self, where: Sequence[int], name: str) -> bytes:
        """The bytes of a file."""
        offset, size = where
        check_entry_size(self.shown(where, name), size)
        content = self.held.read(size, offset)
        if len(content) != size:
            raise InvalidInputError(f"{self.shown(where, name)} is cut short; copy the archive again.")
        return content

    def shown(self, where: Sequence[int], name: str) -> str:
        """Its name, and the archive's."""
        return f"{name} in {self.path}"

    def files(self) -> Iterator[tuple[str, Sequence[int]]]:
        """The names of the files with their offsets and sizes, in the archive's order.

        Raises InvalidInputError where the archive is damaged or cut short, or holds a link, a device or a path outside itself.
        """
        self.held.file.seek(0)
        end = count = 0
        for member in self._members():
            end = member.offset_data + -(-member.size // BLOCK) * BLOCK
            count += 1
            if member.isdir():
                continue
            name = entry_name(self.path, member.name)
            if not member.isreg() or member.issparse():
                kind = "a link" if member.issym() or member.islnk() else "no plain file"
                raise InvalidInputError(
                    f"{self.shown((), name)} is {kind}, which is not followed; make the archive again of plain files (tar -h)."
                )
            yield name, (member.offset_data, member.size)
        if self.held.read(BLOCK, end) != bytes(BLOCK):  # tarfile takes a broken header for the end
            raise InvalidInputError(f"{self.path} is cut short or damaged after {count} files; copy or make it again.")

    def _members(self) -> Iterator[tarfile.TarInfo]:
        try:
            with tarfile.open(fileobj=self.held.file, mode="r:") as archive:
                while (member := archive.next()) is not None:
                    archive.members.clear()  # type: ignore[attr-defined]  # it would keep all, at a thousand bytes each
                    yield member
        except Exception as error:  # a broken archive makes tarfile raise almost anything
            raise InvalidInputError(f"{self.path} is no tar archive, or is cut short ({error}); copy or make it again.") from None


def list_tar(path: Path) -> ImageTable:
    """The images of a tar archive, sorted by path; the archive stays open as long as they are kept.

    A compressed archive (gzip, bzip2, xz) is unpacked once into a temporary file without a name, since its parts can be read in no
    other order. Passes over the same files as `list_folder`. Raises MissingDataError where there is no such file, UsageError where
    it is a folder, InvalidInputError where it is no tar archive, is cut short, holds no image, or holds a link, a device or a path
    outside itself.
    """
    check_archive_path(path, "tar")
    archive = TarArchive(path)
    return images_of(path, archive, archive.files())


def is_compressed(path: Path) -> bool:
    """Whether the file starts as one that gzip, bzip2 or xz have made."""
    return _unpacker(path) is not None


def _unpacker(path: Path) -> Callable[[Path], _Stream] | None:
    with path.open("rb") as file:
        head = file.read(6)
    return next((open_it for magic, open_it in UNPACKERS.items() if head.startswith(magic)), None)


def _plain(path: Path) -> IO[bytes]:
    """The archive itself, or what it unpacks to."""
    unpacker = _unpacker(path)
    if unpacker is None:
        return path.open("rb")
    with unpacker(path) as stream:
        return _unpacked(path, stream)


def _unpacked(path: Path, stream: _Stream) -> IO[bytes]:
    limit = max(BOMB_BYTES, BOMB_RATIO * path.stat().st_size)
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115, it lives as long as its images do
    try:
        while part := stream.read(CHUNK):
            unpacked.write(part)
            if unpacked.tell() > limit:
                raise InvalidInputError(f"{path} unpacks to more than {limit:,} bytes; unpack it yourself if you trust it.")
    except InvalidInputError:
        unpacked.close()
        raise
    except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
        unpacked.close()
        raise InvalidInputError(f"{path} cannot be unpacked, or is cut short ({error}); copy or make it again.") from None
    unpacked.flush()
    return unpacked
