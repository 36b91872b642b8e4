"""The image files of a folder, a zip archive or a tar archive, in a fixed order. Nothing is unpacked where others can see it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path, PurePosixPath

from ganbench.errors import InvalidInputError, MissingDataError, UsageError
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
LARGEST_FILE = 2**28  # bytes of one file inside an archive: a larger one is no image but an archive made to fill the memory


def list_folder(path: Path) -> list[ImageFile]:
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
    found = [ImageFile(name, str(path / name), (path / name).read_bytes) for name in _walk(path)]
    return images_of(path, found)


def list_zip(path: Path) -> list[ImageFile]:
    """The images of a zip archive, sorted by path; the archive stays open as long as they are kept.

    Passes over the same files as `list_folder`. Raises MissingDataError where there is no such file, UsageError where it is a
    folder, InvalidInputError where it is no zip archive, is cut short, holds no image, or names a place outside itself.
    """
    check_archive_path(path, "zip")
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # a broken archive makes zipfile raise almost anything
        raise InvalidInputError(f"{path} is no zip archive, or is cut short ({error}); copy or make it again.") from None
    return images_of(path, [_zip_entry(path, archive, info) for info in archive.infolist() if not info.filename.endswith("/")])


def check_archive_path(path: Path, kind: str) -> None:
    """Raise unless `path` is a file."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder where a {kind} archive is wanted; write folder:{path}.")
    if not path.is_file():
        raise MissingDataError(f"There is no file {path}; name a {kind} archive of images.")


def entry_path(path: Path, written: str) -> PurePosixPath:
    """The place of an archive's entry inside the archive. Raises InvalidInputError for one that would lie outside."""
    name = written.replace("\\", "/")
    if name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0]:
        raise InvalidInputError(f"{path} holds {written!r}, a path outside the archive; make the archive again with plain paths.")
    return PurePosixPath(name)


def check_entry_size(shown: str, size: int) -> None:
    """Raise InvalidInputError for an entry that no image is as large as."""
    if size > LARGEST_FILE:
        raise InvalidInputError(f"{shown} unpacks to {size:,} bytes, more than {LARGEST_FILE:,}; leave it out.")


def images_of(path: Path, found: list[ImageFile]) -> list[ImageFile]:
    """The images among the files of the folder or archive `path`, sorted, without the outer folders that all of them share."""
    images = []
    for file in found:
        name, suffix = file.path.name.lower(), file.path.suffix.lower()
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in file.path.parts)
        if hidden or suffix in SIDE_SUFFIXES or name in SIDE_NAMES:
            continue
        if suffix not in IMAGE_SUFFIXES:
            raise InvalidInputError(
                f"{file.shown} is neither an image ({', '.join(IMAGE_SUFFIXES)}) nor a side file such as .txt; take it out."
            )
        images.append(file)
    if not images:
        raise InvalidInputError(f"{path} holds no images; name one that holds image files ({', '.join(IMAGE_SUFFIXES)}).")
    images.sort(key=lambda file: file.path.parts)
    first, last = images[0].path.parent.parts, images[-1].path.parent.parts  # sorted: what these two share, all share
    shared = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))))
    return [replace(file, path=PurePosixPath(*file.path.parts[shared:])) for file in images]


def _walk(folder: Path, below: PurePosixPath = PurePosixPath(), above: frozenset[str] = frozenset()) -> Iterator[PurePosixPath]:
    real = os.path.realpath(folder)
    if real in above:  # a link back to a folder that this one lies in
        return
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise InvalidInputError(f"{folder} cannot be read ({error.strerror}); give yourself leave to read it.") from None
    for entry in entries:
        if entry.is_dir():
            yield from _walk(entry, below / entry.name, above | {real})
        elif entry.is_file() or entry.is_symlink():  # a link to nothing is an image that does not open, not one to pass over
            yield below / entry.name


def _zip_entry(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> ImageFile:
    shown = f"{info.filename} in {path}"

    def read() -> bytes:
        check_entry_size(shown, info.file_size)
        try:
            return archive.read(info)
        except Exception as error:  # as above
            raise InvalidInputError(f"{shown} cannot be unpacked ({error}); make the archive again.") from None

    return ImageFile(entry_path(path, info.filename), shown, read)
