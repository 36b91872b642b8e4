"""Frechet distance of an endless sample: FD extrapolated in 1 / N (Chong and Forsyth 2020, arXiv:1911.07023).

FD of N samples is too high by about c / N, with a c that depends on the generator, so that FD at equal N may still rank two
generators wrongly. The reference is as it is, and only the samples are extrapolated; how subsets are drawn and the line is fitted
stands in `ganbench.extrapolation`. In Inception's features this is FID-infinity. Near 0 the intercept may be negative.
"""

import torch
from torch import Tensor

from ganbench.errors import UsageError
from ganbench.extractor import Features, Statistics, scatter
from ganbench.extrapolation import CONVENTIONS, extrapolate
from ganbench.frechet import frechet_distance, gaussian
from ganbench.metric import Evidence, Metric, Value


def compute(evidence: Evidence) -> Value:
    """The intercept and its standard error. The reference may be FID statistics.

    Raises InvalidInputError for too few samples, and for features so large that their squares are no numbers.
    """
    if evidence.reference is None:
        raise UsageError("fd-infinity compares samples with a reference; name one with --reference.")
    reference = gaussian(evidence.reference)
    samples = evidence.samples
    return extrapolate("fd-infinity", samples.features, lambda rows: frechet_distance(reference, gaussian(some(samples, rows))))


def some(samples: Features, rows: Tensor) -> Features:
    """The features of some rows (n,) int64. Of most rows, the moments come from those of all less those of the others."""
    chosen = torch.zeros(len(samples), dtype=torch.bool, device=samples.features.device)
    chosen[rows] = True
    count, features = len(rows), samples.features[chosen]
    if 2 * count < len(samples):
        return Features(features)
    others, mean = samples.features[~chosen], samples.moments.mean
    shift = -torch.sub(others, mean).sum(dim=0) / count  # (F,) the chosen rows' mean less that of all
    products = (len(samples) - 1) * samples.moments.covariance - scatter(others, mean) - count * torch.outer(shift, shift)
    return Features(features, known_moments=Statistics(mean + shift, products / (count - 1)))


METRIC = Metric(
    name="fd-infinity",
    version=1,
    better="lower",
    needs=("reference",),
    paper="Chong and Forsyth 2020, arXiv:1911.07023",
    compute=compute,
    conventions={"covariance": "N - 1", "precision": "float64", **CONVENTIONS},
    field_name="fid-infinity",
)
