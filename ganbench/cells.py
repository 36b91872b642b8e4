"""Cells of feature space by k-means on the training set, for metrics that count or compare within cells."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from sklearn.cluster import k_means
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

SEED = 0
METHOD = f"k-means of scikit-learn on the reference, k-means++, 1 start, at most 100 iterations, random_state {SEED}"


def assign(reference: Tensor, count: int, *others: Tensor) -> list[Tensor]:
    """The cell (N,) int64 of each row of a reference (M, F) and of others (N, F), each in float64 less the reference's mean.

    `count` cells are asked for; there are fewer where the reference has fewer distinct rows. Every cell holds a reference row.
    Centring first keeps k-means exact on features far from the origin. Runs on the CPU; the answer is on the reference's device.
    """
    mean = reference.mean(dim=0, dtype=torch.float64)
    centred = (reference.double() - mean).cpu().numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than cells: the empty cells are dropped below
        centres_of, labels, _ = k_means(centred, count, n_init=1, max_iter=100, random_state=SEED, copy_x=True)
    used, cells = np.unique(labels, return_inverse=True)
    centres = torch.from_numpy(centres_of[used]).to(reference.device)
    assigned = [torch.from_numpy(cells).to(reference.device)]
    for other in others:
        shifted = (block.double() - mean for block in other.split(4096))
        assigned.append(torch.cat([torch.cdist(block, centres).argmin(dim=1) for block in shifted]))
    return assigned
