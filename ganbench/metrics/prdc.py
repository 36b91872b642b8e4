"""Precision, recall, density and coverage as Naeem et al. define them (2020, arXiv:2002.09797, equations 1 to 5).

A point's ball is as wide as the distance to its fifth nearest other point, without the surface. Precision and recall are those of
Kynkaanniemi et al. with these balls; density counts the reference's balls that hold a sample, divided by k, and may be above 1;
coverage is the share of the reference's balls that hold a sample. Equal to the package `prdc` on features in float64; in float32
that package compares distances that are rounded to float32. Where all points of a side are copies of few, balls have radius 0 and
hold nothing, not even equal points: identical constant features score 0 by this definition, and a note says so.
"""

from ganbench.metric import Evidence, Metric, Value
from ganbench.neighbours import NAEEM, overlap

PAPER = "Naeem et al. 2020, arXiv:2002.09797, section 3"
CONVENTIONS: dict[str, str | int | float] = {"k": NAEEM.k, "ball": "open", "distance": "Euclidean, float64"}
POINTS = (
    "every row occurs more than 5 times on its side, so all balls have radius 0 and, being open, hold nothing: the value is 0 by "
    "definition, whatever the samples.",
)


def precision(evidence: Evidence) -> Value:
    """The share of samples in at least one ball of the reference. Raises InvalidInputError for fewer than 6 rows a side."""
    found = overlap(evidence, NAEEM, "prdc-precision")
    return Value(found.precision, notes=POINTS if found.points else ())


def recall(evidence: Evidence) -> Value:
    """The share of the reference in at least one ball of the samples. Raises as above."""
    found = overlap(evidence, NAEEM, "prdc-recall")
    return Value(found.recall, notes=POINTS if found.points else ())


def density(evidence: Evidence) -> Value:
    """The mean number of the reference's balls that hold a sample, divided by 5: 1 expected of real data. Raises as above."""
    found = overlap(evidence, NAEEM, "density")
    return Value(found.density, notes=POINTS if found.points else ())


def coverage(evidence: Evidence) -> Value:
    """The share of the reference's balls, 0 to 1, that hold at least one sample. Raises as above."""
    found = overlap(evidence, NAEEM, "coverage")
    return Value(found.coverage, notes=POINTS if found.points else ())


PRECISION = Metric(
    name="prdc-precision",
    version=1,
    better="higher",
    needs=("reference-features",),
    paper=PAPER,
    compute=precision,
    conventions=CONVENTIONS,
    field_name="prdc-precision",
    home="vgg16",
    least=0.0,
    most=1.0,
)
RECALL = Metric(
    name="prdc-recall",
    version=1,
    better="higher",
    needs=("reference-features",),
    paper=PAPER,
    compute=recall,
    conventions=CONVENTIONS,
    field_name="prdc-recall",
    home="vgg16",
    least=0.0,
    most=1.0,
)
DENSITY = Metric(
    name="density",
    version=1,
    better="higher",
    needs=("reference-features",),
    paper=PAPER,
    compute=density,
    conventions=CONVENTIONS,
    field_name="density",
    home="vgg16",
    least=0.0,
)
COVERAGE = Metric(
    name="coverage",
    version=1,
    better="higher",
    needs=("reference-features",),
    paper=PAPER,
    compute=coverage,
    conventions=CONVENTIONS,
    field_name="coverage",
    home="vgg16",
    least=0.0,
    most=1.0,
)
