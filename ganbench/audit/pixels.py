"""Damages by change of the items. Each function gives new items of the same shape and type; images are rounded and clamped.

They take items (B, C, H, W) uint8, or (B, D) floats for noise and shift, a strength, the subject and a generator.
"""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor
from torch.nn import functional

from ganbench.audit.damage import Subject

BLUR_REACH = 4  # standard deviations
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def noise(items: Tensor, strength: float, subject: Subject, generator: Generator) -> Tensor:
    """Independent normal noise, its standard deviation `strength` times that of the data."""
    drawn = torch.randn(items.shape, generator=generator)
    return _like(items, items.double() + strength * subject.scale * drawn)


def blur(items: Tensor, strength: float, subject: Subject, generator: Generator) -> Tensor:
    """A Gaussian blur with a standard deviation of `strength` pixels, cut at 4 of them; the edge is repeated outwards."""
    radius = int(BLUR_REACH * strength + 0.5)
    weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=torch.float64) / strength).square())
    weights = (weights / weights.sum()).view(1, 1, 1, -1)
    blurred = items.double().flatten(0, 1)[:, None]  # (B C, 1, H, W)
    for _ in range(2):  # along the rows, then along the columns
        padded = functional.pad(blurred, (radius, radius, 0, 0), mode="replicate")
        blurred = functional.conv2d(padded, weights).transpose(2, 3)
    return _like(items, blurred.reshape(items.shape))


def shift_pixels(items: Tensor, strength: float, subject: Subject, generator: Generator) -> Tensor:
    """Everything moves `strength` whole pixels to the right; the left edge is repeated."""
    columns = (torch.arange(items.shape[-1]) - int(strength)).clamp(min=0)
    return items[..., columns]


def shift_points(items: Tensor, strength: float, subject: Subject, generator: Generator) -> Tensor:
    """The first coordinate grows by `strength` standard deviations of the data."""
    moved = items.clone()
    moved[:, 0] += strength * subject.scale
    return moved


def jpeg(items: Tensor, strength: float, subject: Subject, generator: Generator) -> Tensor:
    """Through Pillow's JPEG at quality `strength` and back; colour is subsampled 4:2:0, as Pillow does by default."""
    return torch.stack([_through_jpeg(item, int(strength)) for item in items])


def _through_jpeg(item: Tensor, quality: int) -> Tensor:
    file = io.BytesIO()
    pixels = item[0].numpy() if len(item) == 1 else item.permute(1, 2, 0).contiguous().numpy()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    with Image.open(file) as image:
        decoded = torch.from_numpy(np.array(image))  # (H, W) or (H, W, 3)
    return decoded[None] if len(item) == 1 else decoded.permute(2, 0, 1)


def contrast(items: Tensor, strength: float, subject: Subject, generator: Generator) -> Tensor:
    """Pixels lose the share `strength` of their distance from their image's mean."""
    exact = items.double()
    return _like(items, exact + strength * (exact.mean(dim=(1, 2, 3), keepdim=True) - exact))


def invert(items: Tensor, strength: float, subject: Subject, generator: Generator) -> Tensor:
    """255 less each pixel, whatever the strength."""
    return 255 - items


def saturation(items: Tensor, strength: float, subject: Subject, generator: Generator) -> Tensor:
    """RGB pixels lose the share `strength` of their distance from their luma (BT.601)."""
    exact = items.double()
    luma = (exact * exact.new_tensor(LUMA)[:, None, None]).sum(dim=1, keepdim=True)  # (B, 1, H, W)
    return _like(items, exact + strength * (luma - exact))


def colour_cast(items: Tensor, strength: float, subject: Subject, generator: Generator) -> Tensor:
    """Red grows by the share `strength`, and blue shrinks by it."""
    gains = torch.tensor([1 + strength, 1, 1 - strength], dtype=torch.float64)
    return _like(items, items.double() * gains[:, None, None])


def _like(items: Tensor, changed: Tensor) -> Tensor:
    return changed.round().clamp(0, 255).to(torch.uint8) if items.dtype == torch.uint8 else changed.to(items.dtype)
