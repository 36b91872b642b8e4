"""Pixels of many small images in a temporary file, from the pass that reads their headers to the one that wants the pixels."""

from __future__ import annotations

import contextlib
import tempfile

import numpy as np

from ganbench.errors import InvalidInputError
from ganbench.images.table import OpenFile

MOST_BYTES = 2**30  # of disk: 349,525 images of 32 x 32 pixels in colour
LARGEST_IMAGE = 2**14  # bytes of pixels: of larger ones decoding costs far more than opening them twice


class Spool:
    """Images in their order, in a file that has no name and so is gone when this process is.

    `shape` is that of an image, (C, H, W). It is None, and nothing is kept, where images are too large or too many, where one of
    them has no pixels of that shape to give, and where the disk is full.
    """

    def __init__(self, count: int, shape: tuple[int, int, int]) -> None:
        """For so many images."""
        self.shape: tuple[int, int, int] | None = None
        self.image_bytes = int(np.prod(shape))
        if self.image_bytes <= LARGEST_IMAGE and self.image_bytes * count <= MOST_BYTES:
            with contextlib.suppress(OSError):  # without a place for temporary files nothing is lost but time
                self.held = OpenFile(tempfile.TemporaryFile())  # noqa: SIM115, it lives as long as its images do
                self.shape = shape

    def add(self, pixels: np.ndarray | None) -> None:
        """Keep the next images, (B, C, H, W) uint8, or give up."""
        if self.shape is None:
            return
        if pixels is None:
            self.give_up()
            return
        try:
            self.held.file.write(pixels.data)
            self.held.file.flush()
        except OSError:
            self.give_up()

    def give_up(self) -> None:
        """Keep nothing."""
        if self.shape is not None:
            self.shape = None
            with contextlib.suppress(OSError):  # what did not fit on the disk does not fit now either
                self.held.file.close()

    def read(self, start: int, stop: int) -> np.ndarray:
        """The images from `start` to before `stop`, (B, C, H, W) uint8. Raises InvalidInputError where the disk fails."""
        assert self.shape is not None
        try:
            content = self.held.read((stop - start) * self.image_bytes, start * self.image_bytes)
            return np.frombuffer(content, np.uint8).reshape(stop - start, *self.shape)
        except (OSError, ValueError) as error:
            raise InvalidInputError(
                f"Temporary files in {tempfile.gettempdir()} cannot be read again ({error}); name another folder in TMPDIR."
            ) from None
