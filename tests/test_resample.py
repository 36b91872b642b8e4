"""Intervals by random halves: what they estimate, and what they leave alone."""

import math
import statistics

import pytest
import torch
from torch import Tensor

from ganbench.errors import InvalidInputError
from ganbench.extractor import Features
from ganbench.metric import Evidence, Metric, PathSteps, Value
from ganbench.metrics.fd import METRIC as FD
from ganbench.score.resample import Resampling, halves, intervals

MEAN = Metric("mean", 1, "lower", (), "none", lambda evidence: Value(float(evidence.samples.features.mean())))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_the_standard_error_of_a_mean_is_s_over_root_n() -> None:
    rows = normal(200, 1) * 3 + 5
    found = intervals({"mean": MEAN}, Evidence(None, Features(rows)), Resampling(count=4000))
    expected = rows.std(correction=1).item() / math.sqrt(200)
    # a standard deviation of 4000 draws is itself known to 1 / sqrt(2 * 4000) = 1.1 %; 4 of those
    assert found["mean"] == pytest.approx(expected, rel=0.045)


def test_the_standard_error_of_a_frechet_distance_is_the_spread_over_fresh_sets() -> None:
    reference = Features(normal(4000, 2, seed=1))
    fresh = [normal(1000, 2, seed=100 + seed) * 1.5 + 1 for seed in range(200)]
    spread = statistics.stdev(FD.compute(Evidence(reference, Features(rows))).value for rows in fresh)
    found = [intervals({"fd": FD}, Evidence(reference, Features(rows)), Resampling(count=100))["fd"] for rows in fresh[:10]]
    # the spread of 200 sets is known to 5 %, the mean of ten estimates of 100 halves to 2.2 %: 3 of their root mean square
    assert statistics.fmean(found) == pytest.approx(spread, rel=0.165)


def test_halves_hold_each_row_once_and_keep_what_belongs_together() -> None:
    rows = torch.arange(21.0)[:, None]
    samples = Features(rows, logits=rows * 2, labels=rows[:, 0].long())
    images = torch.arange(21, dtype=torch.uint8)[:, None, None, None]
    path = PathSteps(torch.arange(9.0), 0.1, "lerp")
    reference = Features(rows + 1)
    found = halves(Evidence(reference, samples, images=images, path=path), Resampling(count=3))
    assert len(found) == 3
    for half in found:
        chosen = half.samples.features[:, 0]
        assert len(chosen) == len(set(chosen.tolist())) == 10
        assert half.samples.logits is not None
        assert half.samples.labels is not None
        assert half.images is not None
        assert half.path is not None
        assert torch.equal(half.samples.logits[:, 0], chosen * 2)
        assert torch.equal(half.samples.labels, chosen.long())
        assert torch.equal(half.images.flatten(), chosen.to(torch.uint8))
        assert len(set(half.path.squared_distances.tolist())) == 4
        assert half.reference is reference


def test_halves_are_drawn_by_the_seed() -> None:
    evidence = Evidence(None, Features(normal(50, 2)))
    one, same, other = (intervals({"mean": MEAN}, evidence, Resampling(count=10, seed=seed)) for seed in (0, 0, 1))
    assert one == same != other


def test_a_metric_that_half_of_the_samples_are_too_few_for_gets_no_interval() -> None:
    def picky(evidence: Evidence) -> Value:
        if len(evidence.samples) < 30:
            raise InvalidInputError("too few.")
        return Value(1.0)

    metrics = {"mean": MEAN, "picky": Metric("picky", 1, "lower", (), "none", picky)}
    assert list(intervals(metrics, Evidence(None, Features(normal(50, 2))), Resampling(count=10))) == ["mean"]
