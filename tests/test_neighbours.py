"""Precision, recall, density and coverage against prdc, torch-fidelity and all pairs in float64.

Values are shares and counts of exact comparisons, so they are equal; 1e-12 is for the sums that other tools divide in other orders.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from prdc import compute_prdc
from torch import Tensor
from torch_fidelity import metric_prc

from ganbench import distances, neighbours
from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Features, Statistics
from ganbench.metric import Evidence
from ganbench.metrics import prdc, precision_recall
from ganbench.neighbours import KYNKAANNIEMI, NAEEM, Overlap, Rule, compare

RULES = (KYNKAANNIEMI, NAEEM)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def draw(count: int, among: int, seed: int) -> Tensor:
    return torch.randint(among, (count,), generator=torch.Generator().manual_seed(seed))


def values(overlap: Overlap) -> tuple[float, float, float, float]:
    return overlap.precision, overlap.recall, overlap.density, overlap.coverage


def all_pairs(reference: Tensor, samples: Tensor, rule: Rule) -> tuple[float, float, float, float]:
    """The definitions, from three matrices of distances by differences in float64."""

    def squared(x: Tensor, y: Tensor) -> Tensor:
        return (x.double()[:, None] - y.double()).square().sum(dim=2)

    def radius(x: Tensor) -> Tensor:
        return squared(x, x).fill_diagonal_(math.inf).sort(dim=1).values[:, rule.k - 1]

    within = torch.le if rule.inclusive else torch.lt
    pairs = squared(samples, reference)
    theirs, ours = within(pairs, radius(reference)), within(pairs, radius(samples)[:, None])
    means = [theirs.any(1), ours.any(0), theirs.sum(1).double() / rule.k, theirs.any(0)]
    precision, recall, density, coverage = (each.double().mean().item() for each in means)
    return precision, recall, density, coverage


def sides(kind: str) -> tuple[Tensor, Tensor]:
    """A reference (93, 5) and samples (71, 5): ties, copies, and magnitudes that float32 or its squares do not hold."""
    reference, samples = normal(93, 5), 0.8 * normal(71, 5, seed=1)
    match kind:
        case "grid":
            return (1.2 * reference).round(), (1.2 * samples).round()
        case "copies":
            return reference[draw(93, 25, 2)], torch.cat([reference[:20], samples[draw(51, 9, 3)]])
        case "tight clusters":
            centres = normal(4, 5, seed=4).double()
            return centres[draw(93, 4, 2)] + 1e-7 * reference, centres[draw(71, 4, 3)] + 1e-7 * samples
        case "outliers":
            reference[3], samples[5], samples[6] = 1e9, -1e12, 1e5
        case "constant":
            return torch.full((93, 5), 0.1), torch.full((71, 5), 0.1)
        case "huge":
            return reference * 1e30, samples * 1e30
        case "tiny":
            return reference.double() * 1e-120, samples.double() * 1e-120
    return reference, samples


KINDS = ["normal", "grid", "copies", "tight clusters", "outliers", "constant", "huge", "tiny"]


@pytest.mark.parametrize("block", [7, 1024])
@pytest.mark.parametrize("kind", KINDS)
def test_values_are_those_of_all_pairs(kind: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "BLOCK", block)
    reference, samples = sides(kind)
    scale = 1e-30 if kind == "huge" else 1e120 if kind == "tiny" else 1.0  # their squares underflow in the test's own arithmetic
    scaled = [side.double() * scale for side in (reference, samples)]
    found = compare(reference, samples, RULES)
    for rule in RULES:
        assert values(found[rule]) == pytest.approx(all_pairs(*scaled, rule), abs=1e-12)


@settings(deadline=None)
@given(
    st.integers(6, 60),
    st.integers(6, 60),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 10**6),
    st.sampled_from([5, 16, 64]),
)
def test_ties_and_copies_of_every_sort(n: int, m: int, width: int, levels: int, seed: int, block: int) -> None:
    """On small integer grids most distances are tied and many rows occur several times."""
    draws = torch.Generator().manual_seed(seed)
    reference, samples = (torch.randint(-levels, levels + 1, (count, width), generator=draws).float() for count in (m, n))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances, "BLOCK", block)
        found = compare(reference, samples, RULES)
    for rule in RULES:
        assert values(found[rule]) == pytest.approx(all_pairs(reference, samples, rule), abs=1e-12)


@pytest.mark.parametrize(("dense", "spare"), [(1.0, 11), (0.0, 11), (1.0, 0), (0.0, 0)])
@pytest.mark.parametrize("kind", ["normal", "grid", "tight clusters"])
def test_each_way_to_an_exact_answer(kind: str, dense: float, spare: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds in float32 only or in float64 at once; candidates that suffice, or rows that are all done again."""
    monkeypatch.setattr(distances, "DENSE", dense)
    monkeypatch.setattr(neighbours, "SPARE", spare)
    reference, samples = sides(kind)
    found = compare(reference, samples, RULES)
    for rule in RULES:
        assert values(found[rule]) == pytest.approx(all_pairs(reference, samples, rule), abs=1e-12)


@pytest.mark.parametrize("kind", ["normal", "grid", "copies", "wide"])
def test_prdc_agrees(kind: str) -> None:
    """In float64 features, for of float32 features that package compares distances rounded to float32."""
    wide = (normal(1300, 200), 0.9 * normal(1100, 200, seed=1) + 0.03)
    reference, samples = (side.double() for side in (wide if kind == "wide" else sides(kind)))
    theirs = compute_prdc(reference.numpy(), samples.numpy(), nearest_k=5)
    ours = Evidence(Features(reference), Features(samples))
    metrics = {"precision": prdc.PRECISION, "recall": prdc.RECALL, "density": prdc.DENSITY, "coverage": prdc.COVERAGE}
    assert {name: metric.compute(ours).value for name, metric in metrics.items()} == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("kind", ["normal", "wide"])
def test_torch_fidelity_agrees_on_centred_features(kind: str) -> None:
    """Its shares are float32: 1e-7. Both its ways of measuring distances, which it chooses by the number of rows, are met."""
    reference, samples = (normal(1300, 200), 0.9 * normal(1100, 200, seed=1) + 0.03) if kind == "wide" else sides(kind)
    theirs = metric_prc.prc_features_to_metric(samples, reference, prc_neighborhood=3, prc_batch_size=500, verbose=False)
    ours = Evidence(Features(reference), Features(samples))
    assert precision_recall.PRECISION.compute(ours).value == pytest.approx(theirs["precision"], abs=1e-7)
    assert precision_recall.RECALL.compute(ours).value == pytest.approx(theirs["recall"], abs=1e-7)


@pytest.mark.parametrize("offset", [100.0, 4096.0])
def test_an_offset_changes_nothing(offset: float) -> None:
    """Features are multiples of 1/1024, so that float32 holds them at the offset too."""
    reference, samples = ((1024 * side).round() / 1024 for side in (normal(700, 64), 0.9 * normal(600, 64, seed=1)))
    assert compare(reference + offset, samples + offset, RULES) == compare(reference, samples, RULES)


def test_bounds_hold_for_every_pair() -> None:
    """Against differences in float64, with rows from 1e-6 to 1e6 long and some nearly equal."""
    lengths = 10.0 ** torch.linspace(-6, 6, 200)[:, None]
    x = lengths * normal(200, 300)
    y = torch.cat([x[:100] * (1 + 1e-6 * normal(100, 1)), lengths[100:] * normal(100, 300, seed=1)])
    space = distances.Space.around(y, 1.0)
    exact = (x.double()[:, None] - y.double()).square().sum(dim=2)
    for dtype in (torch.float32, torch.float64):
        left, right = space.block(0, x, dtype), space.block(0, y, dtype)
        bounds = space.bounds(left, right, same=False)
        slack = space.slack(300, dtype, left.squares[:, None] + right.squares)
        assert (bounds.lower.double() <= exact).all()
        assert (exact <= bounds.lower.double() + slack).all()


def test_a_pair_has_one_distance() -> None:
    """From either side and in company of any size: on that rests every comparison at equality."""
    x, y = normal(50, 2047), normal(50, 2047, seed=1)
    space = distances.Space.around(x, 1.0)
    i = torch.arange(50)
    together, turned = space.squared(x, y, i, i), space.squared(y, x, i, i)
    alone = torch.cat([space.squared(x, y, i[n : n + 1], i[n : n + 1]) for n in range(50)])
    assert torch.equal(together, turned)
    assert torch.equal(together, alone)
    expected = [math.fsum((p - q) ** 2 for p, q in zip(a, b, strict=True)) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    np.testing.assert_allclose(together, expected, rtol=1e-14)  # 11 additions and 2 more roundings of 1.1e-16


def test_samples_that_are_the_reference() -> None:
    features = normal(200, 16)
    for rule in RULES:
        found = compare(features, features.clone(), (rule,))[rule]
        assert (found.precision, found.recall, found.coverage) == (1, 1, 1)


def test_half_precision_is_read() -> None:
    reference, samples = (side.bfloat16() for side in sides("normal"))
    assert compare(reference, samples, RULES) == compare(reference.double(), samples.double(), RULES)


def test_one_pass_serves_all_six(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []
    real = neighbours.compare
    monkeypatch.setattr(neighbours, "compare", lambda *given: passes.append(1) or real(*given))
    evidence = Evidence(Features(normal(30, 4)), Features(normal(30, 4, seed=1)))
    for metric in (precision_recall.PRECISION, precision_recall.RECALL, prdc.PRECISION, prdc.RECALL, prdc.DENSITY, prdc.COVERAGE):
        metric.compute(evidence)
    assert len(passes) == 1


def test_constant_features_score_zero_by_definition_and_say_so() -> None:
    constant = Evidence(Features(torch.ones(20, 3)), Features(torch.ones(30, 3)))
    assert precision_recall.PRECISION.compute(constant).value == 1  # a closed ball holds its centre
    for metric in (prdc.PRECISION, prdc.RECALL, prdc.DENSITY, prdc.COVERAGE):
        value = metric.compute(constant)
        assert value.value == 0
        assert "radius 0" in value.notes[0]
    assert prdc.DENSITY.compute(Evidence(Features(normal(20, 3)), Features(normal(20, 3)))).notes == ()


def test_too_few_rows_and_statistics_are_refused() -> None:
    for metric, fewest in ((precision_recall.RECALL, 4), (prdc.COVERAGE, 6)):
        enough, short = Features(normal(fewest, 3)), Features(normal(fewest - 1, 3, seed=1))
        assert 0 <= metric.compute(Evidence(enough, enough)).value <= 1
        with pytest.raises(InvalidInputError, match=f"at least {fewest} rows .* the samples have {fewest - 1}"):
            metric.compute(Evidence(enough, short))
        with pytest.raises(InvalidInputError, match=f"at least {fewest} rows .* the reference have {fewest - 1}"):
            metric.compute(Evidence(short, enough))
        with pytest.raises(UsageError, match="one by one"):
            metric.compute(Evidence(Statistics(torch.zeros(3), torch.eye(3)), enough))
