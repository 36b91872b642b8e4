"""Mode coverage on points and logits made by hand."""

import math

import pytest
import torch
from torch import Tensor

from ganbench.dataset import ClassModes, Modes, PointModes
from ganbench.errors import UsageError
from ganbench.extractor import Features
from ganbench.metric import Evidence, Metric
from ganbench.metrics.modes import HIGH_QUALITY, MODES, REVERSE_KL

SQUARE = PointModes(centres=((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)), sigma=0.1)


def value(
    metric: Metric, points: list[list[float]] | None = None, modes: Modes | None = SQUARE, logits: Tensor | None = None
) -> float:
    features = torch.zeros(len(logits), 2) if points is None and logits is not None else torch.tensor(points, dtype=torch.float64)
    return metric.compute(Evidence(None, Features(features, logits), modes)).value


POINTS = [
    *[[0.0, 0.0], [0.1, 0.1], [0.0, -0.29]],  # three good ones of the first mode
    *[[1.0, 0.29]],  # one of the second
    *[[0.0, 0.69], [0.3, 1.3]],  # near the third, 3.1 and 4.2 sigma away: not good, so it is not covered
    *[[0.5, 0.2], [100.0, 100.0]],  # far from all
]


def test_points_are_counted_at_their_nearest_centre_within_three_sigma() -> None:
    assert value(MODES, POINTS) == 2
    assert value(HIGH_QUALITY, POINTS) == 50.0
    expected = 0.75 * math.log(0.75 * 4) + 0.25 * math.log(0.25 * 4)
    assert value(REVERSE_KL, POINTS) == pytest.approx(expected, rel=1e-12)


def test_three_sigma_itself_is_of_high_quality() -> None:
    centred = PointModes(centres=((0.0,), (8.0,)), sigma=0.5)
    assert value(HIGH_QUALITY, [[1.5], [6.5], [math.nextafter(1.5, 2)], [4.0]], centred) == 50.0


def test_a_centre_that_overlaps_takes_only_its_nearest_points() -> None:
    wide = PointModes(centres=((0.0,), (1.0,)), sigma=10.0)
    assert value(MODES, [[0.4], [0.1]], wide) == 1
    assert value(MODES, [[0.4], [0.6]], wide) == 2


def test_even_frequencies_have_no_divergence_and_one_mode_has_all() -> None:
    centres = [list(centre) for centre in SQUARE.centres]
    assert value(REVERSE_KL, centres) == 0.0
    assert value(REVERSE_KL, centres[:1] * 5) == math.log(4)


def test_without_a_sample_of_high_quality_the_largest_divergence_stands_and_a_note_says_so() -> None:
    far = [[9.0, 9.0], [8.0, 8.0]]
    assert (value(MODES, far), value(HIGH_QUALITY, far)) == (0, 0)
    scored = REVERSE_KL.compute(Evidence(None, Features(torch.tensor(far)), SQUARE))
    assert scored.value == math.log(4)
    assert "undefined" in scored.notes[0]
    assert REVERSE_KL.compute(Evidence(None, Features(torch.tensor(POINTS)), SQUARE)).notes == ()


def test_a_perfect_ring_of_many_points_covers_all_modes() -> None:
    """Of N(0, sigma^2 I) in the plane 1 - exp(-9 / 2) = 98.889 % lie within 3 sigma; of 80,000, within 4 standard errors (0.15)."""
    angles = torch.arange(8, dtype=torch.float64) * math.pi / 4
    centres = torch.stack([angles.cos(), angles.sin()], dim=1)
    noise = torch.randn(10_000, 8, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    points = (centres + 0.01 * noise).reshape(-1, 2)
    ring = PointModes(tuple(tuple(centre) for centre in centres.tolist()), 0.01)
    given = Evidence(None, Features(points), ring)
    assert MODES.compute(given).value == 8
    assert HIGH_QUALITY.compute(given).value == pytest.approx(100 * (1 - math.exp(-4.5)), abs=0.15)
    assert 0 < REVERSE_KL.compute(given).value < 1e-4  # (modes - 1) / 2N = 4.4e-5 in expectation


def logits_of(digits: list[list[int]]) -> Tensor:
    """Logits (N, C, 10) whose largest are these digits, over others that are not 0."""
    return torch.linspace(-1, 0.5, 10) + 3 * torch.nn.functional.one_hot(torch.tensor(digits), 10)


def test_stacked_digits_are_one_mode_for_all_three_channels() -> None:
    shown = logits_of([[1, 2, 3], [1, 2, 3], [3, 2, 1], [0, 0, 0], [9, 9, 9], [9, 9, 9], [9, 9, 9], [9, 9, 9]])
    modes = ClassModes(10, channels=3)
    assert value(MODES, modes=modes, logits=shown) == 4
    frequencies = [2 / 8, 1 / 8, 1 / 8, 4 / 8]
    assert value(REVERSE_KL, modes=modes, logits=shown) == pytest.approx(
        sum(p * math.log(p * 1000) for p in frequencies), rel=1e-12
    )


def test_the_first_channel_is_the_most_significant_digit() -> None:
    from ganbench.metrics.modes import counts

    given = Evidence(None, Features(torch.zeros(2, 1), logits_of([[1, 2, 3], [0, 4, 0]])), ClassModes(10, channels=3))
    assert counts(given).nonzero().flatten().tolist() == [40, 123]


def test_grey_digits_have_ten_modes() -> None:
    shown = logits_of([[d] for d in range(10)])[:, 0]
    assert value(MODES, modes=ClassModes(10), logits=shown) == 10
    assert value(REVERSE_KL, modes=ClassModes(10), logits=shown) == 0.0


@pytest.mark.parametrize(
    ("metric", "points", "modes", "logits"),
    [
        (MODES, POINTS, None, None),
        (MODES, [[0.0, 0.0, 0.0]] * 2, SQUARE, None),  # features that are not the points
        (MODES, POINTS, ClassModes(10), None),  # no logits
        (REVERSE_KL, None, ClassModes(10), torch.zeros(4, 3, 10)),  # logits of other channels
        (REVERSE_KL, None, ClassModes(10), torch.zeros(4, 1008)),  # logits of other classes
        (HIGH_QUALITY, None, ClassModes(10), torch.zeros(4, 10)),
    ],
)
def test_what_cannot_be_counted_is_refused(
    metric: Metric, points: list[list[float]] | None, modes: Modes | None, logits: Tensor | None
) -> None:
    with pytest.raises(UsageError):
        value(metric, points, modes, logits)
