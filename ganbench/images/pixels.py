"""One image file as uint8 pixels.

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
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from ganbench.errors import InvalidInputError

PIXEL_RULE = 1  # the version of the rule above: it is part of what names a cached result
# Pillow is asked for these formats only: others, such as EPS, start programs.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "TGA", "JPEG2000")
LOSSY_FORMATS = ("JPEG", "MPO", "JPEG2000")  # WebP, TIFF and JPEG 2000 may be either; only these are counted as lossy
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image that is not read yet. `read` may be called from several threads."""

    name: str  # its path below the folder or archive, less the outer folders that all images share
    shown: str  # what an error calls it
    read: Callable[[], bytes]


class Header(NamedTuple):
    """What is known of an image without decoding its pixels; `digest` is the sha256 of the file's bytes."""

    width: int
    height: int
    grey: bool
    lossy: bool
    digest: str


@contextlib.contextmanager
def quiet_bombs() -> Iterator[None]:
    """Keep Pillow's warning of large images off the screen: `read_header` and `decode` refuse them with an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def read_header(file: ImageFile, *, decode_too: bool = False) -> Header:
    """The header of an image, and with `decode_too` whether all of it decodes.

    Raises InvalidInputError that names the file when it cannot be read or unpacks to too many pixels.
    """
    with _opened(file) as (image, content):
        header = _header(image, content)
        if decode_too:
            image.load()
    return header


def decode(file: ImageFile) -> np.ndarray:
    """The pixels of an image: (1, H, W) uint8 where it is grey, else (3, H, W). Raises as `read_header`."""
    with _opened(file) as (image, _):
        return _pixels(image)


def header_and_pixels(file: ImageFile) -> tuple[Header, np.ndarray | None]:
    """`read_header` and `decode` of an image that is opened once; no pixels where they do not decode. Raises as `read_header`."""
    with _opened(file) as (image, content):
        header = _header(image, content)
        try:
            return header, _pixels(image)
        except Exception:  # `decode` says what is wrong when the pixels are wanted
            return header, None


def _header(image: Image.Image, content: bytes) -> Header:
    grey, lossy = image.mode in GREY_MODES, image.format in LOSSY_FORMATS
    return Header(*image.size, grey, lossy, hashlib.sha256(content).hexdigest())


def _pixels(image: Image.Image) -> np.ndarray:
    grey = image.mode in GREY_MODES
    if image.mode.startswith("I"):
        return (np.asarray(image).astype(np.int64) // 257).astype(np.uint8)[None]  # (1, H, W)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    wanted = "L" if grey else "RGB"
    content = (image if image.mode == wanted else image.convert(wanted)).tobytes()
    pixels = np.frombuffer(content, np.uint8).reshape(image.height, image.width, -1)  # asarray costs as much again as decoding
    return pixels.transpose(2, 0, 1)


@contextlib.contextmanager
def _opened(file: ImageFile) -> Iterator[tuple[Image.Image, bytes]]:
    """The image, whose pixels are not decoded yet, and the bytes of its file."""
    try:
        content = file.read()
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if Image.MAX_IMAGE_PIXELS is not None and image.width * image.height > Image.MAX_IMAGE_PIXELS:
                raise Image.DecompressionBombError
            if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):  # Pillow gives a 16-bit PGM in mode I
                raise InvalidInputError(f"{file.shown} has 32-bit pixels, whose range is not known; save it with 8 or 16 bits.")
            yield image, content
    except InvalidInputError:
        raise
    except Image.DecompressionBombError:
        raise InvalidInputError(
            f"{file.shown} would unpack to more than {Image.MAX_IMAGE_PIXELS:,} pixels; resize it or take it out."
        ) from None
    except Exception as error:  # a broken file makes Pillow's decoders raise almost anything
        reason = "it is no image of a known format" if isinstance(error, UnidentifiedImageError) else error
        raise InvalidInputError(
            f"{file.shown} cannot be read ({reason}); copy it again or take it out (score --skip-bad leaves such images out)."
        ) from None
