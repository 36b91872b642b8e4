"""The image files of a zip archive, read where they lie: nothing is unpacked to disk."""

from __future__ import annotations

import functools
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from ganbench.errors import InvalidInputError
from ganbench.images.listing import check_archive_path, check_entry_size, entry_name
from ganbench.images.table import ImageTable, OpenFile, images_of

LOCAL_HEADER = struct.Struct("<4s2xH18xHH")  # signature, flags, and the lengths of name and extra field, which the data follow
ENCRYPTED = 1  # of the flags


class ZipArchive:
    """An open zip archive as the place of its entries: each is told by its offset, packed size, size, CRC-32 and method."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.held = OpenFile(path.open("rb"))

    @property
    def open_files(self) -> Sequence[int]:
        """The archive."""
        return (self.held.file.fileno(),)

    def read(self, where: Sequence[int], name: str) -> bytes:
        """The bytes of an entry, whose size and CRC-32 are checked.

        zipfile would do the same at four times the cost for a small image, and with hundreds of bytes an entry held.
        """
        _, _, size, checksum, _ = where
        shown = self.shown(where, name)
        check_entry_size(shown, size)
        try:
            content = self._unpacked(where)
        except Exception as error:  # a broken archive makes zipfile and zlib raise almost anything
            raise InvalidInputError(f"{shown} cannot be unpacked ({error}); make the archive again.") from None
        if len(content) != size or zlib.crc32(content) != checksum:
            raise InvalidInputError(f"{shown} cannot be unpacked (it is damaged); make the archive again.")
        return content

    def shown(self, where: Sequence[int], name: str) -> str:
        """Its name, and the archive's."""
        return f"{name} in {self.path}"

    def _unpacked(self, where: Sequence[int]) -> bytes:
        offset, packed, size, _, method = where
        signature, flags, name_length, extra_length = LOCAL_HEADER.unpack(self.held.read(LOCAL_HEADER.size, offset))
        if signature != b"PK\x03\x04":
            raise ValueError("its local header is damaged")
        if flags & ENCRYPTED or method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            archive, infos = _by_library(self.path)
            return archive.read(infos[offset])
        content = self.held.read(packed, offset + LOCAL_HEADER.size + name_length + extra_length)
        return content if method == zipfile.ZIP_STORED else zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, size + 1)


@functools.lru_cache(maxsize=1)
def _by_library(path: Path) -> tuple[zipfile.ZipFile, dict[int, zipfile.ZipInfo]]:
    """For entries that are neither stored nor deflated, which are rare, or encrypted, which it says: they by their offsets."""
    archive = zipfile.ZipFile(path)
    return archive, {info.header_offset: info for info in archive.infolist()}


def list_zip(path: Path) -> ImageTable:
    """The images of a zip archive, sorted by path; the archive stays open as long as they are kept.

    Passes over the same files as `list_folder`. Raises MissingDataError where there is no such file, UsageError where it is a
    folder, InvalidInputError where it is no zip archive, is cut short, holds no image, or names a place outside itself.
    """
    check_archive_path(path, "zip")
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except Exception as error:  # a broken archive makes zipfile raise almost anything
        raise InvalidInputError(f"{path} is no zip archive, or is cut short ({error}); copy or make it again.") from None
    files = (info for info in infos if not info.filename.endswith("/"))
    return images_of(path, ZipArchive(path), ((entry_name(path, info.filename), _where(info)) for info in files))


def _where(info: zipfile.ZipInfo) -> Sequence[int]:
    return info.header_offset, info.compress_size, info.file_size, info.CRC, info.compress_type
