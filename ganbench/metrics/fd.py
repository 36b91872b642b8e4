"""Frechet distance between Gaussians fitted to two sets of features (Heusel et al. 2017, arXiv:1706.08500, equation 6).

    d^2 = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))

In Inception's features this is FID. Means and covariances, with N - 1, are float64. The distance is never negative, and that of a
set from itself is 0 up to rounding, also of fewer samples than features; how the trace is taken stands in `ganbench.frechet`.
"""

from ganbench.errors import UsageError
from ganbench.extractor import Features, Statistics
from ganbench.frechet import frechet_distance, gaussian
from ganbench.metric import Evidence, Metric, Value


def compute(evidence: Evidence) -> Value:
    """The distance, 0 or more. A note says where a set has no more samples than features: its covariance is singular.

    Raises InvalidInputError for features so large that their squares are no numbers.
    """
    if evidence.reference is None:
        raise UsageError("fd compares samples with a reference; name one with --reference.")
    return from_moments(evidence.samples, evidence.reference)


def from_moments(samples: Features | Statistics, reference: Features | Statistics) -> Value:
    """As `compute`, of two sides that may be mean and covariance alone."""
    notes = []
    for side, features in (("samples", samples), ("reference", reference)):
        if isinstance(features, Features) and len(features) <= features.width:
            notes.append(
                f"fewer samples than features: the covariance of the {side} has rank {len(features) - 1} at most in "
                f"{features.width} dimensions, and the Frechet distance is biased."
            )
    return Value(frechet_distance(gaussian(samples), gaussian(reference)), notes=tuple(notes))


METRIC = Metric(
    name="fd",
    version=1,
    better="lower",
    needs=("reference",),
    paper="Heusel et al. 2017, arXiv:1706.08500, equation 6",
    compute=compute,
    conventions={"covariance": "N - 1", "precision": "float64"},
    field_name="fid",
    least=0.0,
    from_moments=from_moments,
)
