"""Sliced 2-Wasserstein distance between two sets of features (Rabin et al. 2012; Bonneel et al. 2015, section 3).

    SW2(X, Y) = (mean_u W2^2(u . X, u . Y))^(1/2) over 1000 random unit directions u

All rows of both sides are used, whatever their numbers: along a direction W2 is taken exactly from the two quantile functions. It
is biased upwards: two finite sets from one distribution are apart.
"""

import torch

from ganbench.errors import UsageError
from ganbench.extractor import Features
from ganbench.metric import Evidence, Metric, Value
from ganbench.projections import squared_distances
from ganbench.rng import stream

DIRECTIONS = 1000
SEED = 2020


def compute(evidence: Evidence) -> Value:
    """The distance, in the features' unit, 0 or more, and its standard error over the directions (of the root, to first order)."""
    if not isinstance(evidence.reference, Features):
        raise UsageError(
            "sliced-wasserstein compares samples with a reference's features, which FID statistics do not hold; "
            "name another reference."
        )
    x, y = evidence.samples.features, evidence.reference.features
    directions = torch.randn(DIRECTIONS, x.shape[1], generator=stream(SEED, "directions"), dtype=torch.float64)
    directions /= directions.norm(dim=1, keepdim=True)
    squares = squared_distances(x, y, directions.to(x.device))
    distance = squares.mean().sqrt().item()
    error = squares.std(correction=1).item() / DIRECTIONS**0.5 / (2 * distance) if distance > 0 else 0.0
    return Value(distance, error, f"standard error over {DIRECTIONS} directions")


METRIC = Metric(
    name="sliced-wasserstein",
    version=1,
    better="lower",
    needs=("reference-features",),
    paper="Bonneel et al. 2015, doi:10.1007/s10851-014-0506-3, section 3",
    compute=compute,
    conventions={"order": 2, "directions": DIRECTIONS, "unequal_sides": "exact quantile functions", "seed": SEED},
    field_name="sliced-wasserstein",
    least=0.0,
)
