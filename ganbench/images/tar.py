"""The image files of a tar archive, plain or compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import IO

from ganbench.errors import InvalidInputError
from ganbench.images.listing import check_archive_path, check_entry_size, entry_path, images_of
from ganbench.images.pixels import ImageFile

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


class _OpenFile:
    """A file that closes itself when nobody keeps it. Reading a place of it is safe from several threads."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        weakref.finalize(self, file.close)

    def read(self, size: int, offset: int) -> bytes:
        content = b""
        while len(content) < size:
            part = os.pread(self.file.fileno(), size - len(content), offset + len(content))
            if not part:
                break
            content += part
        return content


def list_tar(path: Path) -> list[ImageFile]:
    """The images of a tar archive, sorted by path; the archive stays open as long as they are kept.

    A compressed archive (gzip, bzip2, xz) is unpacked once into a temporary file without a name, since its parts can be read in no
    other order. Passes over the same files as `list_folder`. Raises MissingDataError where there is no such file, UsageError where
    it is a folder, InvalidInputError where it is no tar archive, is cut short, holds no image, or holds a link, a device or a path
    outside itself.
    """
    check_archive_path(path, "tar")
    held = _OpenFile(_plain(path))
    try:
        held.file.seek(0)
        with tarfile.open(fileobj=held.file, mode="r:") as archive:
            members = archive.getmembers()
    except Exception as error:  # a broken archive makes tarfile raise almost anything
        raise InvalidInputError(f"{path} is no tar archive, or is cut short ({error}); copy or make it again.") from None
    last = members[-1] if members else None
    end = -(-(last.offset_data + last.size) // BLOCK) * BLOCK if last else 0
    if held.read(BLOCK, end) != bytes(BLOCK):  # tarfile takes a broken header for the end
        raise InvalidInputError(f"{path} is cut short or damaged after {len(members)} files; copy or make it again.")
    return images_of(path, [_entry(path, held, member) for member in members if not member.isdir()])


def _entry(path: Path, held: _OpenFile, member: tarfile.TarInfo) -> ImageFile:
    shown = f"{member.name} in {path}"
    place = entry_path(path, member.name)
    if not member.isreg() or member.issparse():
        kind = "a link" if member.issym() or member.islnk() else "no plain file"
        raise InvalidInputError(f"{shown} is {kind}, which is not followed; make the archive again of plain files (tar -h).")

    def read() -> bytes:
        check_entry_size(shown, member.size)
        content = held.read(member.size, member.offset_data)
        if len(content) != member.size:
            raise InvalidInputError(f"{shown} is cut short; copy the archive again.")
        return content

    return ImageFile(place, shown, read)


def _plain(path: Path) -> IO[bytes]:
    """The archive itself, or what it unpacks to."""
    file = path.open("rb")
    head = file.read(6)
    unpacker = next((open_it for magic, open_it in UNPACKERS.items() if head.startswith(magic)), None)
    if unpacker is None:
        return file
    file.close()
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
