"""Exact 2-Wasserstein distance between two sets of points: the least root mean square move that turns one into the other.

    W2(X, Y) = (min over permutations s of mean_i |x_i - y_s(i)|^2)^(1/2)    (Peyre & Cuturi 2019, arXiv:1803.00567, section 2.2)

The assignment is solved exactly, on up to 2500 rows a side: the mode-coverage papers' number of samples. With more rows, or
unequal numbers, it is the mean over 5 seeded subsets of both sides, of 2500 rows or of all rows of the smaller side. It is biased
upwards: two finite sets from one distribution are apart, the more so the fewer the rows and the more the dimensions.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from ganbench.errors import UsageError
from ganbench.extractor import Features
from ganbench.metric import Evidence, Metric, Value

MAX_ROWS = 2500
SUBSETS = 5
SEED = 2020


def distance(x: np.ndarray, y: np.ndarray) -> float:
    """W2 of x (N, D) and y (N, D) in the points' unit, by an optimal assignment; time grows with N^3."""
    costs = cdist(x, y, "sqeuclidean")  # of differences, so that points far from the origin keep their distances
    return float(costs[linear_sum_assignment(costs)].mean() ** 0.5)


def compute(evidence: Evidence) -> Value:
    """The distance; of all rows where both sides have the same number, 2500 or fewer, else a mean over subsets and their std."""
    if not isinstance(evidence.reference, Features):
        raise UsageError("w2 compares samples with a reference's points, which FID statistics do not hold; name another reference.")
    x, y = (side.features.double().cpu().numpy() for side in (evidence.samples, evidence.reference))
    size = min(len(x), len(y), MAX_ROWS)
    settled: dict[str, str | int | float] = {"rows": size}
    if len(x) == len(y) == size:
        return Value(distance(x, y), conventions=settled | {"subsets": 1})
    draws = np.random.RandomState(SEED)
    values = np.array([distance(*(side[draws.choice(len(side), size, replace=False)] for side in (x, y))) for _ in range(SUBSETS)])
    note = f"the mean over {SUBSETS} subsets of {size} rows a side: it is biased upwards, and compares only with the same number."
    return Value(float(values.mean()), float(values.std()), f"std over {SUBSETS} subsets of {size}, ddof 0", settled, (note,))


METRIC = Metric(
    name="w2",
    version=1,
    better="lower",
    needs=("reference-features",),
    paper="Peyre & Cuturi 2019, arXiv:1803.00567, section 2.2",
    compute=compute,
    conventions={"max_rows": MAX_ROWS, "subsets": SUBSETS, "seed": SEED},
    field_name="w2",
    home="points",
    least=0.0,
)
