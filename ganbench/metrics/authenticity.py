"""Authenticity: the share of samples that are no copies of training data (Alaa et al. 2022, arXiv:2102.08921, section 4.3).

Let d be a sample's distance to its nearest training point, and r that point's distance to the nearest other training point. A
sample is authentic when d > r: it is taken for a copy when it is as near to a training point as any other training point is. Copies
score 0, also those of training points that occur twice (d = r = 0). New real data are authentic where they and their nearest
training points are not each other's nearest: a third of them on a line, about half in many dimensions. So the value is to be
compared with that of held-out data, not with 1. The reference must be the training set.
"""

from ganbench.errors import UsageError
from ganbench.extractor import Features
from ganbench.metric import Evidence, Metric, Value
from ganbench.neighbours import nearest_other, nearest_reference


def compute(evidence: Evidence) -> Value:
    """The share of authentic samples, 0 to 1."""
    if not isinstance(evidence.reference, Features):
        raise UsageError("authenticity looks for copies of single training samples; name a reference that has features.")
    distances, nearest = evidence.once(nearest_reference)
    others = nearest_other(evidence.reference.features)
    return Value((distances > others[nearest]).double().mean().item())


METRIC = Metric(
    name="authenticity",
    version=1,
    better="higher",
    needs=("reference-features",),
    paper="Alaa et al. 2022, arXiv:2102.08921, section 4.3",
    compute=compute,
    conventions={"authentic": "d(sample, nearest training point) > d(that point, nearest other training point)"},
    field_name="authenticity",
    least=0.0,
    most=1.0,
)
