"""MS-SSIM, against the formula by scipy and closed forms."""

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch import Tensor

from ganbench.errors import InvalidInputError
from ganbench.extractor import Features
from ganbench.metric import Evidence
from ganbench.metrics import ms_ssim


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def direct_ms_ssim(x: np.ndarray, y: np.ndarray, scales: int, size: int) -> float:
    """One channel, by scipy's correlation with a window of two dimensions."""
    at = np.arange(size) - (size - 1) / 2
    window = np.exp(-(at[:, None] ** 2 + at**2) / (2 * (1.5 * size / 11) ** 2))
    window /= window.sum()
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333][:scales])
    weights /= weights.sum()
    edge = size // 2

    def blurred(image: np.ndarray) -> np.ndarray:
        return scipy.ndimage.correlate(image, window)[edge : image.shape[0] - edge, edge : image.shape[1] - edge]

    product = 1.0
    for scale in range(scales):
        if scale:
            height, width = (2 * (length // 2) for length in x.shape)
            x, y = (sum(s[i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)) / 4 for s in (x, y))
        mx, my = blurred(x), blurred(y)
        vx, vy, vxy = (blurred(a * b) - ma * mb for a, b, ma, mb in ((x, x, mx, mx), (y, y, my, my), (x, y, mx, my)))
        contrast = (2 * vxy + 58.5225) / (vx + vy + 58.5225)  # (0.03 * 255)^2
        luminance = (2 * mx * my + 6.5025) / (mx**2 + my**2 + 6.5025)  # (0.01 * 255)^2
        factor = (luminance * contrast).mean() if scale == scales - 1 else contrast.mean()
        product *= max(0.0, factor) ** weights[scale]
    return product


@pytest.mark.parametrize(
    ("height", "width", "scales", "size"),
    [(8, 8, 1, 7), (28, 28, 2, 11), (32, 32, 2, 11), (45, 91, 3, 11), (3, 4, 1, 3), (11, 11, 1, 11), (176, 180, 5, 11)],
)
def test_ms_ssim_is_the_direct_formula(height: int, width: int, scales: int, size: int) -> None:
    base = normal(3, height, width) * 40 + 128
    pair = torch.stack([base, base + normal(3, height, width, seed=1) * 40]).clamp(0, 255).to(torch.uint8)
    expected = np.mean([direct_ms_ssim(*pair[:, c].double().numpy(), scales, size) for c in range(3)])
    value = ms_ssim.compute(Evidence(None, Features(normal(2, 2)), images=pair))
    assert value.value == pytest.approx(expected, rel=1e-9)  # differences of squares up to 255^2, over 58
    assert value.conventions == {"pairs": 1, "scales": scales, "window": size}


def test_ms_ssim_is_one_for_equal_images_and_the_luminance_for_flat_ones() -> None:
    same = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).repeat(5, 1, 1, 1)
    value = ms_ssim.compute(Evidence(None, Features(normal(5, 2)), images=same))
    assert (value.value, value.error) == pytest.approx((1, 0), abs=1e-12)
    assert value.conventions["pairs"] == 10
    flat = torch.tensor([100, 200], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 28, 28)
    luminance = (2 * 100 * 200 + 6.5025) / (100**2 + 200**2 + 6.5025)
    expected = luminance ** (0.2856 / (0.0448 + 0.2856))
    assert ms_ssim.compute(Evidence(None, Features(normal(2, 2)), images=flat)).value == pytest.approx(expected, rel=1e-12)


def test_ms_ssim_draws_pairs_of_different_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ms_ssim, "PAIRS", 500)
    first, second = ms_ssim._pairs(40)
    assert len(first) == len(second) == 500
    assert (first != second).all()
    assert set(first.tolist()) == set(second.tolist()) == set(range(40))
    assert sorted(zip(*(side.tolist() for side in ms_ssim._pairs(4)), strict=True)) == [
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 2),
        (1, 3),
        (2, 3),
    ]


def test_ms_ssim_refuses_images_smaller_than_its_window() -> None:
    with pytest.raises(InvalidInputError, match="3 pixels a side or more"):
        ms_ssim.compute(Evidence(None, Features(normal(4, 2)), images=torch.zeros(4, 1, 2, 9, dtype=torch.uint8)))
