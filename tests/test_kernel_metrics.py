"""KID and CMMD, against double loops, closed forms and torch-fidelity."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_fidelity import metric_kid

from ganbench import kernels
from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Features, Statistics
from ganbench.metric import Evidence, Value
from ganbench.metrics import cmmd, kid

ROUNDING = 1e-12  # absolute, for means of kernels near 1 that are summed in another order


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def evidence(reference: Tensor, samples: Tensor) -> Evidence:
    return Evidence(Features(reference), Features(samples))


def cubic_matrix(x: Tensor, y: Tensor) -> np.ndarray:
    return np.array([[(float(a @ b) / len(a) + 1) ** 3 for b in y.numpy()] for a in x.numpy()])


def gaussian_matrix(x: Tensor, y: Tensor, sigma: float) -> np.ndarray:
    return np.array([[math.exp(-float(((a - b) ** 2).sum()) / (2 * sigma**2)) for b in y.numpy()] for a in x.numpy()])


def unbiased(within_x: np.ndarray, within_y: np.ndarray, between: np.ndarray) -> float:
    means = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (within_x, within_y)]
    return float(means[0] + means[1] - 2 * between.mean())


def brute_kid(x: Tensor, y: Tensor) -> float:
    return unbiased(cubic_matrix(x, x), cubic_matrix(y, y), cubic_matrix(x, y))


# --- sums over pairs


@pytest.mark.parametrize(("n", "m"), [(23, 40), (7, 14), (2, 3)])  # with blocks of 7: a rest, whole blocks, less than one
def test_sums_in_blocks_are_those_of_the_whole_matrix(n: int, m: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "BLOCK", 7)
    x, y = normal(n, 4), normal(m, 4, seed=1)
    of_x, of_y = ((normal(5, size, seed=size) > 0).double() for size in (n, m))
    whole, across = cubic_matrix(x, x), cubic_matrix(x, y)
    np.fill_diagonal(whole, 0)
    within = kernels.sums_within(x, kernels.cubic, of_x)
    between = kernels.sums_across(x, y, kernels.cubic, (of_x, of_y))
    close = {"rtol": 1e-12, "atol": 1e-12}  # tens of kernels near 1
    np.testing.assert_allclose(within.rows, whole.sum(1), **close)
    np.testing.assert_allclose(within.subsets, [float(s @ whole @ s) for s in of_x.numpy()], **close)
    np.testing.assert_allclose(between.rows, across.sum(1), **close)
    np.testing.assert_allclose(between.columns, across.sum(0), **close)
    chosen = [float(s @ across @ t) for s, t in zip(of_x.numpy(), of_y.numpy(), strict=True)]
    np.testing.assert_allclose(between.subsets, chosen, **close)


def test_the_gaussian_kernel_keeps_distances_far_from_the_origin() -> None:
    """At 1e6 a row's square is 6e12, whose rounding alone is 1e-3; the coordinates' own rounding is 1e-10."""
    x, y = normal(20, 6), normal(30, 6, seed=1)
    near = gaussian_matrix(x, y, 2.0)
    far = kernels.gaussian(2.0, (y + 1e6).mean(dim=0))(x + 1e6, y + 1e6)
    np.testing.assert_allclose(far, near, rtol=1e-8)


# --- KID


def test_kid_is_the_double_loop_where_the_subset_is_everything() -> None:
    x, y = normal(9, 4), normal(9, 4, seed=1) + 0.5
    value = kid.compute(evidence(x, y))
    assert value.value == pytest.approx(brute_kid(y, x), rel=1e-11)
    assert (value.error, value.conventions) == (None, {"subset_size": 9, "subsets": 1})


def test_kid_is_unbiased() -> None:
    """Over all pairs of 2-subsets of two sets of 5, the estimates average to the estimate without bias on the whole sets.

    The cross term's mean over subsets is that over all pairs, and the term within runs over all pairs of different rows.
    """
    x, y = normal(5, 3), normal(5, 3, seed=1) + 1
    pairs = [[i, j] for i in range(5) for j in range(i)]
    estimates = [kid.compute(evidence(x[a], y[b])).value for a in pairs for b in pairs]
    assert np.mean(estimates) == pytest.approx(brute_kid(x, y), rel=1e-11)
    assert kid.compute_full(evidence(x, y)).value == pytest.approx(brute_kid(x, y), rel=1e-11)


@pytest.mark.parametrize("route", ["one pass", "subsets alone"])
@pytest.mark.parametrize(("ours", "kernel"), [(kid.compute, "poly"), (kid.compute_rbf, "rbf")])
@pytest.mark.parametrize(("n", "m", "size"), [(110, 150, 100), (60, 90, 60), (90, 60, 60)])
def test_kid_agrees_with_torch_fidelity(
    n: int, m: int, size: int, ours: Callable[[Evidence], Value], kernel: str, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With subsets of at most 100 on both sides, for torch-fidelity takes half a minute at 1000. Far less than the 1e-6 wanted."""
    conventions = kid.KID.conventions
    assert (conventions["subset_size"], conventions["subsets"], kid.SUBSET_SIZE) == (1000, 100, 1000)
    monkeypatch.setattr(kid, "SUBSET_SIZE", 100)
    monkeypatch.setattr(kid, "_pass_is_cheaper", lambda x, y: route == "one pass")
    samples, reference = normal(n, 6) * 5, normal(m, 6, seed=1) * 5.5
    theirs = metric_kid.kid_features_to_metric(samples, reference, kid_subset_size=size, kid_kernel=kernel, verbose=False)
    value = ours(evidence(reference, samples))
    scale = 30**3 if kernel == "poly" else 1  # x . y / d is about 30 for a row and itself
    assert value.value == pytest.approx(theirs[metric_kid.KEY_METRIC_KID_MEAN], abs=scale * ROUNDING)
    assert value.error == pytest.approx(theirs[metric_kid.KEY_METRIC_KID_STD], abs=scale * ROUNDING)
    assert value.conventions == {"subset_size": size}
    assert value.error_kind == f"std over 100 subsets of {size}, ddof 0"


def test_the_route_is_chosen_by_the_numbers_of_rows() -> None:
    """One pass has (n + m)^2 / 2 pairs, the subsets 100 times (2 size)^2 / 2."""
    small, border, large = (torch.empty(n, 1) for n in (64, 10_000, 10_001))
    assert kid._pass_is_cheaper(small, small)
    assert kid._pass_is_cheaper(border, border)
    assert not kid._pass_is_cheaper(border, large)
    assert not kid._pass_is_cheaper(small, border)


def test_kid_and_kid_full_share_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def counting(x: Tensor, y: Tensor) -> Tensor:
        seen.append(len(x) * len(y))
        return kernels.cubic(x, y)

    monkeypatch.setattr(kid, "cubic", counting)
    both = evidence(normal(30, 4), normal(20, 4, seed=1))
    kid.compute(both)
    kid.compute_full(both)
    assert sum(seen) == 30 * 30 + 20 * 20 + 30 * 20


def test_kid_of_float32_features_is_computed_in_float64() -> None:
    x, y = normal(40, 5).float() * 10, normal(30, 5, seed=1).float() * 10
    for compute in (kid.compute, kid.compute_full, kid.compute_rbf):
        assert compute(evidence(x, y)) == compute(evidence(x.double(), y.double()))


def test_kid_full_of_two_points_is_the_kernels_of_the_points() -> None:
    a, b = torch.tensor([1.0, 2.0, 2.0]).double(), torch.tensor([0.0, 3.0, 0.0]).double()
    value = kid.compute_full(evidence(a.repeat(6, 1), b.repeat(4, 1)))
    assert value.value == pytest.approx((9 / 3 + 1) ** 3 + (9 / 3 + 1) ** 3 - 2 * (6 / 3 + 1) ** 3, rel=1e-13)
    assert value.error == pytest.approx(0, abs=1e-12)
    assert kid.compute_full(evidence(a.repeat(2, 1), b.repeat(4, 1))).error is None


def test_kid_full_has_the_jackknife_s_error() -> None:
    x, y = normal(11, 3), normal(8, 3, seed=1) + 0.7
    variance = 0.0
    for side, estimate in ((x, lambda rest: brute_kid(rest, y)), (y, lambda rest: brute_kid(x, rest))):
        without = np.array([estimate(torch.cat([side[:i], side[i + 1 :]])) for i in range(len(side))])
        variance += (len(side) - 1) / len(side) * ((without - without.mean()) ** 2).sum()
    assert kid.compute_full(evidence(y, x)).error == pytest.approx(variance**0.5, rel=1e-10)


@pytest.mark.parametrize(("shift", "least", "most"), [(0.5, 0.85, 1.2), (0.0, 1.0, 1.7)])
def test_the_error_of_kid_full_is_the_spread_of_its_values(shift: float, least: float, most: float) -> None:
    """300 draws tell a spread to 4 %. Between equal distributions the jackknife is up to sqrt(2) too large, and never too small."""
    values = [kid.compute_full(evidence(normal(60, 4, seed=2 * i), normal(50, 4, seed=2 * i + 1) + shift)) for i in range(300)]
    spread = np.std([value.value for value in values])
    error = np.mean([value.error**2 for value in values if value.error is not None]) ** 0.5
    assert least < error / spread < most


@pytest.mark.parametrize("compute", [kid.compute, kid.compute_rbf, kid.compute_full, cmmd.compute])
def test_kernel_metrics_refuse_statistics(compute: Callable[[Evidence], Value]) -> None:
    with pytest.raises(UsageError, match="FID statistics"):
        compute(Evidence(Statistics(torch.zeros(3), torch.eye(3)), Features(normal(10, 3))))


# --- CMMD


def test_cmmd_of_two_point_masses() -> None:
    """Directions at an angle a are 2 - 2 cos(a) apart, squared."""
    a, b = (torch.tensor([point], dtype=torch.float64) for point in ((2.0, 0.0), (0.3, 0.4)))
    value = cmmd.compute(evidence(a.repeat(5, 1), b.repeat(3, 1))).value
    assert value == pytest.approx(1000 * (2 - 2 * math.exp(-(2 - 2 * 0.6) / 200)), rel=1e-11)


def test_cmmd_is_the_biased_estimate_on_unit_vectors() -> None:
    x, y = normal(12, 5) + 1, normal(9, 5, seed=1)
    one, other = (side / side.norm(dim=1, keepdim=True) for side in (x, y))
    means = [gaussian_matrix(p, q, 10.0).mean() for p, q in ((one, one), (other, other), (one, other))]
    expected = 1000 * (means[0] + means[1] - 2 * means[2])
    assert cmmd.compute(evidence(y, x)).value == pytest.approx(expected, abs=1000 * ROUNDING)
    assert cmmd.compute(evidence(y * 1e-200, x * 1e200)).value == pytest.approx(expected, abs=1000 * ROUNDING)
    assert cmmd.compute(evidence(x, x.flip(0))).value == pytest.approx(0, abs=1000 * ROUNDING)


def test_cmmd_refuses_a_row_without_direction() -> None:
    x = normal(6, 3)
    x[4] = 0
    with pytest.raises(InvalidInputError, match=r"samples are all zero in 1 rows, first in row 4"):
        cmmd.compute(evidence(normal(5, 3), x))
