"""The metrics of features, against closed forms, brute force and torch-fidelity."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor
from torch_fidelity import metric_fid, metric_isc

from ganbench import class_scores, extractor
from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Features, Statistics
from ganbench.metric import Evidence
from ganbench.metrics import fd, inception_score

SMOOTH = 1e-12  # relative: a few hundred float64 operations


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def with_moments(mean: Tensor, deviations: Tensor) -> Tensor:
    """2F rows of exactly this mean and, with N - 1, exactly the covariance diag(deviations^2)."""
    count = 2 * len(mean)
    arms = torch.diag(deviations * math.sqrt((count - 1) / 2))
    return torch.cat([mean + arms, mean - arms])


def evidence(reference: Tensor | None, samples: Tensor, logits: Tensor | None = None) -> Evidence:
    return Evidence(None if reference is None else Features(reference), Features(samples, logits))


def distance(reference: Tensor, samples: Tensor) -> float:
    return fd.compute(evidence(reference, samples)).value


def rotation(size: int) -> Tensor:
    return torch.linalg.qr(normal(size, size, seed=9)).Q


# --- Frechet distance


def test_fd_of_a_shift_of_three_is_nine() -> None:
    spread = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    direction = torch.tensor([2.0, -1.0, 2.0], dtype=torch.float64)  # of length 3
    assert distance(with_moments(0 * direction, spread), with_moments(direction, spread)) == pytest.approx(9, rel=SMOOTH)


def test_fd_of_commuting_covariances() -> None:
    one, two = normal(5).abs() + 0.1, normal(5, seed=1).abs() + 0.1
    expected = (one - two).square().sum().item()
    q = rotation(5)
    assert distance(with_moments(one * 0, one), with_moments(two * 0, two)) == pytest.approx(expected, rel=1e-11)
    assert distance(with_moments(one * 0, one) @ q, with_moments(two * 0, two) @ q) == pytest.approx(expected, rel=1e-11)


def test_fd_of_covariances_that_do_not_commute() -> None:
    """In two dimensions tr (S1 S2)^(1/2) = sqrt(tr(S1 S2) + 2 sqrt(det S1 det S2))."""
    x, y = normal(40, 2), normal(30, 2, seed=1) @ torch.tensor([[2.0, 0.7], [0.0, 0.3]], dtype=torch.float64)
    s1, s2 = torch.cov(x.T), torch.cov(y.T)
    root = torch.sqrt(torch.trace(s1 @ s2) + 2 * torch.sqrt(torch.det(s1) * torch.det(s2)))
    expected = (x.mean(0) - y.mean(0)).square().sum() + torch.trace(s1 + s2) - 2 * root
    assert distance(x, y) == pytest.approx(expected.item(), rel=1e-11)


@pytest.mark.parametrize(
    ("count", "width", "scale", "offset"), [(500, 32, 1, 0), (40, 64, 30, 0), (300, 16, 1e-3, 1e3), (2, 5, 1, 0)]
)
def test_fd_of_a_set_from_itself_is_zero(count: int, width: int, scale: float, offset: float) -> None:
    x = normal(count, width) * scale * torch.logspace(0, -6, width, dtype=torch.float64) + offset
    total = x.var(dim=0).sum().item()
    for same in (x, x.flip(0)):
        assert 0 <= distance(x, same) < 1e-14 * total  # what the docstring promises


def test_fd_is_never_negative_and_does_not_lose_small_distances() -> None:
    """A shift of 1e-7 in 32 dimensions is 3.2e-13 beside a trace of 28,800: a difference of traces would drown it in 4e-12."""
    x = normal(200, 32) * 30
    y = x + 1e-7
    expected = (x.mean(0) - y.mean(0)).square().sum().item()
    assert distance(x, y) == pytest.approx(expected, rel=1e-9)
    assert expected == pytest.approx(3.2e-13, rel=1e-6)  # 1e-7 is rounded by 1e-14 when it is added to numbers near 30
    assert all(distance(normal(n, 6, seed=n), normal(9 - n, 6, seed=n)) > 0 for n in range(2, 8))


def test_fd_does_not_change_when_both_sets_are_moved_together() -> None:
    x, y = normal(60, 7), normal(50, 7, seed=1) * 1.5 + 0.3
    shift = normal(7, seed=2) * 10
    assert distance(x @ rotation(7) + shift, y @ rotation(7) + shift) == pytest.approx(distance(x, y), rel=1e-11)
    assert distance(y, x) == pytest.approx(distance(x, y), rel=1e-11)


def test_fd_averages_float32_features_in_float64() -> None:
    """Two constant sets a distance of 1 apart in each of 64 dimensions: 64; averaged in float32 it comes out as 64.00078."""
    ones = torch.full((1000, 64), 1000.1, dtype=torch.float32)
    assert distance(ones, ones + 1) == pytest.approx(
        64 * (ones[0, 0] + 1 - ones[0, 0]).item() ** 2, rel=1e-9
    )  # the means' rounding, 1e-13 of 1000


@pytest.mark.parametrize(("n", "m", "width"), [(200, 300, 16), (64, 50, 12)])
def test_fd_agrees_with_torch_fidelity(n: int, m: int, width: int) -> None:
    x, y = normal(n, width), normal(m, width, seed=1) @ rotation(width) * 1.3 + 0.2
    theirs = [metric_fid.fid_features_to_statistics(side) for side in (x, y)]
    expected = metric_fid.fid_statistics_to_metric(*theirs, verbose=False)[metric_fid.KEY_METRIC_FID]
    assert distance(x, y) == pytest.approx(
        expected, rel=1e-9
    )  # its eigenvalues of a matrix that is not symmetric: 1e-12 and a root


def test_fd_of_fewer_samples_than_features_agrees_with_the_square_root_of_scipy() -> None:
    """On S + 1e-14 I, for the square root of a singular matrix need not exist; that moves tr by less than 2 * 20 * 1e-7."""
    x, y = normal(8, 20), normal(12, 20, seed=1) + 1
    s1, s2 = (np.cov(side.numpy(), rowvar=False) for side in (x, y))
    s1_root = scipy.linalg.sqrtm(s1 + 1e-14 * np.eye(20)).real
    cross = np.trace(scipy.linalg.sqrtm(s1_root @ s2 @ s1_root + 1e-14 * np.eye(20)).real)
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum().item() + np.trace(s1) + np.trace(s2) - 2 * cross
    assert distance(x, y) == pytest.approx(expected, abs=4e-6)
    assert [note[:32] for note in fd.compute(evidence(x, y)).notes] == ["fewer samples than features: the"] * 2
    assert fd.compute(evidence(normal(21, 20), normal(30, 20))).notes == ()


def test_fd_refuses_features_whose_products_overflow() -> None:
    with pytest.raises(InvalidInputError, match="too large"):
        distance(normal(10, 3) * 1e200, normal(10, 3) * 1e200)


def test_fd_reads_rows_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal(50, 4), normal(70, 4, seed=1)
    whole = distance(x, y)
    monkeypatch.setattr(extractor, "BLOCK", 7)
    assert distance(x, y) == pytest.approx(whole, rel=SMOOTH)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-5)]
)  # float32 keeps 6e-8 of each entry
def test_fd_takes_statistics_as_a_reference(dtype: torch.dtype, tolerance: float) -> None:
    x, y = normal(60, 5) + 1, normal(50, 5, seed=1) * 1.5
    statistics = Statistics(x.mean(0).to(dtype), torch.cov(x.T).to(dtype))
    assert fd.compute(Evidence(statistics, Features(y))).value == pytest.approx(distance(x, y), rel=tolerance)


@pytest.mark.parametrize(
    "statistics",
    [
        Statistics(torch.zeros(3), torch.diag(torch.tensor([1.0, -1.0, 1.0]))),
        Statistics(torch.zeros(3), torch.triu(torch.ones(3, 3))),
        Statistics(torch.zeros(3), torch.full((3, 3), math.nan)),
        Statistics(torch.zeros(2), torch.eye(3)),
        Statistics(torch.zeros(4), torch.eye(4)),  # of other features than the samples'
    ],
)
def test_fd_refuses_statistics_that_are_no_covariance_of_these_features(statistics: Statistics) -> None:
    with pytest.raises(InvalidInputError):
        fd.compute(Evidence(statistics, Features(normal(10, 3))))


# --- Inception Score


def inception(logits: Tensor) -> tuple[float, float | None]:
    value = inception_score.compute(evidence(None, normal(len(logits), 2), logits))
    return value.value, value.error


def test_is_of_equal_probabilities_is_one() -> None:
    assert inception(torch.full((50, 7), 3.0)) == pytest.approx((1, 0), abs=SMOOTH)


def test_is_of_sure_and_balanced_classes_is_their_number() -> None:
    """Logits of 1e4 are sure to the last bit. Splits are drawn, so that they are balanced only on average: one split is scored."""
    assert class_scores.inception_score(1e4 * torch.eye(6, dtype=torch.float64).repeat(4, 1)) == pytest.approx(6, rel=SMOOTH)
    assert inception(1e4 * torch.eye(6).repeat(100, 1))[0] == pytest.approx(6, rel=0.1)  # 60 a split: about 6 (1 - 5 / 120)


@pytest.mark.parametrize("count", [10, 57, 400])
def test_is_agrees_with_torch_fidelity(count: int) -> None:
    logits = (3 * normal(count, 12)).float()
    theirs = metric_isc.isc_features_to_metric(logits)
    expected = theirs[metric_isc.KEY_METRIC_ISC_MEAN], theirs[metric_isc.KEY_METRIC_ISC_STD]
    assert inception(logits) == pytest.approx(expected, rel=1e-11, abs=1e-12)


def test_is_refuses_too_few_samples_and_logits_of_each_channel() -> None:
    with pytest.raises(InvalidInputError, match="at least 10 samples"):
        inception(normal(9, 10))
    with pytest.raises(UsageError, match="one a channel"):
        inception(normal(20, 3, 10))
    with pytest.raises(UsageError, match="class logits"):
        inception_score.compute(evidence(None, normal(20, 3)))
