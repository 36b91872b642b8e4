"""Vendi score: the effective number of different samples (Friedman & Dieng 2022, arXiv:2210.02410, definition 3.1).

    VS = exp(-sum_i l_i log l_i) for the eigenvalues l_i of K / n, K the cosine similarities of n samples

The non-zero eigenvalues are also those of X^T X / n for X (n, F) with rows of length 1, so that the smaller matrix is decomposed.
It reads no real data, so it praises diversity of any kind, noise too. It is at most min(n, F), and grows with n.
"""

import torch

from ganbench.errors import InvalidInputError
from ganbench.metric import Evidence, Metric, Value

BLOCK = 8192  # rows of features that are held in float64 at a time, where the features are fewer than the samples


def compute(evidence: Evidence) -> Value:
    """The score, between 1 (all samples in one direction) and min(n, F). Raises InvalidInputError for a row of zeros."""
    features = evidence.samples.features
    count, width = features.shape
    zeros = (features == 0).all(dim=1).nonzero().flatten().tolist()
    if zeros:
        raise InvalidInputError(
            f"The features of the samples are all zero in {len(zeros)} rows, first in row {zeros[0]} (from 0), and have no cosine "
            "for vendi; leave those items out, or choose another extractor."
        )
    if count <= width:
        rows = torch.nn.functional.normalize(_scaled(features), dim=1, eps=0)
        gram = rows @ rows.T
    else:
        gram = torch.zeros(width, width, dtype=torch.float64, device=features.device)
        for block in features.split(BLOCK):
            rows = torch.nn.functional.normalize(_scaled(block), dim=1, eps=0)
            gram.addmm_(rows.T, rows)
    eigenvalues = torch.linalg.eigvalsh(gram / count).clamp(min=0)  # rounding may put a zero below 0
    entropy = -torch.special.xlogy(eigenvalues, eigenvalues).sum()
    return Value(
        max(1.0, entropy.exp().item()), notes=(f"it can be at most {min(count, width)} here, and grows with the samples.",)
    )


def _scaled(features: torch.Tensor) -> torch.Tensor:
    """Rows in float64 whose largest number is 1, so that no square overflows."""
    rows = features.double()
    return rows / rows.abs().amax(dim=1, keepdim=True)


METRIC = Metric(
    name="vendi",
    version=1,
    better="higher",
    needs=(),
    paper="Friedman & Dieng 2022, arXiv:2210.02410, definition 3.1",
    compute=compute,
    conventions={"kernel": "cosine", "order": 1, "logarithm": "natural"},
    field_name="vendi",
    least=1.0,
)
