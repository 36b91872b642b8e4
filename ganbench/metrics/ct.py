"""C_T, a test for copied training data (Meehan, Chaudhuri and Dasgupta 2020, arXiv:2004.05675, sections 4 and 5).

T is the training set (the reference), P_n held-out data and Q_m the samples. Space is cut into cells by k-means on T. In a cell the
distances of n held-out rows and of m samples to their nearest training points are compared by the Mann-Whitney statistic U, the
number of pairs in which the sample is the farther one (ties count half),

    z = (U - m n / 2) / sqrt(m n (m + n + 1) / 12),

and C_T is the mean of z over the cells, weighted by their shares of held-out data. Far below 0, samples are nearer to training data
than new real data are: they copy. Far above 0, they are farther away: they miss the data. So "higher" means less copying; it does
not mean better samples, and 0 is what new real data score.

A cell counts when it holds at least 20 held-out rows and 20 samples, so that z is about normal. There are 10 cells, or one for each
40 rows of the smallest of the three sets where that is fewer, and at least 1. Where no cell counts, all data are one cell, and a
note says so. Distances are to the whole training set, as the paper's L(.) is; the authors' code takes the training points of the
cell. No correction for continuity or ties is made, as in the paper.
"""

import math

import torch
from torch import Tensor

from ganbench import cells
from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Features
from ganbench.metric import Evidence, Metric, Value
from ganbench.neighbours import nearest_in, nearest_reference

CELLS = 10
ROWS_PER_CELL = 40  # of the smallest set, on average
FEWEST = 20  # held-out rows, and samples, of a cell that counts


def z_score(held_out: Tensor, samples: Tensor) -> float:
    """Mann-Whitney's z of distances (n,) and (m,): negative where the samples' are the smaller."""
    n, m = len(held_out), len(samples)
    nearer = held_out.sort().values
    u = sum(torch.searchsorted(nearer, samples, right=right).sum().item() for right in (False, True)) / 2
    return float((u - m * n / 2) / math.sqrt(m * n * (m + n + 1) / 12))


def compute(evidence: Evidence) -> Value:
    """C_T, with the standard deviation that it has where samples are as new real data (that of z is 1 in each cell).

    Raises InvalidInputError for fewer than 20 samples or held-out rows, and UsageError where there are no held-out features.
    """
    reference, held_out, samples = evidence.reference, evidence.held_out, evidence.samples
    if not isinstance(reference, Features) or held_out is None:
        raise UsageError("ct compares samples with training data and held-out data; give the features of both.")
    for side, features in (("samples", samples), ("held-out data", held_out)):
        if len(features) < FEWEST:
            raise InvalidInputError(f"ct needs at least {FEWEST} rows of the {side}, and there are {len(features)}; give more.")
    count = max(1, min(CELLS, min(len(reference), len(held_out), len(samples)) // ROWS_PER_CELL))
    _, theirs, ours = cells.assign(reference.features, count, held_out.features, samples.features)
    distances, _ = evidence.once(nearest_reference)
    new, _ = nearest_in(reference.features, held_out.features)
    counted = [cell for cell in range(count) if min(int((theirs == cell).sum()), int((ours == cell).sum())) >= FEWEST]
    notes: tuple[str, ...] = ()
    if not counted:
        notes = (f"no cell of {count} holds {FEWEST} samples and {FEWEST} held-out rows, so all data are one cell.",)
        theirs, ours, counted = torch.zeros_like(theirs), torch.zeros_like(ours), [0]
    sizes = torch.stack([(theirs == cell).sum() for cell in counted]).double()
    shares = (sizes / sizes.sum()).tolist()
    left_out = 1 - sizes.sum().item() / len(held_out)
    if left_out > 0:
        notes = (f"{left_out:.1%} of the held-out data are in cells with fewer than {FEWEST} rows of a side, and do not count.",)
    scores = [z_score(new[theirs == cell], distances[ours == cell]) for cell in counted]
    value = math.fsum(share * score for share, score in zip(shares, scores, strict=True))
    error = math.sqrt(math.fsum(share**2 for share in shares))
    return Value(
        value,
        error,
        "std where samples are as held-out data",
        conventions={"cells": count, "counted_cells": len(counted)},
        notes=notes,
    )


METRIC = Metric(
    name="ct",
    version=1,
    better="higher",
    needs=("reference-features", "held-out"),
    paper="Meehan, Chaudhuri and Dasgupta 2020, arXiv:2004.05675, sections 4 and 5",
    compute=compute,
    conventions={
        "cells": CELLS,
        "cell_method": cells.METHOD,
        "fewest_rows_in_a_cell": FEWEST,
        "sign": "negative: copies training data; positive: farther from it than held-out data",
    },
    field_name="ct",
)
