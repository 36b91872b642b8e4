"""Feature likelihood divergence: real data's likelihood under Gaussians around the samples (Jiralerspong et al. 2023).

arXiv:2302.04440, section 3, as the authors' package `fld` computes it:

    FLD = 100 (NLL(held-out | samples) - NLL(held-out | half of the training set)) / F

NLL(. | c) is the mean negative log-likelihood under a mixture of isotropic Gaussians, one of its own variance around each row of
c. The variances are fitted to the training set (to the other half of it, for the second term), so that a sample that copies a
training item gets a narrow Gaussian, which tells nothing of held-out data. The reference is the training set. 0 is as good as
real data, and lower is better; a memorised training set is far above 0.

Fitting follows the authors: features standardised by the held-out data's mean and deviation; variances start at the squared
distance to the nearest training item, over F; 50 epochs of Adam at 0.5 on their logarithms, in batches of 10,000, beside one more
Gaussian at the training set's mean that keeps every item's likelihood from vanishing and is dropped afterwards; at most 10,000
samples. Where they draw from a global state, the draws here are seeded. Arithmetic is float64.
"""

import math

import numpy as np
import torch
from torch import Tensor

from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Features
from ganbench.metric import Evidence, Metric, Value

CENTRES = 10_000
BATCH = 10_000
EPOCHS = 50
LEARNING_RATE = 0.5
ORIGIN_SHRINK = 0.9  # distances to the Gaussian at the mean are taken this much shorter
LOG_VARIANCES = (-40.0, 20.0)  # the bounds that a copied item reaches
SEED = 2020
BLOCK = 500
KEPT_DISTANCES = 50_000_000  # that are held at once, 400 MB; above it they are computed again each epoch


def compute(evidence: Evidence) -> Value:
    """The divergence and its standard error over the held-out rows, each row's two likelihoods taken together.

    Raises InvalidInputError for held-out features that are all constant, and for a reference of fewer than 4 rows.
    """
    if not isinstance(evidence.reference, Features) or evidence.held_out is None:
        raise UsageError("fld needs the training set as reference and held-out data beside it; give both, or leave it out.")
    if len(evidence.reference) < 4:
        raise InvalidInputError(f"fld halves the reference, which has {len(evidence.reference)} rows; give at least 4.")
    train, held_out, samples, notes = _standardised(evidence.reference, evidence.held_out, evidence.samples)
    draws = np.random.RandomState(SEED)

    def shuffled(rows: Tensor) -> Tensor:
        return rows[torch.from_numpy(draws.permutation(len(rows))).to(rows.device)]

    centres = samples if len(samples) <= CENTRES else shuffled(samples)[:CENTRES]
    of_samples = negative_log_likelihoods(held_out, centres, fit(centres, shuffled(train)))
    halves = shuffled(train)
    split = min(len(centres), len(train) // 2)
    of_train = negative_log_likelihoods(held_out, halves[:split], fit(halves[:split], shuffled(halves[split:])))
    differences = 100 * (of_samples - of_train) / train.shape[1]
    settled: dict[str, str | int | float] = {"centres": len(centres), "baseline_centres": split}
    error = differences.std(correction=1).item() / len(differences) ** 0.5
    return Value(differences.mean().item(), error, "standard error over the held-out rows", settled, notes)


def fit(centres: Tensor, train: Tensor) -> Tensor:
    """The logarithms (M,) of the variances of Gaussians at centres (M, F) that make the training rows (N, F) likely."""
    blocks = train.split(BLOCK)
    keep = len(train) * len(centres) <= KEPT_DISTANCES
    kept = [squared_distances(block, centres) for block in blocks] if keep else []

    def distances(k: int) -> Tensor:
        return kept[k] if keep else squared_distances(blocks[k], centres)

    width = train.shape[1]
    origin = ORIGIN_SHRINK**2 * (train - train.mean(dim=0)).square().sum(dim=1)  # (N,)
    nearest = torch.stack([distances(k).amin(dim=0) for k in range(len(blocks))]).amin(dim=0)
    # The variances of the Gaussians at the centres, and that of the one at the mean.
    logs = torch.cat([((nearest + 1e-3) / width).log(), nearest.new_zeros(1)])
    adam = torch.optim.Adam([logs], lr=LEARNING_RATE)
    batches = [range(start, min(start + BATCH // BLOCK, len(blocks))) for start in range(0, len(blocks), BATCH // BLOCK)]
    for _ in range(EPOCHS):
        for batch in batches:
            gradient = torch.zeros_like(logs)
            rows = 0
            for k in batch:
                gradient += _gradient(distances(k), origin[k * BLOCK : k * BLOCK + len(blocks[k])], logs, width)
                rows += len(blocks[k])
            logs.grad = gradient / (rows * width)
            adam.step()
            logs[:-1].clamp_(*LOG_VARIANCES)
    return logs[:-1]


def negative_log_likelihoods(rows: Tensor, centres: Tensor, log_variances: Tensor) -> Tensor:
    """-log p of each row (N, F), (N,), under Gaussians of equal weight at the centres (M, F), with variances exp of (M,)."""
    width = rows.shape[1]
    return torch.cat(
        [
            math.log(len(centres)) - _log_densities(squared_distances(block, centres), log_variances, width).logsumexp(dim=1)
            for block in rows.split(BLOCK)
        ]
    )


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """(N, M), 0 or more. Differences of products are exact to 1e-15 of the rows' squares, and copies come out as about 0."""
    squares = (x @ y.T).mul_(-2).add_(x.square().sum(dim=1)[:, None]).add_(y.square().sum(dim=1))
    return squares.clamp_(min=0)


def _log_densities(squares: Tensor, log_variances: Tensor, width: int) -> Tensor:
    return squares * (-0.5 * (-log_variances).exp()) - width / 2 * (log_variances + math.log(2 * math.pi))


def _gradient(squares: Tensor, origin: Tensor, logs: Tensor, width: int) -> Tensor:
    """The gradient (M + 1,) of the rows' summed negative log-likelihood in the log variances.

    With responsibilities r, each row adds -r_j (squared distance / variance_j - F) / 2 to the j-th.
    """
    logits = _log_densities(torch.cat([squares, origin[:, None]], dim=1), logs, width)  # (B, M + 1)
    logits[:, :-1] -= math.log(squares.shape[1])
    share = logits.softmax(dim=1)
    slope = torch.cat([torch.linalg.vecdot(share[:, :-1], squares, dim=0), (share[:, -1] @ origin)[None]])
    return 0.5 * (width * share.sum(dim=0) - slope * (-logs).exp())


def _standardised(train: Features, held_out: Features, samples: Features) -> tuple[Tensor, Tensor, Tensor, tuple[str, ...]]:
    """The three sets in float64 by the held-out data's mean and deviation (N - 1), without the features that are constant there."""
    own = held_out.features.double()
    varies = own.amax(dim=0) > own.amin(dim=0)
    constant = int((~varies).sum())
    if constant == len(varies):
        raise InvalidInputError(
            "All features of the held-out data are constant, and fld divides by their deviations; give other data."
        )
    notes = (f"{constant} features that are constant in the held-out data are left out.",) if constant else ()
    mean, deviation = own.mean(dim=0)[varies], own.std(dim=0)[varies]
    one, two, three = ((side.features[:, varies].double() - mean) / deviation for side in (train, held_out, samples))
    return one, two, three, notes


METRIC = Metric(
    name="fld",
    version=1,
    better="lower",
    needs=("reference-features", "held-out"),
    paper="Jiralerspong et al. 2023, arXiv:2302.04440, section 3",
    compute=compute,
    conventions={
        "standardised_by": "held-out mean and deviation, N - 1",
        "max_centres": CENTRES,
        "fit": "Adam, 50 epochs, lr 0.5, batches of 10,000",
        "baseline": "half of the reference fitted to the other half",
        "scale": "100 / F",
        "seed": SEED,
    },
    field_name="fld",
    home="dinov2-vit-l-14",
)
