"""Number of statistically different bins, and the bins' divergence (Richardson and Weiss 2018, arXiv:1805.12462, section 3).

The reference, which is the training set, is cut into K = 100 bins by k-means, and each sample belongs to the bin of the nearest
centre. A bin is different when a two-proportion z test with pooled proportion tells the samples' share of it from the reference's
at level 0.05, two-sided. `ndb` is the share of different bins, NDB / K; real data score about 0.05. `ndb-js` is the Jensen-Shannon
divergence of the two sets of shares, natural logarithm, and is biased upwards in few samples.

Where the reference has fewer than 1,000 rows there is one bin for each 10 of them. All features are used, not whitened; the
authors' code takes a random sixth of the dimensions where there are more than 1,000.
"""

import math
from statistics import NormalDist

import torch
from torch import Tensor

from ganbench import cells
from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Features
from ganbench.metric import Evidence, Metric, Value

BINS = 100
ROWS_PER_BIN = 10  # of the reference, at least, on average
LEVEL = 0.05

PAPER = "Richardson and Weiss 2018, arXiv:1805.12462, section 3"
CONVENTIONS: dict[str, str | int | float] = {"bins": BINS, "bin_method": cells.METHOD}


def counts(evidence: Evidence) -> tuple[Tensor, Tensor]:
    """How many rows of the reference, at least one, and of the samples are in each bin: both (K,) float64.

    Raises InvalidInputError for a reference with fewer than 20 rows or less than two distinct ones.
    """
    reference, samples = evidence.reference, evidence.samples
    if not isinstance(reference, Features):
        raise UsageError("ndb cuts the reference's features into bins, which FID statistics do not hold; name another reference.")
    if len(reference) < 2 * ROWS_PER_BIN:
        raise InvalidInputError(f"ndb needs at least {2 * ROWS_PER_BIN} reference rows, and there are {len(reference)}; give more.")
    asked = min(BINS, len(reference) // ROWS_PER_BIN)
    theirs, ours = (cell.bincount() for cell in cells.assign(reference.features, asked, samples.features))
    if len(theirs) < 2:
        raise InvalidInputError("The reference's features are all equal, so that there is one bin; look at the reference.")
    return theirs.double(), torch.nn.functional.pad(ours, (0, len(theirs) - len(ours))).double()


def different(theirs: Tensor, ours: Tensor) -> Tensor:
    """Which bins (K,) bool the two-proportion z test tells apart, from the counts (K,) of both sides."""
    m, n = theirs.sum(), ours.sum()
    pooled = (theirs + ours) / (m + n)
    z = (theirs / m - ours / n) / (pooled * (1 - pooled) * (1 / m + 1 / n)).sqrt()
    return z.abs().gt(NormalDist().inv_cdf(1 - LEVEL / 2))


def divergence(theirs: Tensor, ours: Tensor) -> float:
    """The Jensen-Shannon divergence of two sets of counts (K,) in nats, between 0 and log 2."""
    p, q = theirs / theirs.sum(), ours / ours.sum()
    middle = (p + q) / 2
    return float((torch.special.xlogy(p, p / middle) + torch.special.xlogy(q, q / middle)).sum().clamp(0, 2 * math.log(2)) / 2)


def compute(evidence: Evidence) -> Value:
    """The share of bins, 0 to 1, that differ."""
    theirs, ours = evidence.once(counts)
    return Value(different(theirs, ours).double().mean().item(), conventions={"bins": len(theirs)})


def compute_divergence(evidence: Evidence) -> Value:
    """The divergence of the bins' shares, 0 to log 2."""
    theirs, ours = evidence.once(counts)
    return Value(divergence(theirs, ours), conventions={"bins": len(theirs)})


NDB = Metric(
    name="ndb",
    version=1,
    better="lower",
    needs=("reference-features",),
    paper=PAPER,
    compute=compute,
    conventions=CONVENTIONS | {"test": "two-proportion z, pooled, two-sided", "level": LEVEL, "unit": "share of bins"},
    field_name="ndb",
    least=0.0,
    most=1.0,
)
NDB_JS = Metric(
    name="ndb-js",
    version=1,
    better="lower",
    needs=("reference-features",),
    paper=PAPER,
    compute=compute_divergence,
    conventions=CONVENTIONS | {"logarithm": "natural"},
    field_name="ndb-js",
    least=0.0,
    most=math.log(2),
)
