"""CMMD: the squared MMD between CLIP embeddings of unit norm under a Gaussian kernel (Jayasumana et al. 2024).

    CMMD = 1000 (mean k(x, x') + mean k(y, y') - 2 mean k(x, y)), k(x, y) = exp(-|x - y|^2 / (2 sigma^2)), sigma = 10

The biased estimate of the authors' code, pairs of a row with itself included: 0 or more, and biased upwards by about
1000 (1 / N + 1 / M) times one less the mean kernel.
"""

import torch
from torch import Tensor

from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Features
from ganbench.kernels import gaussian, sums_across, sums_within
from ganbench.metric import Evidence, Metric, Value

SIGMA = 10.0
SCALE = 1000.0


def compute(evidence: Evidence) -> Value:
    """The distance, between 0 and 2000 (1 - exp(-2 / sigma^2)) = 39.6. Raises InvalidInputError for a row of zeros."""
    if not isinstance(evidence.reference, Features):
        raise UsageError(
            "cmmd compares samples with a reference's features, which FID statistics do not hold; name another reference."
        )
    x, y = _unit(evidence.samples.features, "samples"), _unit(evidence.reference.features, "reference")
    kernel = gaussian(SIGMA, torch.zeros(x.shape[1], dtype=torch.float64, device=x.device))
    n, m = len(x), len(y)
    # A row's kernel with itself is 1, so that the n pairs that sums_within leaves out add n.
    within = (sums_within(x, kernel).rows.sum() + n) / n**2 + (sums_within(y, kernel).rows.sum() + m) / m**2
    squared_mmd = within - 2 * sums_across(x, y, kernel).rows.sum() / (n * m)
    return Value(SCALE * max(0.0, squared_mmd.item()))


def _unit(features: Tensor, side: str) -> Tensor:
    """Rows of length 1, float64."""
    rows = features.double()
    rows = rows / rows.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)  # so that no square overflows
    lengths = rows.norm(dim=1)
    zeros = (lengths == 0).nonzero().flatten().tolist()
    if zeros:
        raise InvalidInputError(
            f"The features of the {side} are all zero in {len(zeros)} rows, first in row {zeros[0]} (from 0), and have no "
            "direction for cmmd; leave those items out, or choose another extractor."
        )
    unit: Tensor = rows / lengths[:, None]
    return unit


METRIC = Metric(
    name="cmmd",
    version=1,
    better="lower",
    needs=("reference-features",),
    paper="Jayasumana et al. 2024, arXiv:2401.09603, section 5",
    compute=compute,
    conventions={
        "kernel": "exp(-|x - y|^2 / (2 sigma^2))",
        "sigma": SIGMA,
        "norm": "unit",
        "estimate": "biased",
        "scale": SCALE,
    },
    field_name="cmmd",
    home="clip-vit-l-14-336px",
)
