"""Images to a network's square input, as the tools that papers use do it."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def tf1_bilinear(images: Tensor, side: int) -> Tensor:
    """TensorFlow 1's bilinear resize, without half-pixel centres or antialias, of images (B, C, H, W) uint8.

    (B, C, side, side) float32 in 0..255. Columns come first and rows after, each as one interpolation, so that the work on a small
    image is that of its rows; every pixel is computed by the same operations in the same order as torch-fidelity's
    `interpolate_bilinear_2d_like_tensorflow1x`, and is equal to it to the bit on a CPU.
    """
    height, width = images.shape[2:]
    low, high, share = _places(height, side, images.device)
    if height > 2 * side:  # fewer rows are needed than there are
        images = images.index_select(2, torch.cat([low, high]))  # (B, C, 2 side, W)
        low, high = torch.arange(2 * side, device=images.device).split(side)
    images = images.float()
    left, right, across = _places(width, side, images.device)
    columns = _between(images.index_select(3, left), images.index_select(3, right), across)  # (B, C, H, side)
    return _between(columns.index_select(2, low), columns.index_select(2, high), share[:, None])


def pil_bicubic(images: Tensor, side: int) -> Tensor:
    """PIL's antialiased bicubic resize of each channel in float32, clipped to 0..255 and not quantised, as clean-fid does it.

    Takes images (B, C, H, W) uint8 and gives (B, C, side, side) float32, on the same device.
    """
    channels = images.flatten(0, 1).float().cpu().numpy()  # (B * C, H, W)
    resized = [np.asarray(Image.fromarray(channel).resize((side, side), Image.Resampling.BICUBIC)) for channel in channels]
    clipped = torch.from_numpy(np.stack(resized)).clamp_(0, 255).to(images.device)
    return clipped.reshape(*images.shape[:2], side, side)


@functools.lru_cache(maxsize=16)
def _places(before: int, after: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For each of `after` places: the two of `before` pixels around it, and how far it is from the first; (after,) each."""
    at = torch.arange(after, dtype=torch.float32, device=device) * torch.tensor(before / after, dtype=torch.float32, device=device)
    low = at.long()
    return low, (low + 1).clamp_max(before - 1), at - low.float()


def _between(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """first + (second - first) * share, in the memory of `second`."""
    return second.sub_(first).mul_(share).add_(first)


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of each of three channels, in 0..1, that a network was trained with."""

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = Normalisation((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


def normalised(images: Tensor, by: Normalisation) -> Tensor:
    """Images (B, 1 or 3, H, W) in 0..255 as (B, 3, H, W) of mean 0 and deviation 1 where they are such as `by` tells."""
    mean, deviation = (
        torch.tensor([255 * each for each in of], device=images.device)[:, None, None] for of in (by.mean, by.deviation)
    )
    return images.sub(mean).div_(deviation)
