"""What every registered metric owes, and what none may see."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ganbench import registry
from ganbench.dataset import ClassModes, PointModes
from ganbench.errors import InvalidInputError
from ganbench.extractor import Features
from ganbench.metric import Evidence, Metric, PathSteps


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def good_evidence(metric: Metric) -> Evidence:
    """80 real rows, 64 samples and 72 held-out rows of 6 features in 4 classes, images of 32 x 32, and 64 steps in latent space."""
    labels = [torch.arange(count) % 4 for count in (80, 64, 72)]
    reference = Features(normal(80, 6), labels=labels[0])
    held_out = Features(normal(72, 6, seed=4), labels=labels[2])
    if "point-modes" in metric.needs:
        modes = PointModes(centres=((0.0,) * 6, (1.0,) * 6), sigma=1.0)
        return Evidence(reference, Features(normal(64, 6, seed=1)), modes)
    images = (normal(64, 1, 32, 32, seed=5) * 40 + 128).clamp(0, 255).to(torch.uint8)
    path = PathSteps(normal(64, seed=6).square(), 1e-4, "slerp")
    samples = Features(normal(64, 6, seed=1), normal(64, 10, seed=2), labels[1])
    return Evidence(reference, samples, ClassModes(10), held_out, images, path)


@pytest.fixture(params=registry.entries("metrics"))
def metric(request: pytest.FixtureRequest) -> Metric:
    loaded = registry.find("metrics", request.param).load()
    assert isinstance(loaded, Metric)
    return loaded


def test_a_metric_is_a_finite_number_whose_error_has_a_kind(metric: Metric) -> None:
    first, second = metric.compute(good_evidence(metric)), metric.compute(good_evidence(metric))
    assert math.isfinite(first.value)
    assert (first.error is None) == (first.error_kind is None)
    assert first.error is None or (math.isfinite(first.error) and first.error >= 0)
    assert first == second
    assert metric.paper
    assert metric.version >= 1


def test_a_metric_does_not_depend_on_the_order_of_samples(metric: Metric) -> None:
    """Up to rounding; one that draws subsets or splits says its seed in its conventions, and moves within its own error."""
    given = good_evidence(metric)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(3))
    images = None if given.images is None else given.images[order]
    path = given.path and replace(given.path, squared_distances=given.path.squared_distances[order])
    shuffled = Evidence(given.reference, given.samples.take(order), given.modes, given.held_out, images, path)
    one, other = metric.compute(given), metric.compute(shuffled)
    if any("seed" in convention for convention in metric.conventions):
        assert one.error is not None
        assert abs(one.value - other.value) <= one.error
    else:
        assert other.value == pytest.approx(one.value, rel=1e-10)


def test_a_metric_leaves_its_evidence_as_it_was(metric: Metric) -> None:
    given, untouched = good_evidence(metric), good_evidence(metric)
    metric.compute(given)
    assert isinstance(given.reference, Features)
    assert isinstance(untouched.reference, Features)
    assert torch.equal(given.reference.features, untouched.reference.features)
    assert torch.equal(given.samples.features, untouched.samples.features)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", ["samples", "reference"])
def test_no_metric_sees_a_number_that_is_not_finite(bad: float, side: str) -> None:
    good, spoilt = normal(20, 3), normal(20, 3)
    spoilt[[4, 17], [0, 2]] = bad
    with pytest.raises(InvalidInputError, match=rf"{side} are NaN or infinite in 2 of 20 rows, first in row 4 \(from 0\)"):
        Evidence(*((Features(good), Features(spoilt)) if side == "samples" else (Features(spoilt), Features(good))))
    logits = normal(20, 2, 5)
    logits[3, 1, 1] = bad
    with pytest.raises(InvalidInputError, match=r"logits of the samples are NaN or infinite in 1 of 20 rows, first in row 3 "):
        Evidence(None, Features(good, logits))


@pytest.mark.parametrize(
    ("reference", "samples", "said"),
    [
        (normal(5, 3), normal(1, 3), "samples have 1 rows"),
        (normal(0, 3), normal(5, 3), "reference have 0 rows"),
        (normal(5, 3), normal(5, 4), "4 features and the reference 3"),
        (normal(5, 3), normal(5), "must be .N, F."),
    ],
)
def test_no_metric_sees_sets_that_cannot_be_compared(reference: Tensor, samples: Tensor, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        Evidence(Features(reference), Features(samples))
