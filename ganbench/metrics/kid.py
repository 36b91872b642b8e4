"""Kernel Inception Distance: the squared MMD between two sets of features under a cubic kernel (Binkowski et al. 2018).

The unbiased estimate of section 3 of arXiv:1801.01401, with the kernel k(x, y) = (x . y / d + 1)^3, as a mean over random subsets.
It follows torch-fidelity: 100 subsets of 1000 without replacement from numpy's RandomState(2020), the samples' rows drawn before
the reference's. Where a side has fewer rows than 1000, subsets have the size of the smaller side, and the protocol says so.
An unbiased estimate of 0 is negative about half of the time.
"""

import numpy as np
import torch
from torch import Tensor

from ganbench.errors import UsageError
from ganbench.extractor import Features
from ganbench.metric import Evidence, Metric, Value

SUBSETS = 100
SUBSET_SIZE = 1000
SEED = 2020
BLOCK = 250


def kernel_sum(x: Tensor, y: Tensor) -> Tensor:
    """The sum of (x . y / d + 1)^3 over all pairs of rows of x (N, d) and y (M, d), in blocks that stay in a processor's cache."""
    total = x.new_zeros(())
    for block in x.split(BLOCK):
        base = (block @ y.T).div_(x.shape[1]).add_(1).flatten()
        total += torch.dot(base.square(), base)
    return total


def kernel_trace(x: Tensor) -> Tensor:
    """The sum of (x . x / d + 1)^3 over the rows of x (N, d), each paired with itself."""
    return (x.square().mean(dim=1) + 1).pow(3).sum()


def squared_mmd(x: Tensor, y: Tensor) -> Tensor:
    """The unbiased estimate of the squared MMD of x (M, d) and y (M, d): no row is paired with itself. A scalar."""
    count = len(x)
    within = kernel_sum(x, x) - kernel_trace(x) + kernel_sum(y, y) - kernel_trace(y)
    return within / (count * (count - 1)) - 2 * kernel_sum(x, y) / count**2


def compute(evidence: Evidence) -> Value:
    """The mean over subsets and their standard deviation; where a subset is all of both sides, one subset and no deviation."""
    if not isinstance(evidence.reference, Features):
        raise UsageError(
            "kid compares samples with a reference's features, which FID statistics do not hold; name another reference."
        )
    x, y = evidence.samples.features.double(), evidence.reference.features.double()
    size = min(SUBSET_SIZE, len(x), len(y))
    settled: dict[str, str | int | float] = {"subset_size": size}
    if len(x) == len(y) == size:
        return Value(squared_mmd(x, y).item(), conventions=settled | {"subsets": 1})
    draws = np.random.RandomState(SEED)
    distances = torch.stack(
        [
            squared_mmd(*(side[torch.from_numpy(draws.choice(len(side), size, replace=False))] for side in (x, y)))
            for _ in range(SUBSETS)
        ]
    )
    error_kind = f"std over {SUBSETS} subsets of {size}, ddof 0"
    return Value(distances.mean().item(), distances.std(correction=0).item(), error_kind, conventions=settled)


METRIC = Metric(
    name="kid",
    version=1,
    better="lower",
    needs=("reference-features",),
    paper="Binkowski et al. 2018, arXiv:1801.01401, section 3",
    compute=compute,
    conventions={
        "kernel": "(x . y / d + 1)^3",
        "estimate": "unbiased",
        "subsets": SUBSETS,
        "subset_size": SUBSET_SIZE,
        "seed": SEED,
    },
    inception_name="kid",
)
