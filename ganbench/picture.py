"""Samples to look at: images as one PNG grid, points as an array."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from ganbench.files import write_atomically

GRID_SIDE = 8
POINTS_SHOWN = 2500


def save_picture(stem: Path, items: Tensor) -> Path:
    """Write the first 64 images (N, C, H, W) uint8 as `stem`.png, an 8 x 8 grid, or 2,500 points (N, D) as `stem`.npy, float32.

    One channel is shown grey, three as RGB, of any other number the first. Returns the path written.
    """
    buffer = io.BytesIO()
    if items.ndim == 2:
        path = stem.with_name(stem.name + ".npy")
        np.save(buffer, items[:POINTS_SHOWN].float().numpy(), allow_pickle=False)
    else:
        path = stem.with_name(stem.name + ".png")
        Image.fromarray(_grid(items[: GRID_SIDE**2])).save(buffer, "PNG")
    write_atomically(path, buffer.getvalue())
    return path


def _grid(images: Tensor) -> np.ndarray:
    count, channels, height, width = images.shape
    shown = images if channels == 3 else images[:, :1]
    rows = -(-count // GRID_SIDE)
    canvas = np.zeros((rows * (height + 1) - 1, GRID_SIDE * (width + 1) - 1, shown.shape[1]), np.uint8)
    for number, image in enumerate(shown.permute(0, 2, 3, 1).numpy()):  # (H, W, C)
        row, column = divmod(number, GRID_SIDE)
        top, left = row * (height + 1), column * (width + 1)
        canvas[top : top + height, left : left + width] = image
    return canvas if channels == 3 else canvas[:, :, 0]
