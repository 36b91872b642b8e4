"""The metrics of whole distributions, against closed forms and small implementations of other make."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.optimize
import scipy.spatial
import scipy.special
import scipy.stats
import torch
from torch import Tensor

from ganbench import projections
from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Features, Statistics
from ganbench.metric import Evidence, PathSteps, Value
from ganbench.metrics import cas, fld, mind, ms_ssim, ppl, sliced_wasserstein, vendi, w2


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def evidence(reference: Tensor | None, samples: Tensor) -> Evidence:
    return Evidence(None if reference is None else Features(reference), Features(samples))


# --- MIND and the sliced Wasserstein distance


@pytest.mark.parametrize(("n", "m"), [(5, 5), (6, 4), (7, 12), (2, 9)])
def test_the_distance_along_a_line_is_exact_for_any_numbers_of_rows(n: int, m: int) -> None:
    """Each side repeated up to n m rows is the same distribution, and there the sorted values are matched one to one."""
    x, y = normal(n, 3), normal(m, 3, seed=1) + 0.5
    directions = normal(4, 3, seed=2)
    ones, others = ((side @ directions.T).repeat_interleave(times, dim=0).sort(dim=0).values for side, times in ((x, m), (y, n)))
    expected = (ones - others).square().mean(dim=0)
    np.testing.assert_allclose(projections.squared_distances(x, y, directions), expected, rtol=1e-12)


def test_the_distance_of_a_shifted_copy_is_the_shift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Along u all points move by u . s, whose mean square over all directions is |s|^2 / d: MIND is near 3 |s|^2."""
    monkeypatch.setattr(projections, "BLOCK", 7)
    monkeypatch.setattr(projections, "DIRECTIONS_AT_ONCE", 300)
    x, shift = normal(30, 6) * 3, normal(6, seed=1)
    value = mind.compute(evidence(x + shift, x.flip(0)))
    assert value.error is not None
    assert abs(value.value - 3 * shift.square().sum().item()) < 3 * value.error
    assert 0 < value.error < 0.05 * value.value  # (u . s)^2 d / |s|^2 has a deviation of sqrt(2) at most: 4.5 % over 1000
    sliced = sliced_wasserstein.compute(evidence(x + shift, x.flip(0)))
    assert sliced.error is not None
    assert abs(sliced.value - (shift.square().sum().item() / 6) ** 0.5) < 3 * sliced.error


def test_in_one_dimension_the_sliced_distances_are_exact() -> None:
    x, y = normal(25, 1) + 1e6, 2 * normal(25, 1, seed=1) + 1e6
    squared = (x.sort(dim=0).values - y.sort(dim=0).values).square().mean().item()
    assert mind.compute(evidence(y, x)).value == pytest.approx(3 * squared, rel=1e-8)  # 1e6 keeps 1e-10 of each coordinate
    assert sliced_wasserstein.compute(evidence(y, x)).value == pytest.approx(squared**0.5, rel=1e-8)
    repeated = sliced_wasserstein.compute(evidence(y.repeat(3, 1), x.repeat(2, 1)))
    assert repeated.value == pytest.approx(squared**0.5, rel=1e-8)
    assert sliced_wasserstein.compute(evidence(x, x.flip(0))).value == 0


@pytest.mark.parametrize(("n", "m"), [(40, 40), (60, 35), (35, 60)])
def test_mind_follows_the_published_draws(n: int, m: int) -> None:
    """Seed 2020: the rows of the larger side are drawn first, then the directions, in float32."""
    x, y = normal(n, 5), normal(m, 5, seed=1) * 1.3
    draws = torch.Generator().manual_seed(2020)
    size = min(n, m)
    kept = [side if len(side) == size else side[torch.randperm(len(side), generator=draws)[:size]] for side in (x, y)]
    total = 0.0
    for direction in torch.randn(1000, 5, generator=draws).double().numpy():
        u = direction / np.linalg.norm(direction)
        total += np.mean((np.sort(kept[0].numpy() @ u) - np.sort(kept[1].numpy() @ u)) ** 2)
    value = mind.compute(evidence(y, x))
    assert value.value == pytest.approx(3 * 5 * total / 1000, rel=1e-12)
    assert value.conventions == {"rows": size}
    assert len(value.notes) == (n != m)


# --- Vendi


def test_vendi_counts_different_directions() -> None:
    three = torch.eye(7, dtype=torch.float64)[:3] * torch.tensor([[1.0], [5.0], [0.1]])
    assert vendi.compute(evidence(None, three)).value == pytest.approx(3, rel=1e-12)
    assert vendi.compute(evidence(None, three.repeat(5, 1))).value == pytest.approx(3, rel=1e-12)
    assert vendi.compute(evidence(None, three[:1].repeat(9, 1) * 1e200)).value == pytest.approx(1, rel=1e-12)


def test_vendi_of_two_directions_at_an_angle() -> None:
    """The eigenvalues are (1 + c) / 2 and (1 - c) / 2 for the cosine c."""
    pair = torch.tensor([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0]], dtype=torch.float64)
    expected = math.exp(scipy.stats.entropy([0.8, 0.2]))
    assert vendi.compute(evidence(None, pair)).value == pytest.approx(expected, rel=1e-12)
    assert vendi.compute(evidence(None, pair.repeat(10, 1))).value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n", "width"), [(30, 8), (8, 30)])
def test_vendi_from_either_matrix(n: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendi, "BLOCK", 7)
    x = normal(n, width)
    cosines = 1 - scipy.spatial.distance.cdist(x, x, "cosine")
    expected = math.exp(scipy.stats.entropy(np.linalg.eigvalsh(cosines).clip(0)))
    assert vendi.compute(evidence(None, x)).value == pytest.approx(expected, rel=1e-12)
    x[3] = 0
    with pytest.raises(InvalidInputError, match="all zero in 1 rows, first in row 3"):
        vendi.compute(evidence(None, x))


# --- exact W2


def test_w2_of_a_shuffled_shifted_copy_is_the_shift() -> None:
    """Moving all points by s costs |s|^2 and no assignment costs less, for the mean must move by s."""
    x, shift = normal(200, 2) * 0.1 + 1e6, torch.tensor([3.0, 4.0], dtype=torch.float64)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(1))
    value = w2.compute(evidence(x, x[order] + shift))
    assert value.value == pytest.approx(5, rel=1e-9)  # 1e6 keeps 1e-10 of each coordinate
    assert (value.error, value.notes, value.conventions) == (None, (), {"rows": 200, "subsets": 1})


def test_w2_on_a_line_matches_sorted_values() -> None:
    x, y = normal(60, 1), normal(60, 1, seed=1) * 3
    expected = (x.sort(dim=0).values - y.sort(dim=0).values).square().mean().sqrt().item()
    assert w2.compute(evidence(y, x)).value == pytest.approx(expected, rel=1e-12)


def test_w2_draws_subsets_of_equal_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(w2, "MAX_ROWS", 40)
    value = w2.compute(evidence(torch.zeros(90, 2), torch.tensor([[3.0, 4.0]]).repeat(70, 1)))
    assert (value.value, value.error) == (5, 0)
    assert value.error_kind == "std over 5 subsets of 40, ddof 0"
    assert "biased" in value.notes[0]
    assert w2.compute(evidence(normal(30, 2), normal(50, 2, seed=1))).error > 0


# --- perceptual path length


def test_ppl_leaves_the_ends_out() -> None:
    """numpy's percentiles that are data points outward: of 0 .. 149 the 1st is 1 and the 99th 148."""
    steps = torch.randperm(150, generator=torch.Generator().manual_seed(0)).double()
    kept = np.arange(1, 149) / 1e-4**2
    value = ppl.compute(Evidence(None, Features(normal(5, 2)), path=PathSteps(steps, 1e-4, "slerp")))
    assert value.value == pytest.approx(kept.mean(), rel=1e-12)
    assert value.error == pytest.approx(scipy.stats.sem(kept), rel=1e-12)
    assert value.conventions == {"epsilon": 1e-4, "interpolation": "slerp", "steps": 150}


@pytest.mark.parametrize("count", [2, 101, 333, 1000])
def test_ppl_is_numpy_s_percentiles(count: int) -> None:
    steps = normal(count, seed=count).square()
    low, high = (np.percentile(steps, p, method=method) for p, method in ((1, "lower"), (99, "higher")))
    kept = [step for step in steps.tolist() if low <= step <= high]
    value = ppl.compute(Evidence(None, Features(normal(5, 2)), path=PathSteps(steps, 0.1, "lerp"))).value
    assert value == pytest.approx(np.mean(kept) / 0.1**2, rel=1e-12)


@pytest.mark.parametrize(
    ("steps", "epsilon"), [([1.0, math.nan], 0.1), ([1.0, -1.0], 0.1), ([1.0], 0.1), ([1.0, 1.0], 0.0), ([1.0, 1.0], math.nan)]
)
def test_ppl_refuses_steps_that_are_none(steps: list[float], epsilon: float) -> None:
    with pytest.raises(InvalidInputError, match="ppl needs"):
        ppl.compute(Evidence(None, Features(normal(5, 2)), path=PathSteps(torch.tensor(steps), epsilon, "lerp")))


# --- classification accuracy score


def labelled(seed: int, count: int = 60, spread: float = 0.1) -> Features:
    """Three classes around the corners of a triangle, and a constant feature."""
    labels = torch.arange(count) % 3
    corners = torch.tensor([[0.0, 0.0, 5.0], [1.0, 0.0, 5.0], [0.0, 1.0, 5.0]], dtype=torch.float64)
    noise = normal(count, 3, seed=seed) * spread
    noise[:, 2] = 0
    return Features(corners[labels] + noise, labels=labels)


def test_cas_of_separate_classes_is_100_and_of_exchanged_labels_0() -> None:
    real, samples = labelled(0), labelled(1)
    value = cas.compute(Evidence(real, samples))
    assert (value.value, value.error) == (100, 0)
    assert value.conventions == {"tested_on": "reference", "items": 60}
    assert samples.labels is not None
    exchanged = Features(samples.features, labels=(samples.labels + 1) % 3)
    assert cas.compute(Evidence(real, exchanged)).value == 0


def test_cas_counts_classes_that_the_samples_lack_as_errors() -> None:
    real, samples = labelled(0), labelled(1)
    two = samples.take(samples.labels != 2)
    value = cas.compute(Evidence(real, two))
    assert value.value == pytest.approx(200 / 3, rel=1e-12)
    assert value.error == pytest.approx(100 * math.sqrt(2 / 9 / 60), rel=1e-12)
    assert "lack 1 of the real data's classes, first 2" in value.notes[0]
    with pytest.raises(InvalidInputError, match="All samples are of class 1"):
        cas.compute(Evidence(real, samples.take(samples.labels == 1)))


def test_cas_is_a_penalised_maximum_likelihood_on_standardised_features() -> None:
    """Its predictions are those of the minimum of the same loss, found by scipy."""
    real, samples = labelled(0, 300, 0.6), labelled(1, 90, 0.6)
    assert samples.labels is not None
    assert real.labels is not None
    x, test = (side.features[:, :2].numpy() for side in (samples, real))
    x, test = (x - x.mean(0)) / x.std(0), (test - x.mean(0)) / x.std(0)
    truth = samples.labels.numpy()

    def loss(flat: np.ndarray) -> float:
        weights, bias = flat[:6].reshape(2, 3), flat[6:]
        return float(-scipy.special.log_softmax(x @ weights + bias, axis=1)[range(90), truth].sum() + (weights**2).sum() / 2)

    best = scipy.optimize.minimize(loss, np.zeros(9), options={"gtol": 1e-6}).x
    predicted = (test @ best[:6].reshape(2, 3) + best[6:]).argmax(axis=1)
    value = cas.compute(Evidence(labelled(2), samples, held_out=real))
    assert value.value == pytest.approx(100 * (predicted == real.labels.numpy()).mean(), rel=1e-12)
    assert 40 < value.value < 95
    assert value.conventions["tested_on"] == "held-out data"


def test_cas_needs_labels_on_both_sides() -> None:
    with pytest.raises(UsageError, match="labels on both sides"):
        cas.compute(Evidence(labelled(0), Features(normal(9, 3))))
    with pytest.raises(UsageError, match="labels on both sides"):
        cas.compute(Evidence(Features(normal(9, 3)), labelled(0)))


# --- what they cannot read


@pytest.mark.parametrize(
    "compute", [mind.compute, sliced_wasserstein.compute, w2.compute, fld.compute, ms_ssim.compute, ppl.compute]
)
def test_evidence_without_what_is_needed_is_refused(compute: Callable[[Evidence], Value]) -> None:
    with pytest.raises(UsageError):
        compute(Evidence(Statistics(torch.zeros(3), torch.eye(3)), Features(normal(10, 3)), held_out=Features(normal(10, 3))))
