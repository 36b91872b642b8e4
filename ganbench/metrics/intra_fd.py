"""Intra-class Frechet distance: the mean over classes of the FD between samples and real data of a class.

Miyato and Koyama 2018, "cGANs with Projection Discriminator", arXiv:1802.05637, section 5: "intra FID" in Inception's features.
Unlike FD it sees a conditional generator that confuses classes, or repeats itself within one. Every class counts the same. Few
samples a class bias each distance upwards, so that it compares only with others of as many samples a class.
"""

import statistics

from torch import Tensor

from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Features
from ganbench.frechet import frechet_distance, gaussian
from ganbench.metric import Evidence, Metric, Value

FEWEST = 2  # samples of a class that have a covariance


def compute(evidence: Evidence) -> Value:
    """The mean over classes and the standard deviation of the classes' distances, which says how unlike they are.

    Raises UsageError where labels or reference features are missing, and InvalidInputError for a class with fewer than 2 samples on
    either side.
    """
    samples, reference = evidence.samples, evidence.reference
    if not isinstance(reference, Features):
        raise UsageError("intra-fd compares features class by class, which FID statistics do not tell; name another reference.")
    if samples.labels is None or reference.labels is None:
        lacking = "samples" if samples.labels is None else "reference"
        raise UsageError(f"intra-fd needs the classes of both sides, and the {lacking} come without labels; leave it out.")
    classes = _classes(samples.labels, reference.labels)
    distances, few = [], 0
    for label in classes:
        sides = [side.take(mask) for side, mask in ((samples, samples.labels == label), (reference, reference.labels == label))]
        few += any(len(side) <= side.width for side in sides)
        distances.append(frechet_distance(gaussian(sides[0]), gaussian(sides[1])))
    note = f"{few} of {len(classes)} classes have no more samples than features on a side, and their distances are biased."
    return Value(
        statistics.fmean(distances),
        statistics.pstdev(distances),
        f"std over {len(classes)} classes, ddof 0",
        {"classes": len(classes)},
        (note,) if few else (),
    )


def _classes(samples: Tensor, reference: Tensor) -> list[int]:
    """The classes of both sides, ascending, each with at least 2 samples on each."""
    classes = sorted({*samples.tolist(), *reference.tolist()})
    for side, labels in (("samples", samples), ("reference", reference)):
        lacking = [label for label in classes if int((labels == label).sum()) < FEWEST]
        if lacking:
            raise InvalidInputError(
                f"The {side} have fewer than {FEWEST} items in {len(lacking)} of {len(classes)} classes, first in class "
                f"{lacking[0]}, and intra-fd compares each class; give more, or leave those classes out on both sides."
            )
    return classes


METRIC = Metric(
    name="intra-fd",
    version=1,
    better="lower",
    needs=("reference-features", "labels"),
    paper="Miyato and Koyama 2018, arXiv:1802.05637, section 5",
    compute=compute,
    conventions={"covariance": "N - 1", "precision": "float64", "mean": "every class the same"},
    field_name="intra-fid",
    least=0.0,
)
