"""Diversity of samples by multi-scale structural similarity: the mean over pairs, high where all look alike (Odena et al. 2017).

MS-SSIM (Wang et al. 2003, equation 7), the mean over random pairs as in arXiv:1610.09585, section 4.2; there pairs are of one
class, here of any two samples. An image is compared at up to 5 scales, each half as large as the one before (means of 2 x 2
pixels):

    MS-SSIM = luminance_S^w_S prod_s contrast_structure_s^w_s

Each factor is a mean over positions, for windows that lie inside the image; a mean contrast-structure below 0 counts as 0.
Channels are compared by themselves and averaged. Images that are too small for 5 scales of an 11 x 11 window get as many scales
as have 11 pixels a side, with the first weights, rescaled to the sum 1; images of fewer than 11 pixels a side get one scale, and
the largest odd window that fits, its sigma in proportion.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ganbench.errors import InvalidInputError, UsageError
from ganbench.metric import Evidence, Metric, Value

PAIRS = 2048
SEED = 2020
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, WINDOW_SIGMA = 11, 1.5
LEVELS = 255.0
C1, C2 = (0.01 * LEVELS) ** 2, (0.03 * LEVELS) ** 2
SMALLEST = 3  # pixels a side
NUMBERS_AT_ONCE = 1 << 18  # of one side of the pairs: 2 MB in float64


def ms_ssim(x: Tensor, y: Tensor) -> Tensor:
    """The similarity of each pair of images x and y (B, C, H, W), values 0 to 255: (B,) float64, 0 to 1; equal ones: 1."""
    scales, size = _scales(min(x.shape[-2:]))
    window = _window(size, x.device)
    weights = torch.tensor(WEIGHTS[:scales], dtype=torch.float64, device=x.device)
    weights /= weights.sum()
    x, y = (side.double() for side in (x, y))
    similarity = torch.ones(x.shape[:2], dtype=torch.float64, device=x.device)  # (B, C)
    for scale, weight in enumerate(weights.tolist()):
        if scale > 0:
            x, y = (functional.avg_pool2d(side, 2) for side in (x, y))
        luminance, contrast = _factors(x, y, window)
        last = scale == scales - 1
        factor = (luminance * contrast if last else contrast).mean(dim=(2, 3))
        similarity *= factor.clamp(min=0).pow(weight)
    return similarity.mean(dim=1)


def compute(evidence: Evidence) -> Value:
    """The mean over pairs, 0 to 1, and its standard error, pairs taken as independent.

    All pairs are taken where they are 2048 or fewer. Raises InvalidInputError for images of fewer than 3 pixels a side.
    """
    images = evidence.images
    if images is None:
        raise UsageError("ms-ssim reads the images themselves, which features do not hold; score images, or leave it out.")
    if images.ndim != 4 or min(images.shape[-2:]) < SMALLEST or len(images) < 2:
        raise InvalidInputError(
            f"ms-ssim needs at least 2 images of {SMALLEST} pixels a side or more, and these are "
            f"{tuple(images.shape)}; leave it out."
        )
    first, second = _pairs(len(images))
    block = max(1, NUMBERS_AT_ONCE // images[0].numel())
    values = torch.cat(
        [
            ms_ssim(images[one.to(images.device)], images[other.to(images.device)])
            for one, other in zip(first.split(block), second.split(block), strict=True)
        ]
    )
    scales, size = _scales(min(images.shape[-2:]))
    settled: dict[str, str | int | float] = {"pairs": len(values), "scales": scales, "window": size}
    error = values.std(correction=1).item() / len(values) ** 0.5 if len(values) > 1 else 0.0
    return Value(values.mean().item(), error, f"standard error over {len(values)} pairs", settled)


def _pairs(count: int) -> tuple[Tensor, Tensor]:
    """Pairs of different images, as two lists of rows: all, or 2048 that are drawn with replacement."""
    if math.comb(count, 2) <= PAIRS:
        first, second = torch.triu_indices(count, count, offset=1)
        return first, second
    draws = np.random.RandomState(SEED)
    first = torch.from_numpy(draws.randint(0, count, PAIRS))
    second = torch.from_numpy(draws.randint(0, count - 1, PAIRS))
    return first, second + (second >= first)


def _scales(side: int) -> tuple[int, int]:
    """How many scales an image with this shorter side has, and the side of the window."""
    if side < WINDOW:
        return 1, side - 1 + side % 2
    return min(len(WEIGHTS), 1 + int(math.log2(side / WINDOW))), WINDOW


def _window(size: int, device: torch.device) -> Tensor:
    """A Gaussian (size,) float64 of sum 1."""
    at = torch.arange(size, dtype=torch.float64, device=device) - (size - 1) / 2
    weights = (-at.square() / (2 * (WINDOW_SIGMA * size / WINDOW) ** 2)).exp()
    return weights / weights.sum()


def _band(window: Tensor, length: int) -> Tensor:
    """The matrix that takes weighted means over a window along one side: (length - size + 1, length)."""
    places = length - len(window) + 1
    band = window.new_zeros(places, length)
    for k, weight in enumerate(window.tolist()):
        band.diagonal(k).fill_(weight)
    return band


def _factors(x: Tensor, y: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance and contrast-structure (Wang et al. 2003, equations 1 to 3) at each position of the window: (B, C, H', W') each."""
    height, width = x.shape[-2:]
    rows, columns = _band(window, height), _band(window, width)
    # Moments about the middle of the range: the covariances do not depend on it, and lose less to rounding.
    a, b = x - LEVELS / 2, y - LEVELS / 2
    mean_x, mean_y, xx, yy, xy = rows @ torch.stack([a, b, a * a, b * b, a * b]) @ columns.T
    covariance = xy - mean_x * mean_y
    contrast = (2 * covariance + C2) / (xx - mean_x.square() + yy - mean_y.square() + C2)
    mean_x, mean_y = mean_x + LEVELS / 2, mean_y + LEVELS / 2
    luminance = (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
    return luminance, contrast


METRIC = Metric(
    name="ms-ssim",
    version=1,
    better="lower",
    needs=("images",),
    paper="Odena et al. 2017, arXiv:1610.09585, section 4.2; Wang et al. 2003, doi:10.1109/ACSSC.2003.1292216",
    compute=compute,
    conventions={
        "pairs": PAIRS,
        "seed": SEED,
        "scales": len(WEIGHTS),
        "window": WINDOW,
        "window_sigma": "1.5 window / 11",
        "padding": "none",
        "channels": "averaged",
    },
)
