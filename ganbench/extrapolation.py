"""Scores of an endless sample (Chong and Forsyth 2020, arXiv:1911.07023), which fd-infinity and is-infinity share.

FID and IS of N samples are off by about c / N. So the score is taken on 15 random subsets of growing size n, a straight line in
1 / n is fitted by least squares, and its value at 1 / n = 0 is the score. Sizes are evenly spaced, the smallest 5,000, or a tenth
of N where that is less, and the largest N. Each subset is drawn without replacement, one after the other from numpy's
RandomState(2020), from the samples in ascending order of the sums of their numbers: their own order changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ganbench.errors import InvalidInputError
from ganbench.extractor import BLOCK
from ganbench.metric import Value

SIZES = 15
SMALLEST = 5000
FEWEST = 30  # the smallest subset is then of 3
SEED = 2020
CONVENTIONS: dict[str, str | int | float] = {
    "sizes": SIZES,
    "smallest_size": f"min({SMALLEST}, N // 10)",
    "spacing": "even in n",
    "fit": "least squares in 1 / n",
    "seed": SEED,
}


def extrapolate(name: str, samples: Tensor, score: Callable[[Tensor], float]) -> Value:
    """The intercept of the line through (1 / n, `score(rows)`), for rows (n,) int64 of samples (N, K), and its standard error.

    The error is that of the residuals about the line: it knows nothing of how the samples at hand were drawn. Raises
    InvalidInputError for fewer than 30 samples, in the words of the metric `name`.
    """
    count = len(samples)
    if count < FEWEST:
        raise InvalidInputError(
            f"{name} fits a line through subsets of {FEWEST} samples or more, and there are {count}; give more."
        )
    smallest = min(SMALLEST, count // 10)
    sizes = np.linspace(smallest, count, SIZES).astype(int).tolist()
    draws = np.random.RandomState(SEED)
    sums = torch.cat([block.sum(dim=1, dtype=torch.float64) for block in samples.split(BLOCK)])
    order = sums.argsort(stable=True)
    scores = [score(order[torch.from_numpy(draws.choice(count, size, replace=False)).to(order.device)]) for size in sizes]
    intercept, error = line_at_zero([1 / size for size in sizes], scores)
    return Value(intercept, error, f"standard error of the intercept of a line through {SIZES} sizes", {"smallest_size": smallest})


def line_at_zero(x: list[float], y: list[float]) -> tuple[float, float]:
    """The value at 0 of the least-squares line through points (x, y), and its standard error, from residuals with n - 2."""
    centred_x, mean_x, mean_y = np.array(x) - np.mean(x), float(np.mean(x)), float(np.mean(y))
    spread = float(centred_x @ centred_x)
    slope = float(centred_x @ np.array(y)) / spread
    residuals = np.array(y) - mean_y - slope * centred_x
    variance = float(residuals @ residuals) / (len(x) - 2)
    return mean_y - slope * mean_x, math.sqrt(variance * (1 / len(x) + mean_x**2 / spread))
