"""The mixtures of Gaussians against closed forms, and their bits against PCG64 written out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from ganbench.dataset import LoadedDataset, Location, PointModes, load_dataset
from ganbench.mixture import draw_mixture
from ganbench.rng import stream_seed

CENTRES = {
    "ring-8": {(round(math.sin(k * math.pi / 4), 9), round(math.cos(k * math.pi / 4), 9)) for k in range(8)},
    "grid-25": set(itertools.product((-4.0, -2.0, 0.0, 2.0, 4.0), repeat=2)),
}
SIGMA = {"ring-8": 0.01, "grid-25": 0.05}
HASHES = {  # recorded once; a machine or a numpy on which they differ draws other points
    "ring-8": "26b9b2e35cb372478b8648c4f6b4a32c64d679b4dac2b3269c40a7aa5d2ea6f3",
    "grid-25": "d56963ccdae665584fe844305a81de687bb05d8b32fb84604d83c5cd68a66a42",
}


def pcg64(seed: int) -> Iterator[int]:
    """The 64-bit outputs of PCG XSL RR 128/64 (O'Neill 2014, section 6.3.3), from the state that numpy seeds."""
    state, increment = (np.random.PCG64(seed).state["state"][key] for key in ("state", "inc"))
    while True:
        state = (state * 0x2360ED051FC65DA44385DF649FCCF645 + increment) % 2**128
        mixed, turn = (state >> 64) ^ (state % 2**64), state >> 122
        yield (mixed >> turn | mixed << (64 - turn)) % 2**64


@pytest.fixture(scope="module", params=["ring-8", "grid-25"])
def loaded(request: pytest.FixtureRequest) -> LoadedDataset:
    return load_dataset(request.param, Location())


def test_counts_and_modes(loaded: LoadedDataset) -> None:
    assert isinstance(loaded.modes, PointModes)
    assert loaded.modes.sigma == SIGMA[loaded.name]
    assert {tuple(round(x, 9) + 0.0 for x in centre) for centre in loaded.modes.centres} == CENTRES[loaded.name]
    for part, count in ((loaded.train, 100_000), (loaded.test, 10_000)):
        assert part.items.shape == (count, 2)
        assert part.labels is not None
        expected = count / loaded.modes.count
        counts = part.labels.bincount(minlength=loaded.modes.count).double()
        assert (counts - expected).abs().max() < 5 * math.sqrt(expected)  # binomial: its standard deviation is a little less
        assert (counts != expected).any()


def test_each_mode_is_the_gaussian_that_it_says(loaded: LoadedDataset) -> None:
    """Five standard errors of each estimate: for a right sampler all 198 of them hold with probability 0.9999."""
    assert isinstance(loaded.modes, PointModes)
    assert loaded.train.labels is not None
    sigma = SIGMA[loaded.name]
    for mode, centre in enumerate(loaded.modes.centres):
        points = loaded.train.items[loaded.train.labels == mode].double() - torch.tensor(centre)
        n = len(points)
        assert points.mean(0).abs().max() < 5 * sigma / math.sqrt(n)
        covariance = points.T @ points / n / sigma**2
        assert (covariance.diagonal() - 1).abs().max() < 5 * math.sqrt(2 / n)  # of a chi-squared over its degrees of freedom
        assert covariance[0, 1].abs() < 5 / math.sqrt(n)
        within = (points.norm(dim=1) <= 3 * sigma).double().mean()
        expected = 1 - math.exp(-4.5)  # of a Rayleigh variable at 3 sigma
        assert abs(within - expected) < 5 * math.sqrt(expected * (1 - expected) / n)


def test_the_parts_are_different_draws(loaded: LoadedDataset) -> None:
    rows = [set(map(tuple, part.items.tolist())) for part in (loaded.train, loaded.test)]
    assert not rows[0] & rows[1]


def test_coordinates_have_six_decimals(loaded: LoadedDataset) -> None:
    exact = loaded.test.items.double() * 1e6
    assert (exact - exact.round()).abs().max() < 0.25  # a float32 below 4.3 is within 2.4e-7 of any number


def test_the_points_are_the_same_everywhere(loaded: LoadedDataset) -> None:
    assert loaded.train.hash == HASHES[loaded.name]


def test_the_first_points_by_hand(loaded: LoadedDataset) -> None:
    """Box and Muller's transform in plain Python; the tolerance is one unit of the sixth decimal and half a unit of float32."""
    assert isinstance(loaded.modes, PointModes)
    bits = pcg64(stream_seed(0, f"{loaded.name} test"))
    for row in loaded.test.items[:200].tolist():
        label = next(bits) % loaded.modes.count
        radius = SIGMA[loaded.name] * math.sqrt(-2 * math.log(((next(bits) >> 11) + 1) / 2**53))
        angle = 2 * math.pi * ((next(bits) >> 11) + 1) / 2**53
        x, y = loaded.modes.centres[label]
        assert row == pytest.approx([x + radius * math.cos(angle), y + radius * math.sin(angle)], abs=1.25e-6)


def test_another_seed_draws_other_points_and_labels_name_their_modes() -> None:
    one, labels = draw_mixture([(0.0, 0.0), (9.0, 9.0)], 0.1, 50, seed=1)
    other, others = draw_mixture([(0.0, 0.0), (9.0, 9.0)], 0.1, 50, seed=2)
    assert not torch.equal(labels, others)
    assert not torch.equal(one, other)
    assert torch.equal((one.mean(1) > 4.5).long(), labels)
