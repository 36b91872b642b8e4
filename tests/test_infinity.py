"""FD-infinity, IS-infinity and intra-class FD, against scipy's line, torch-fidelity and closed forms."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor
from torch_fidelity import metric_fid, metric_isc

from ganbench.class_scores import inception_score
from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Features, Statistics
from ganbench.extrapolation import extrapolate, line_at_zero
from ganbench.metric import Evidence
from ganbench.metrics import fd, fd_infinity, intra_fd, is_infinity


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def decaying(count: int, width: int, seed: int) -> Tensor:
    """Features of unlike deviations, from 1 down to width^-0.6, and of a mean that depends on the seed."""
    return normal(count, width, seed=seed) * torch.arange(1, width + 1, dtype=torch.float64) ** -0.6 + 0.1 * seed


# --- an endless sample


def test_the_line_is_that_of_scipy() -> None:
    x, y = [1 / n for n in (10, 20, 40, 80)], [5.0, 4.1, 3.4, 3.3]
    theirs = scipy.stats.linregress(x, y)
    assert line_at_zero(x, y) == pytest.approx((theirs.intercept, theirs.intercept_stderr), rel=1e-12)


@pytest.mark.parametrize(("count", "smallest"), [(30, 3), (4000, 400), (50_000, 5000), (80_000, 5000)])
def test_subsets_grow_evenly_up_to_all_samples(count: int, smallest: int) -> None:
    seen: list[Tensor] = []

    def score(rows: Tensor) -> float:
        seen.append(rows)
        return 2 + 3 / len(rows)

    value = extrapolate("a score", torch.arange(count)[:, None], score)
    assert (value.value, value.error) == pytest.approx((2, 0), abs=1e-12)
    sizes = [len(rows) for rows in seen]
    assert (len(sizes), sizes[0], sizes[-1], value.conventions["smallest_size"]) == (15, smallest, count, smallest)
    assert max(np.diff(sizes)) - min(np.diff(sizes)) <= 1
    assert all(len(rows.unique()) == len(rows) for rows in seen)


def test_too_few_samples_make_no_line() -> None:
    few = Features(normal(29, 3), normal(29, 4))
    for metric in (fd_infinity, is_infinity):
        with pytest.raises(InvalidInputError, match="30 samples or more, and there are 29"):
            metric.compute(Evidence(Features(normal(40, 3)), few))


def test_fd_infinity_is_the_line_through_the_subsets_of_the_paper() -> None:
    """By torch-fidelity's FID of subsets drawn here; 1e-8 relative, since a line doubles and more what each differs by."""
    x, y = decaying(500, 16, 0), decaying(300, 16, 1)
    order, draws, points = y.sum(dim=1).argsort(), np.random.RandomState(2020), []
    for size in np.linspace(30, 300, 15).astype(int):
        subset = y[order[draws.choice(300, size, replace=False)]]
        both = [metric_fid.fid_features_to_statistics(side) for side in (x, subset)]
        points.append((1 / size, metric_fid.fid_statistics_to_metric(*both, verbose=False)[metric_fid.KEY_METRIC_FID]))
    theirs = scipy.stats.linregress(*zip(*points, strict=True))
    value = fd_infinity.compute(Evidence(Features(x), Features(y)))
    assert (value.value, value.error) == pytest.approx((theirs.intercept, theirs.intercept_stderr), rel=1e-8)
    assert fd_infinity.compute(Evidence(Features(x).moments, Features(y.flip(0)))).value == pytest.approx(value.value, rel=1e-10)


def test_fd_infinity_has_less_bias_than_fd() -> None:
    """Samples of the reference's own law, whose true distance is 0. The bias that is left is of second order in F / n, n >= 160."""
    reference = Statistics(torch.zeros(16), torch.eye(16))
    sets = [Evidence(reference, Features(block)) for block in normal(19_200, 16).split(1600)]
    plain = np.mean([fd.compute(given).value for given in sets])
    assert abs(np.mean([fd_infinity.compute(given).value for given in sets])) < 0.2 * plain


@pytest.mark.parametrize("count", [100, 190])
def test_moments_of_most_rows_are_those_of_all_less_the_others(count: int) -> None:
    samples = Features(10 + decaying(200, 24, 0).float())
    rows = torch.randperm(200, generator=torch.Generator().manual_seed(1))[:count]
    one, direct = fd_infinity.some(samples, rows), Features(samples.features[rows]).moments
    assert torch.allclose(one.moments.mean, direct.mean, rtol=1e-13)
    assert torch.allclose(one.moments.covariance, direct.covariance, rtol=1e-11, atol=1e-14)
    assert len(one) == count


def test_is_infinity_is_the_line_through_the_subsets_of_the_paper() -> None:
    """By torch-fidelity's IS of one split."""
    logits = 2 * normal(200, 10)
    order, draws, points = logits.sum(dim=1).argsort(), np.random.RandomState(2020), []
    for size in np.linspace(20, 200, 15).astype(int):
        subset = logits[order[draws.choice(200, size, replace=False)]]
        points.append((1 / size, metric_isc.isc_features_to_metric(subset, splits=1)[metric_isc.KEY_METRIC_ISC_MEAN]))
    theirs = scipy.stats.linregress(*zip(*points, strict=True))
    value = is_infinity.compute(Evidence(None, Features(normal(200, 2), logits)))
    assert (value.value, value.error) == pytest.approx((theirs.intercept, theirs.intercept_stderr), rel=1e-9)
    with pytest.raises(UsageError, match="one a channel"):
        is_infinity.compute(Evidence(None, Features(normal(40, 2), normal(40, 3, 10))))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_inception_score_of_some_rows_is_torch_fidelitys_of_one_split(dtype: torch.dtype) -> None:
    logits, rows = (3 * normal(500, 1008)).to(dtype), torch.randperm(500, generator=torch.Generator().manual_seed(1))[:300]
    theirs = metric_isc.isc_features_to_metric(logits[rows], splits=1, shuffle=False)[metric_isc.KEY_METRIC_ISC_MEAN]
    assert inception_score(logits, rows) == pytest.approx(theirs, rel=1e-12)
    assert inception_score(logits[rows]) == pytest.approx(theirs, rel=1e-12)


def test_the_inception_score_of_huge_logits_is_a_number() -> None:
    assert inception_score(1e308 * (2 * torch.eye(4, dtype=torch.float64) - 1)) == pytest.approx(4, rel=1e-12)
    assert inception_score(torch.full((7, 5), -3e38)) == pytest.approx(1, rel=1e-12)


# --- class by class


def with_moments(mean: float, deviation: float, width: int = 3) -> Tensor:
    """2F rows of exactly this mean in each dimension and, with N - 1, exactly this deviation."""
    arms = deviation * math.sqrt((2 * width - 1) / 2) * torch.eye(width, dtype=torch.float64)
    return torch.cat([mean + arms, mean - arms])


def labelled(*classes: tuple[int, Tensor]) -> Features:
    features = torch.cat([rows for _, rows in classes])
    return Features(features, labels=torch.cat([torch.full((len(rows),), label) for label, rows in classes]))


def test_intra_fd_is_the_mean_over_classes() -> None:
    """Class 0 is moved by 2 in 3 dimensions: 12. Class 7 has deviation 3 for 1: 3 * 2^2 = 12 too, and with a move by 1 it is 15."""
    reference = labelled((0, with_moments(0, 1)), (7, with_moments(5, 1)))
    samples = labelled((7, with_moments(6, 3)), (0, with_moments(2, 1)))
    value = intra_fd.compute(Evidence(reference, samples))
    assert (value.value, value.error) == pytest.approx((13.5, 1.5), rel=1e-12)
    assert (value.error_kind, value.conventions, value.notes) == ("std over 2 classes, ddof 0", {"classes": 2}, ())


def test_intra_fd_sees_classes_that_are_confused() -> None:
    reference = labelled((0, with_moments(0, 1)), (1, with_moments(2, 1)))
    swapped = labelled((1, with_moments(0, 1)), (0, with_moments(2, 1)))
    assert fd.compute(Evidence(reference, swapped)).value == pytest.approx(0, abs=1e-12)
    assert intra_fd.compute(Evidence(reference, swapped)).value == pytest.approx(12, rel=1e-12)
    assert intra_fd.compute(Evidence(reference, reference)).value == pytest.approx(0, abs=1e-12)


def test_intra_fd_refuses_what_it_cannot_compare() -> None:
    both = labelled((0, with_moments(0, 1)), (1, with_moments(2, 1)))
    for one, said in (
        (labelled((0, with_moments(0, 1))), "fewer than 2 items in 1 of 2 classes, first in class 1"),
        (labelled((0, with_moments(0, 1)), (1, normal(1, 3))), "fewer than 2 items in 1 of 2 classes, first in class 1"),
    ):
        with pytest.raises(InvalidInputError, match=f"The samples have {said}"):
            intra_fd.compute(Evidence(both, one))
        with pytest.raises(InvalidInputError, match=f"The reference have {said}"):
            intra_fd.compute(Evidence(one, both))
    with pytest.raises(UsageError, match="the samples come without labels"):
        intra_fd.compute(Evidence(both, Features(normal(9, 3))))
    with pytest.raises(UsageError, match="FID statistics"):
        intra_fd.compute(Evidence(both.moments, both))
