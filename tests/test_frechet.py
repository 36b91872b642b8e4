"""The Frechet distance, against singular values, closed forms, torch-fidelity and pytorch-fid."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg
import torch
from pytorch_fid import fid_score
from torch import Tensor
from torch_fidelity import metric_fid

from ganbench import frechet
from ganbench.errors import InvalidInputError
from ganbench.extractor import Features, Statistics, mean_of, scatter
from ganbench.metric import Evidence
from ganbench.metrics import fd


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def realistic(count: int, width: int, seed: int, rank: int | None = None, power: float = -0.6) -> Tensor:
    """Features whose standard deviations along random directions fall as i^power, in a random subspace of `rank` dimensions."""
    rank = rank or width
    directions = normal(rank, width, seed=seed % 2 + 100) / math.sqrt(width)
    scales = torch.arange(1, rank + 1, dtype=torch.float64) ** power
    return (normal(count, rank, seed=seed) * scales) @ directions + 0.1 * (seed % 3)


def distance(reference: Tensor, samples: Tensor) -> float:
    return fd.compute(Evidence(Features(reference), Features(samples))).value


def by_singular_values(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Equation 6 from triangular factors of the centred features, whatever their rank, and the sum of both traces."""
    means, factors = [], []
    for side in (x.double(), y.double()):
        means.append(side.mean(dim=0))
        factors.append(torch.linalg.qr((side - means[-1]) / math.sqrt(len(side) - 1), mode="r").R)
    traces = sum(factor.square().sum().item() for factor in factors)
    cross = scipy.linalg.svdvals((factors[0] @ factors[1].T).numpy()).sum()
    return (means[0] - means[1]).square().sum().item() + traces - 2 * cross, traces


# --- the Frechet distance: how right it is


@pytest.mark.slow
@pytest.mark.parametrize(("count", "rank"), [(10_000, 2048), (10_000, 512), (1_000, 2048)], ids=["full", "rank-512", "few"])
def test_fd_of_2048_features_is_right_to_1e_7(count: int, rank: int) -> None:
    """1e-7 is what the documentation promises of traces up to a few hundred; a root of an eigenvalue's rounding is 1e-8 of them."""
    x, y = (20 * realistic(count, 2048, seed, rank).float() for seed in (0, 1))
    expected, traces = by_singular_values(x, y)
    assert traces > 500
    assert distance(x, y) == pytest.approx(expected, abs=1e-7)


F32 = 2e-8  # of the traces: a share of float32's rounding that two covariances tell and is not sought further (1e-9 of s, twice)
CASES = {
    "full": lambda: (realistic(900, 128, 0), realistic(700, 128, 1)),
    "float32": lambda: (realistic(900, 128, 0).float(), realistic(700, 128, 1).float()),
    "low rank, both": lambda: (realistic(900, 128, 0, 30), realistic(700, 128, 1, 40)),
    "low rank, samples": lambda: (realistic(900, 128, 0), realistic(700, 128, 1, 40)),
    "low rank, reference": lambda: (realistic(900, 128, 0, 40), realistic(700, 128, 1)),
    "low rank in float32, both": lambda: (realistic(900, 128, 0, 40).float(), realistic(700, 128, 1, 40).float()),
    "low rank in float32, samples": lambda: (realistic(900, 128, 0).float(), realistic(700, 128, 1, 40).float()),
    "low rank in float32, reference": lambda: (realistic(900, 128, 0, 40).float(), realistic(700, 128, 1).float()),
    "low rank in float32, one subspace": lambda: (realistic(900, 128, 0, 40).float(), realistic(700, 128, 2, 40).float()),
    "few, both": lambda: (realistic(60, 128, 0), realistic(40, 128, 1)),
    "few samples": lambda: (realistic(900, 128, 0), realistic(60, 128, 1)),
    "few in the reference": lambda: (realistic(60, 128, 0), realistic(900, 128, 1)),
    "few that repeat themselves": lambda: (realistic(30, 128, 0).repeat(3, 1), realistic(900, 128, 1)),
    "few of low rank": lambda: (realistic(60, 128, 0, 20), realistic(900, 128, 1, 30)),
    "nearly as few": lambda: (realistic(110, 128, 0), realistic(120, 128, 1)),
    "steep": lambda: (realistic(900, 128, 0, power=-3), realistic(700, 128, 1, power=-3)),
    "dead features": lambda: (realistic(900, 128, 0) * (torch.arange(128) < 90), realistic(700, 128, 1) * (torch.arange(128) < 99)),
    "one constant": lambda: (realistic(900, 128, 0), torch.ones(700, 128)),
    "one line": lambda: (realistic(900, 128, 0, 1), realistic(700, 128, 1, 1)),
    "scale 30": lambda: (30 * realistic(900, 128, 0), 30 * realistic(700, 128, 1, 60)),
    "offset 1e4": lambda: ((realistic(900, 128, 0) + 1e4).float(), (realistic(700, 128, 1) + 1e4).float()),
}


@pytest.mark.parametrize("case", CASES)
def test_fd_is_that_of_singular_values(case: str) -> None:
    """Within 1e-10 of the traces: 1e-7 where they are 1,000. Where a rank is taken for what it is not, it is 1e-8 off and more."""
    x, y = CASES[case]()
    expected, traces = by_singular_values(x, y)
    assert distance(x, y) == pytest.approx(expected, abs=1e-10 * traces)
    assert distance(y, x) == pytest.approx(expected, abs=1e-10 * traces)


@pytest.mark.parametrize("ranks", [(128, 128), (40, 128), (128, 40), (40, 50)])
def test_fd_from_statistics_alone_is_as_right(ranks: tuple[int, int]) -> None:
    x, y = realistic(900, 128, 0, ranks[0]), realistic(700, 128, 1, ranks[1])
    expected, traces = by_singular_values(x, y)
    assert fd.compute(Evidence(moments(x), Features(y))).value == pytest.approx(expected, abs=1e-10 * traces)
    both = frechet.frechet_distance(frechet.gaussian(moments(x)), frechet.gaussian(moments(y)))
    assert both == pytest.approx(expected, abs=1e-10 * traces)


def moments(features: Tensor) -> Statistics:
    return Features(features).moments


@pytest.mark.parametrize("scale", [1, 30])
@pytest.mark.parametrize(("count", "rank"), [(900, None), (140, None), (100, None), (60, None), (900, 40)])
def test_fd_of_a_set_from_itself_is_never_negative(count: int, rank: int | None, scale: float) -> None:
    """In another order of rows, so that moments differ in rounding. 1e-7 is promised; the traces are 3,400 at a scale of 30."""
    x = scale * realistic(count, 128, 0, rank).float()
    for same in (x, x.flip(0)):
        value = distance(x, same)
        assert 0 <= value < 1e-7
        assert not f"{value:.3f}".startswith("-")


@pytest.mark.parametrize(("height", "apart"), [(0.0, 1.0), (1000.1, 1.0), (1e38, 0.0), (3e38, 0.0), (1e38, 1e36)])
def test_fd_of_constant_sets_is_their_squared_distance(height: float, apart: float) -> None:
    """Of any number of rows, for the mean of equal rows is the row: not 1e22 off at 1e38, which squared is 1e44."""
    x, y = torch.full((1000, 64), height), torch.full((777, 64), height) + apart
    expected = 64 * (y[0, 0].double() - x[0, 0].double()).item() ** 2
    assert distance(x, y) == pytest.approx(expected, rel=1e-14)  # 64 sums
    assert distance(x[:40], y[:30]) == pytest.approx(expected, rel=1e-14)
    assert mean_of(x).tolist() == x[0].tolist()


def test_fd_far_from_the_origin_is_right_to_1e_6() -> None:
    """The sets are as float32 holds them. Means in float32, as other tools take them, would put FD a hundred times as far off."""
    x, y = ((0.05 * realistic(2000, 64, seed) + 1e4).float() for seed in (0, 3))
    expected = by_singular_values(x - 1e4, y - 1e4)[0]  # exact: a difference of near numbers
    assert distance(x, y) == pytest.approx(expected, rel=1e-6)
    wrong = (x.mean(dim=0) - y.mean(dim=0)).double().square().sum().item()
    assert abs(wrong - (x.double().mean(dim=0) - y.double().mean(dim=0)).square().sum().item()) > 1e-4 * expected


@pytest.mark.parametrize("scale", [1e-60, 1e-150, 1e60, 1e150])
@pytest.mark.parametrize("count", [50, 400])
def test_fd_of_tiny_and_huge_features_is_that_of_theirs_at_scale_one(scale: float, count: int) -> None:
    x, y = realistic(count, 64, 0), realistic(count, 64, 1)
    assert distance(scale * x, scale * y) == pytest.approx(distance(x, y) * scale * scale, rel=1e-11)


@pytest.mark.parametrize("count", [10, 400])
@pytest.mark.parametrize("scale", [1e160, 1e200, 1e307])
def test_fd_refuses_features_whose_squares_overflow(count: int, scale: float) -> None:
    with pytest.raises(InvalidInputError, match="too large"):
        distance(scale * realistic(count, 64, 0), scale * realistic(count, 64, 1))
    with pytest.raises(InvalidInputError, match="too large"):
        distance(torch.full((count, 64), scale, dtype=torch.float64), torch.full((count, 64), -scale, dtype=torch.float64))


# --- against other tools, from the same statistics


def test_fd_agrees_with_pytorch_fid(monkeypatch: pytest.MonkeyPatch) -> None:
    """1e-9 relative: the square root of a matrix that is not symmetric. It asks for `disp`, which SciPy 1.18 has no more."""

    def sqrtm(matrix: np.ndarray, disp: bool = True) -> object:
        root = scipy.linalg.sqrtm(matrix)
        return root if disp else (root, 0.0)

    monkeypatch.setattr(fid_score, "linalg", SimpleNamespace(sqrtm=sqrtm))
    x, y = realistic(900, 64, 0), realistic(700, 64, 1)
    one, two = moments(x), moments(y)
    theirs = fid_score.calculate_frechet_distance(*(part.numpy() for part in (one.mean, one.covariance, two.mean, two.covariance)))
    assert distance(x, y) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(("rank", "tolerance"), [(64, 1e-12), (40, 1e-6)])
def test_fd_agrees_with_torch_fidelity(rank: int, tolerance: float) -> None:
    """Of the traces. Where the rank is low torch-fidelity adds the roots of noise, 1e-8 of the traces a missing dimension."""
    x, y = realistic(900, 64, 0, rank), realistic(700, 64, 1, rank)
    both = [{"mu": side.mean.numpy(), "sigma": side.covariance.numpy()} for side in (moments(x), moments(y))]
    theirs = metric_fid.fid_statistics_to_metric(*both, verbose=False)[metric_fid.KEY_METRIC_FID]
    traces = sum(np.trace(side["sigma"]) for side in both)
    assert distance(x, y) == pytest.approx(theirs, abs=tolerance * traces)


# --- moments and statistics


def test_moments_are_those_of_numpy() -> None:
    x = 5 + realistic(5000, 12, 0)
    assert torch.allclose(moments(x).mean, x.mean(dim=0), rtol=1e-14)
    assert np.allclose(moments(x).covariance, np.cov(x.numpy(), rowvar=False), rtol=1e-12, atol=1e-15)
    assert torch.equal(moments(x).covariance, moments(x).covariance.T)
    centre = normal(12, seed=1)
    expected = (x - centre).T @ (x - centre)
    assert torch.allclose(scatter(x, centre), expected, rtol=1e-12)


@pytest.mark.parametrize("rank", [64, 30])
def test_statistics_in_float32_are_taken_with_what_it_leaves(rank: int) -> None:
    """Slight asymmetry and negative eigenvalues. Rounding by 6e-8 of each number moves the roots of missing variances by 1e-5."""
    x, y = realistic(900, 64, 0, rank), realistic(700, 64, 1)
    covariance = moments(x).covariance.float()
    covariance[3, 5] *= 1 + 1e-5
    assert rank == 64 or torch.linalg.eigvalsh(covariance.double())[0] < 0
    held = Statistics(moments(x).mean.float(), covariance)
    expected, traces = by_singular_values(x, y)
    assert fd.compute(Evidence(held, Features(y))).value == pytest.approx(expected, abs=1e-4 * traces)
    with_itself = frechet.frechet_distance(frechet.gaussian(held), frechet.gaussian(held))
    assert 0 <= with_itself < 1e-10 * traces


@pytest.mark.parametrize(
    ("covariance", "said"),
    [
        (torch.diag(torch.tensor([1.0, -0.01, 1.0])), "not positive semi-definite"),
        (torch.tensor([[1.0, 0.9, 0.9], [0.9, 1.0, -0.9], [0.9, -0.9, 1.0]]), "not positive semi-definite"),
        (-torch.eye(3), "not positive semi-definite"),
        (torch.tensor([[1.0, 0.2, 0.0], [0.1, 1.0, 0.0], [0.0, 0.0, 1.0]]), "not symmetric .* differ by 0.1"),
        (torch.full((3, 3), math.inf), "NaN or infinite"),
        (torch.eye(4), "must be"),
    ],
)
def test_statistics_that_are_no_covariance_are_refused(covariance: Tensor, said: str) -> None:
    with pytest.raises(InvalidInputError, match=f"reference's .*{said}"):
        Statistics(torch.zeros(3), covariance).check("reference")


def test_statistics_of_constant_features_are_taken() -> None:
    constant = Statistics(torch.zeros(3), torch.zeros(3, 3))
    constant.check("reference")
    y = realistic(50, 3, 1)
    expected = y.var(dim=0).sum() + y.mean(dim=0).square().sum()
    assert fd.compute(Evidence(constant, Features(y))).value == pytest.approx(expected.item(), rel=1e-12)
