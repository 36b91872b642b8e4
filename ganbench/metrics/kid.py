"""Kernel Inception Distance: the squared MMD between two sets of features (Binkowski et al. 2018, arXiv:1801.01401, section 3).

`kid` is the unbiased estimate under the kernel k(x, y) = (x . y / d + 1)^3 as a mean over random subsets. It follows
torch-fidelity: 100 subsets of 1000 without replacement from numpy's RandomState(2020), the samples' rows drawn before the
reference's. Where a side has fewer rows than 1000, subsets have the size of the smaller side, and the protocol says so. `kid-rbf`
is the same under the kernel exp(-|x - y|^2 / (2 sigma^2)) with sigma = 10, torch-fidelity's default. `kid-full` is the unbiased
estimate on all rows under the cubic kernel: no draws, and the least variance that an unbiased estimate can have. An unbiased
estimate of 0 is negative about half of the time.

Up to about 10,000 rows a side one pass over the pairs of all rows is cheaper than 100 passes over the pairs of subsets, and gives
the subsets' sums and `kid-full` together; beyond that the subsets are computed alone. Both routes give one number, up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ganbench.errors import UsageError
from ganbench.extractor import Features
from ganbench.kernels import Kernel, Sums, cubic, gaussian, sums_across, sums_within
from ganbench.metric import Evidence, Metric, Value

SUBSETS = 100
SUBSET_SIZE = 1000
SEED = 2020
SIGMA = 10.0


@dataclass(frozen=True)
class Pass:
    """Kernel sums over all pairs of rows: among the samples, among the reference, and between the two."""

    samples: Sums
    reference: Sums
    between: Sums

    def subset_estimates(self, size: int) -> Tensor:
        """The unbiased estimates of the subsets of `size` rows a side, (S,)."""
        within = self.samples.subsets + self.reference.subsets
        return within / (size * (size - 1)) - 2 * self.between.subsets / size**2


def compute(evidence: Evidence) -> Value:
    """The mean over subsets and their standard deviation; where a subset is all of both sides, one subset and no deviation."""
    x, y = _sides("kid", evidence)
    if _pass_is_cheaper(x, y):
        return _over_subsets(x, y, evidence.once(_cubic_pass).subset_estimates(_subset_size(x, y)))
    return _over_subsets(x, y, _alone(x, y, cubic))


def compute_rbf(evidence: Evidence) -> Value:
    """As `compute`, under the Gaussian kernel."""
    x, y = _sides("kid-rbf", evidence)
    kernel = gaussian(SIGMA, y.mean(dim=0, dtype=torch.float64))
    if _pass_is_cheaper(x, y):
        return _over_subsets(x, y, _pass(x, y, kernel).subset_estimates(_subset_size(x, y)))
    return _over_subsets(x, y, _alone(x, y, kernel))


def compute_full(evidence: Evidence) -> Value:
    """The unbiased estimate on all rows, with a standard error where both sides have 3 rows or more.

    The error is the jackknife's: each row of either side is left out in turn. It is right where the two distributions differ, and
    on the safe side, too large by up to a factor of sqrt(2), where they are equal.
    """
    x, y = _sides("kid-full", evidence)
    sums = evidence.once(_cubic_pass)
    n, m = len(x), len(y)
    within_x, within_y, between = (side.rows.sum() for side in (sums.samples, sums.reference, sums.between))
    value = within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * between / (n * m)
    if min(n, m) < 3:
        return Value(value.item())
    variance = value.new_zeros(())
    for own, cross, total, count, others in (
        (sums.samples.rows, sums.between.rows, within_x, n, m),
        (sums.reference.rows, sums.between.columns, within_y, m, n),
    ):
        # The part of the estimate that depends on the row that is left out, for each row.
        without = (total - 2 * own) / ((count - 1) * (count - 2)) - 2 * (between - cross) / ((count - 1) * others)
        variance += without.var(correction=0) * (count - 1)
    return Value(value.item(), variance.sqrt().item(), "standard error, jackknife over the rows of both sides")


def _sides(name: str, evidence: Evidence) -> tuple[Tensor, Tensor]:
    if not isinstance(evidence.reference, Features):
        raise UsageError(
            f"{name} compares samples with a reference's features, which FID statistics do not hold; name another reference."
        )
    return evidence.samples.features, evidence.reference.features


def _subset_size(x: Tensor, y: Tensor) -> int:
    return min(SUBSET_SIZE, len(x), len(y))


def _draws(x: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The rows of each subset of either side, (size,) int64. One subset where that is all of both sides."""
    size = _subset_size(x, y)
    if len(x) == len(y) == size:
        everything = torch.arange(size, device=x.device)
        return [(everything, everything)]
    random = np.random.RandomState(SEED)

    def rows(side: Tensor) -> Tensor:
        return torch.from_numpy(random.choice(len(side), size, replace=False)).to(side.device)

    return [(rows(x), rows(y)) for _ in range(SUBSETS)]


def _pass_is_cheaper(x: Tensor, y: Tensor) -> bool:
    """Whether the pairs of all rows are no more than those of the subsets, each taken once."""
    size = _subset_size(x, y)
    return len(x) == len(y) == size or (len(x) + len(y)) ** 2 <= SUBSETS * (2 * size) ** 2


def _pass(x: Tensor, y: Tensor, kernel: Kernel) -> Pass:
    """One pass over all pairs of rows, with the subsets' sums where that is the cheaper way to them."""
    members = [torch.zeros(0, len(side), dtype=torch.float64, device=side.device) for side in (x, y)]
    if _pass_is_cheaper(x, y):
        draws = _draws(x, y)
        members = [
            torch.stack(
                [torch.zeros(len(side), dtype=torch.float64, device=side.device).index_fill(0, rows[k], 1) for rows in draws]
            )
            for k, side in enumerate((x, y))
        ]
    of_x, of_y = members
    return Pass(sums_within(x, kernel, of_x), sums_within(y, kernel, of_y), sums_across(x, y, kernel, (of_x, of_y)))


def _cubic_pass(evidence: Evidence) -> Pass:
    return _pass(*_sides("kid", evidence), cubic)


def _alone(x: Tensor, y: Tensor, kernel: Kernel) -> Tensor:
    """The unbiased estimates of the subsets, (S,), each from its own pairs."""

    def estimate(x: Tensor, y: Tensor) -> Tensor:
        size = len(x)
        within = sums_within(x, kernel).rows.sum() + sums_within(y, kernel).rows.sum()
        return within / (size * (size - 1)) - 2 * sums_across(x, y, kernel).rows.sum() / size**2

    return torch.stack([estimate(x[of_x], y[of_y]) for of_x, of_y in _draws(x, y)])


def _over_subsets(x: Tensor, y: Tensor, estimates: Tensor) -> Value:
    size = _subset_size(x, y)
    settled: dict[str, str | int | float] = {"subset_size": size}
    if len(estimates) == 1:
        return Value(estimates.item(), conventions=settled | {"subsets": 1})
    error_kind = f"std over {SUBSETS} subsets of {size}, ddof 0"
    return Value(estimates.mean().item(), estimates.std(correction=0).item(), error_kind, conventions=settled)


PAPER = "Binkowski et al. 2018, arXiv:1801.01401, section 3"
SUBSET_CONVENTIONS: dict[str, str | int | float] = {
    "estimate": "unbiased",
    "subsets": SUBSETS,
    "subset_size": SUBSET_SIZE,
    "seed": SEED,
}
KID = Metric(
    name="kid",
    version=1,
    better="lower",
    needs=("reference-features",),
    paper=PAPER,
    compute=compute,
    conventions={"kernel": "(x . y / d + 1)^3", **SUBSET_CONVENTIONS},
    field_name="kid",
)
KID_FULL = Metric(
    name="kid-full",
    version=1,
    better="lower",
    needs=("reference-features",),
    paper=PAPER,
    compute=compute_full,
    conventions={"kernel": "(x . y / d + 1)^3", "estimate": "unbiased, all rows"},
    field_name="kid-full",
)
KID_RBF = Metric(
    name="kid-rbf",
    version=1,
    better="lower",
    needs=("reference-features",),
    paper=PAPER,
    compute=compute_rbf,
    conventions={"kernel": "exp(-|x - y|^2 / (2 sigma^2))", "sigma": SIGMA, **SUBSET_CONVENTIONS},
    field_name="kid-rbf",
)
