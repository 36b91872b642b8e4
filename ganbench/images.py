"""Image files, in a folder or in a zip archive, as one uint8 tensor.

How a pixel is read:
- grey stays grey (modes 1, L, LA and 16-bit grey) when every image is grey; one colour image makes all of them RGB;
- palettes, CMYK and the like become RGB as Pillow converts them;
- transparency is composited on white;
- 16-bit grey is divided by 257 and floored; of 16-bit colour Pillow gives the high byte;
- the first frame of an animation counts; EXIF orientation is not applied.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError

from ganbench.errors import InvalidInputError, MissingDataError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

# Pillow is asked for these formats only: others, such as EPS, start programs.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "TGA", "JPEG2000")
IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".jp2", ".j2k"),
)
SIDE_SUFFIXES = (
    *(".txt", ".json", ".jsonl", ".csv", ".tsv", ".md", ".rst", ".yaml", ".yml", ".toml", ".xml", ".html"),
    *(".log", ".ini", ".db", ".pdf", ".sha256", ".md5", ".py"),
)
SIDE_NAMES = ("license", "licence", "readme", "copying")
TEST_FOLDERS = ("test", "val", "valid", "validation")  # the first that is there holds the test part
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")
LARGEST_FILE = 2**28  # bytes of one file inside a zip: a larger one is no image but an archive made to fill the memory


@dataclass(frozen=True)
class ImageFile:
    """An image that is not read yet."""

    path: PurePosixPath  # below the folder or archive, less the outer folders that all images share
    shown: str  # what an error calls it
    read: Callable[[], bytes]


@dataclass(frozen=True)
class ImageParts:
    """The training and the test part of a folder or archive of images; labels and classes are None where there are no classes."""

    train: Tensor  # (N, C, H, W) uint8
    test: Tensor
    train_labels: Tensor | None  # (N,) int64
    test_labels: Tensor | None
    classes: int | None


def list_folder(path: Path) -> list[ImageFile]:
    """The images of a folder and of all folders in it, sorted by path; hidden and side files (.txt, .json, ...) are passed over.

    Raises MissingDataError where there is no such folder, UsageError where it is a file, InvalidInputError where it holds no image
    or a file of another kind.
    """
    if path.is_file():
        raise UsageError(f"{path} is a file where a folder of images is wanted; name the folder, or write zip:PATH for an archive.")
    if not path.is_dir():
        raise MissingDataError(f"There is no folder {path}; name a folder of images.")
    found = [ImageFile(name, str(path / name), (path / name).read_bytes) for name in _walk(path)]
    return _images_of(path, found)


@contextlib.contextmanager
def open_zip(path: Path) -> Iterator[list[ImageFile]]:
    """The images of a zip archive, sorted by path, readable inside the `with` block; nothing is unpacked to disk.

    Passes over the same files as `list_folder`. Raises MissingDataError where there is no such file, UsageError where it is a
    folder, InvalidInputError where it is no zip archive, is cut short, holds no image, or names a place outside itself.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder where a zip archive is wanted; write folder:{path}.")
    if not path.is_file():
        raise MissingDataError(f"There is no file {path}; name a zip archive of images.")
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # a broken archive makes zipfile raise almost anything
        raise InvalidInputError(f"{path} is no zip archive, or is cut short ({error}); copy or make it again.") from None
    with archive:
        yield _images_of(path, [_zip_entry(path, archive, info) for info in archive.infolist() if not info.filename.endswith("/")])


def read_images(files: Sequence[ImageFile]) -> Tensor:
    """The images as (N, C, H, W) uint8, in the order of `files`; C is 1 when all are grey, else 3.

    Raises InvalidInputError that names the file when one does not decode, unpacks to too many pixels, or is of another size.
    """
    import torch

    items: np.ndarray | None = None
    for index, file in enumerate(files):
        pixels = _decode(file)  # (1 or 3, H, W)
        if items is None:
            items = _room(len(files), pixels.shape)
        if pixels.shape[1:] != items.shape[2:]:
            raise _sizes_differ(files)
        if len(pixels) > items.shape[1]:
            items = np.repeat(items, len(pixels), axis=1)
        items[index] = pixels
    assert items is not None, "read_images needs a file"
    return torch.from_numpy(items)


def part_folders(files: Sequence[ImageFile]) -> dict[str, list[ImageFile]]:
    """The images under "train" and under "test" where the top level has both folders (val, valid or validation may stand for test).

    Empty where it has not. Raises InvalidInputError for an image beside the two, which would belong to no part.
    """
    tops: dict[str, list[ImageFile]] = {}
    for file in files:
        tops.setdefault(file.path.parts[0].lower() if len(file.path.parts) > 1 else "", []).append(file)
    test = next((name for name in TEST_FOLDERS if name in tops), None)
    if "train" not in tops or test is None:
        return {}
    beside = [name for name in tops if name not in ("train", *TEST_FOLDERS)]
    if beside:
        raise InvalidInputError(f"{tops[beside[0]][0].shown} lies beside the folders train and {test}; move it into one of them.")
    return {"train": tops["train"], "test": tops[test]}


def read_parts(path: Path, files: Sequence[ImageFile]) -> ImageParts:
    """All images of the folder or archive `path`, in two parts.

    The parts are the folders train and test (`part_folders`); where there are none, an image is in the test part when the sha256 of
    its pixels is a multiple of 5, so that names do not matter and copies of an image stay together. Its class is the first
    folder under the part, where every image has one and there are two or more. Raises as `read_images`, and where a part is empty.
    """
    import torch

    folders = part_folders(files)
    ordered = [*folders["train"], *folders["test"]] if folders else files
    items = read_images(ordered)
    train: slice | Tensor
    test: slice | Tensor
    if folders:
        train, test = slice(len(folders["train"])), slice(len(folders["train"]), None)
    else:
        test = torch.tensor([int(hashlib.sha256(item.tobytes()).hexdigest(), 16) % 5 == 0 for item in items.numpy()])
        train = ~test
    if len(items[train]) == 0 or len(items[test]) == 0:
        raise InvalidInputError(f"{path} has too few different images for two parts; add images, or make folders train and test.")
    labels, classes = _classes(ordered, depth=1 if folders else 0)
    return ImageParts(
        items[train], items[test], None if labels is None else labels[train], None if labels is None else labels[test], classes
    )


def _classes(files: Sequence[ImageFile], depth: int) -> tuple[Tensor | None, int | None]:
    import torch

    names = sorted({file.path.parts[depth] for file in files})
    if len(names) < 2 or any(len(file.path.parts) < depth + 2 for file in files):
        return None, None
    number = {name: index for index, name in enumerate(names)}
    return torch.tensor([number[file.path.parts[depth]] for file in files]), len(names)


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
    name = info.filename.replace("\\", "/")
    if name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0]:
        raise InvalidInputError(
            f"{path} holds {info.filename!r}, a path outside the archive; make the archive again with plain paths."
        )
    shown = f"{info.filename} in {path}"

    def read() -> bytes:
        if info.file_size > LARGEST_FILE:
            raise InvalidInputError(f"{shown} unpacks to {info.file_size:,} bytes, more than {LARGEST_FILE:,}; leave it out.")
        try:
            return archive.read(info)
        except Exception as error:  # as above
            raise InvalidInputError(f"{shown} cannot be unpacked ({error}); make the archive again.") from None

    return ImageFile(PurePosixPath(name), shown, read)


def _images_of(path: Path, found: list[ImageFile]) -> list[ImageFile]:
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


@contextlib.contextmanager
def _opened(file: ImageFile) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(file.read()), formats=FORMATS) as image:
                yield image
    except InvalidInputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InvalidInputError(
            f"{file.shown} would unpack to more than {Image.MAX_IMAGE_PIXELS:,} pixels; resize it or take it out."
        ) from None
    except Exception as error:  # a broken file makes Pillow's decoders raise almost anything
        reason = "it is no image of a known format" if isinstance(error, UnidentifiedImageError) else error
        raise InvalidInputError(f"{file.shown} cannot be read ({reason}); copy it again or take it out.") from None


def _decode(file: ImageFile) -> np.ndarray:
    with _opened(file) as image:
        grey = image.mode in GREY_MODES
        if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):  # Pillow gives a 16-bit PGM in mode I
            raise InvalidInputError(f"{file.shown} has 32-bit pixels, whose range is not known; save it with 8 or 16 bits.")
        if image.mode.startswith("I"):
            return (np.asarray(image).astype(np.int64) // 257).astype(np.uint8)[None]  # (1, H, W)
        if image.has_transparency_data:
            layer = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        if grey:
            return np.asarray(image.convert("L"))[None]  # (1, H, W)
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1)  # (3, H, W)


def _room(count: int, shape: tuple[int, ...]) -> np.ndarray:
    try:
        return np.empty((count, *shape), np.uint8)
    except MemoryError:
        raise InvalidInputError(
            f"{count:,} images of {shape[2]} x {shape[1]} pixels do not fit into memory; resize them or give fewer."
        ) from None


def _sizes_differ(files: Sequence[ImageFile]) -> InvalidInputError:
    sizes = []
    for file in files:
        with _opened(file) as image:
            sizes.append(image.size)
    usual = Counter(sizes).most_common(1)[0][0]
    odd = next(index for index, size in enumerate(sizes) if size != usual)
    return InvalidInputError(
        f"{files[odd].shown} is {sizes[odd][0]} x {sizes[odd][1]} pixels, but most images are {usual[0]} x {usual[1]}; "
        "resize them all to one size."
    )
