"""Improved precision and recall (Kynkaanniemi et al. 2019, arXiv:1904.06991, equations 1 and 2).

A side's manifold is the union of balls around its points, each as wide as the distance to the third nearest other, the surface
included. Precision is the share of samples on the reference's manifold, recall the share of the reference on the samples'.
In VGG-16's second fully connected layer these are the paper's; distances and comparisons are exact, see `ganbench.distances`.
"""

from ganbench.metric import Evidence, Metric, Value
from ganbench.neighbours import KYNKAANNIEMI, overlap

PAPER = "Kynkaanniemi et al. 2019, arXiv:1904.06991, equations 1 and 2"
CONVENTIONS: dict[str, str | int | float] = {"k": KYNKAANNIEMI.k, "ball": "closed", "distance": "Euclidean, float64"}


def precision(evidence: Evidence) -> Value:
    """The share of samples in at least one ball of the reference. Raises InvalidInputError for fewer than 4 rows a side."""
    return Value(overlap(evidence, KYNKAANNIEMI, "precision").precision)


def recall(evidence: Evidence) -> Value:
    """The share of the reference in at least one ball of the samples. Raises InvalidInputError for fewer than 4 rows a side."""
    return Value(overlap(evidence, KYNKAANNIEMI, "recall").recall)


PRECISION = Metric(
    name="precision",
    version=1,
    better="higher",
    needs=("reference-features",),
    paper=PAPER,
    compute=precision,
    conventions=CONVENTIONS,
    field_name="precision",
    home="vgg16",
    least=0.0,
    most=1.0,
)
RECALL = Metric(
    name="recall",
    version=1,
    better="higher",
    needs=("reference-features",),
    paper=PAPER,
    compute=recall,
    conventions=CONVENTIONS,
    field_name="recall",
    home="vgg16",
    least=0.0,
    most=1.0,
)
