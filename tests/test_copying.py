"""Authenticity, C_T and NDB against closed forms, scipy and all pairs."""

import math

import numpy as np
import pytest
import scipy.spatial
import scipy.stats
import torch
from torch import Tensor

from ganbench import cells
from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Features, Statistics
from ganbench.metric import Evidence
from ganbench.metrics import authenticity, ct, ndb
from ganbench.neighbours import nearest_in, nearest_other


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def evidence(reference: Tensor, samples: Tensor, held_out: Tensor | None = None) -> Evidence:
    return Evidence(Features(reference), Features(samples), held_out=None if held_out is None else Features(held_out))


STATISTICS = Statistics(torch.zeros(2), torch.eye(2, dtype=torch.float64))


# --- Nearest


@pytest.mark.parametrize("offset", [0, 100])
def test_the_nearest_are_those_of_a_search_tree(offset: int) -> None:
    """To 1e-12: a sum of 8 squares and a square root."""
    reference, samples = normal(300, 8) + offset, normal(200, 8, seed=1) + offset
    distances, rows = scipy.spatial.cKDTree(reference).query(samples.numpy())
    found, found_rows = nearest_in(reference, samples)
    np.testing.assert_allclose(found, distances, rtol=1e-12)
    np.testing.assert_array_equal(found_rows, rows)
    others = scipy.spatial.cKDTree(reference).query(reference.numpy(), k=2)[0][:, 1]
    np.testing.assert_allclose(nearest_other(reference), others, rtol=1e-12)


def test_the_nearest_of_copies() -> None:
    reference = normal(20, 3)[torch.arange(40) % 20]
    assert nearest_other(reference).tolist() == [0.0] * 40
    distances, rows = nearest_in(reference, reference[[3, 25]])
    assert (distances.tolist(), rows.tolist()) == ([0, 0], [3, 5])  # the first of equal rows


# --- Authenticity


def test_authenticity_of_copies_is_zero_and_of_distant_samples_one() -> None:
    train = normal(100, 4)
    assert authenticity.compute(evidence(train, train[:50])).value == 0
    assert authenticity.compute(evidence(train.repeat(2, 1), train[:50])).value == 0
    assert authenticity.compute(evidence(train, normal(50, 4, seed=1) + 1000)).value == 1


def test_authenticity_on_a_line() -> None:
    """Training points 0, 1, 3: their nearest others are 1, 1 and 2 away. At equal distances a sample is a copy."""
    train = torch.tensor([[0.0], [1.0], [3.0]])
    samples = torch.tensor([[-1.0], [-1.5], [0.25], [4.75], [5.0], [6.0]])
    assert authenticity.compute(evidence(train, samples)).value == 2 / 6  # -1.5 and 6


def test_authenticity_of_new_data_on_a_line_is_a_third() -> None:
    """A new point is a copy when it and its nearest are each other's nearest, which on a line has probability 2/3.

    4,000 samples against 4,000 points: within 5 standard errors, whose root mean square is sqrt(2/9 (1/4000 + 1/4000)).
    """
    draws = torch.Generator().manual_seed(0)
    train, samples = torch.rand(4000, 1, generator=draws), torch.rand(4000, 1, generator=draws)
    assert authenticity.compute(evidence(train, samples)).value == pytest.approx(1 / 3, abs=5 * math.sqrt(2 / 9 / 2000))


def test_authenticity_refuses_statistics() -> None:
    with pytest.raises(UsageError, match="single training samples"):
        authenticity.compute(Evidence(STATISTICS, Features(normal(20, 2))))


# --- C_T


@pytest.mark.parametrize("levels", [1000, 4])
def test_z_is_scipys_u(levels: int) -> None:
    """With ties (4 levels) and few (1000). scipy's own z corrects for ties, so that only its U is taken."""
    draws = np.random.RandomState(0)
    held_out, samples = draws.randint(levels, size=40) / 7, draws.randint(levels, size=55) / 8
    u = scipy.stats.mannwhitneyu(samples, held_out).statistic
    expected = (u - 40 * 55 / 2) / math.sqrt(40 * 55 * 96 / 12)
    assert ct.z_score(torch.from_numpy(held_out), torch.from_numpy(samples)) == pytest.approx(expected, rel=1e-12)


def test_ct_of_copies_and_of_distant_samples_in_one_cell() -> None:
    """Every copy is nearer than every held-out row: U = 0. Every distant sample is farther: U = m n."""
    train, held_out = normal(60, 3), normal(50, 3, seed=1)
    least = -(50 * 30 / 2) / math.sqrt(50 * 30 * 81 / 12)
    copies = ct.compute(evidence(train, train[:30], held_out))
    assert copies.value == pytest.approx(least, rel=1e-12)
    assert (copies.error, copies.conventions, copies.notes) == (1, {"cells": 1, "counted_cells": 1}, ())
    assert ct.compute(evidence(train, normal(30, 3, seed=2) + 1e3, held_out)).value == pytest.approx(-least, rel=1e-12)


def test_ct_weights_cells_by_held_out_shares() -> None:
    """Two clusters far apart, copied in one and missed in the other: z is known in each."""
    far = torch.tensor([1e4, 0, 0], dtype=torch.float64)
    train = torch.cat([normal(50, 3), normal(50, 3, seed=1) + far])
    held_out = torch.cat([normal(90, 3, seed=2), normal(30, 3, seed=3) + far])
    samples = torch.cat([train[:40], normal(60, 3, seed=4) + far + 100])
    z = [(n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12) for n, m in ((90, 40), (30, 60))]
    value = ct.compute(evidence(train, samples, held_out))
    assert value.value == pytest.approx(-0.75 * z[0] + 0.25 * z[1], rel=1e-12)
    assert value.error == pytest.approx(math.hypot(0.75, 0.25), rel=1e-12)
    assert value.conventions["counted_cells"] == 2
    short = torch.cat([samples[:19], samples[40:], samples[40:]])  # the first cell has too few samples to count
    fewer = ct.compute(evidence(train, short, held_out))
    assert fewer.value == pytest.approx(30 * 120 / 2 / math.sqrt(30 * 120 * 151 / 12), rel=1e-12)
    assert "75.0%" in fewer.notes[0]
    nowhere = ct.compute(
        evidence(train, train[:50].repeat(2, 1), torch.cat([held_out[:19], held_out[90:], held_out[90:], held_out[90:]]))
    )
    assert "all data are one cell" in nowhere.notes[0]
    assert nowhere.value < 0


def test_ct_of_new_data_has_mean_zero_and_the_deviation_that_it_states() -> None:
    """60 draws given one training set. The mean is within 5 standard errors, and the deviation within 5 of its own, 1/sqrt(2 n)."""
    train = normal(200, 2)
    drawn = [ct.compute(evidence(train, normal(200, 2, seed=2 * n + 1), normal(200, 2, seed=2 * n + 2))) for n in range(60)]
    standard = np.array([value.value / (value.error or math.nan) for value in drawn])
    assert abs(standard.mean()) < 5 / math.sqrt(60)
    assert abs(standard.std() - 1) < 5 / math.sqrt(120)


def test_ct_refuses_too_few_rows_and_no_held_out_data() -> None:
    train = normal(50, 2)
    with pytest.raises(InvalidInputError, match="20 rows of the samples, and there are 19"):
        ct.compute(evidence(train, train[:19], train))
    with pytest.raises(InvalidInputError, match="20 rows of the held-out data, and there are 19"):
        ct.compute(evidence(train, train, train[:19]))
    with pytest.raises(UsageError, match="held-out data"):
        ct.compute(evidence(train, train))


# --- Bins


def clusters(sizes: list[int], seed: int) -> Tensor:
    """Points of tight, distant clusters, so many of each."""
    centres = 100 * torch.eye(len(sizes), dtype=torch.float64)
    return torch.cat([centre + 0.01 * normal(size, len(sizes), seed=seed) for centre, size in zip(centres, sizes, strict=True)])


def test_ndb_of_the_reference_itself_is_zero() -> None:
    train = normal(400, 5)
    same = evidence(train, train.clone())
    assert (ndb.compute(same).value, ndb.compute_divergence(same).value) == (0, 0)
    assert ndb.compute(same).conventions == {"bins": 40}


def test_ndb_counts_samples_of_the_nearest_centre() -> None:
    """Bins by the reference's own labels; samples by a search tree over the labels' means."""
    train, samples = normal(300, 4) + 50, 0.7 * normal(250, 4, seed=1) + 50
    (labels,) = cells.assign(train, 30)
    means = torch.stack([train[labels == cell].mean(dim=0) for cell in range(int(labels.max()) + 1)])
    expected = np.bincount(scipy.spatial.cKDTree(means).query(samples.numpy())[1], minlength=len(means))
    theirs, ours = ndb.counts(evidence(train, samples))
    np.testing.assert_array_equal(theirs, labels.bincount())
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("bins", [3, 20])
def test_bins_that_differ_are_those_of_a_contingency_test(bins: int) -> None:
    """The pooled z test of two proportions is Pearson's chi-square of the 2 x 2 table, without correction."""
    draws = np.random.RandomState(0)
    seen = []
    for _ in range(20):
        theirs, ours = (
            draws.multinomial(300, draws.dirichlet([20] * bins)) + 1,
            draws.multinomial(200, draws.dirichlet([20] * bins)),
        )
        m, n = theirs.sum(), ours.sum()
        expected = [
            scipy.stats.chi2_contingency([[a, m - a], [b, n - b]], correction=False).pvalue < 0.05
            for a, b in zip(theirs, ours, strict=True)
        ]
        assert ndb.different(torch.from_numpy(theirs).double(), torch.from_numpy(ours).double()).tolist() == expected
        seen += expected
    assert 0 < sum(seen) < len(seen)


def test_divergence_is_scipys() -> None:
    draws = np.random.RandomState(1)
    theirs, ours = draws.randint(1, 50, size=12), draws.randint(0, 50, size=12)
    ours[[2, 7]] = 0
    expected = scipy.spatial.distance.jensenshannon(theirs, ours) ** 2
    assert ndb.divergence(torch.from_numpy(theirs).double(), torch.from_numpy(ours).double()) == pytest.approx(expected, rel=1e-12)


def test_a_dropped_mode_is_seen() -> None:
    """Two of five equal clusters are dropped: all bins differ, for the others grow from a fifth to a third."""
    train = clusters([200] * 5, seed=0)
    dropped = evidence(train, clusters([333, 333, 334, 0, 0], seed=1))
    theirs, ours = ndb.counts(dropped)
    assert (theirs.sum(), ours.sum()) == (1000, 1000)
    assert ours[ours > 0].sum() == 1000
    value = ndb.compute_divergence(dropped).value
    shares = np.array([0.2] * 5), np.array([0.333, 0.333, 0.334, 0, 0])
    coarse = scipy.spatial.distance.jensenshannon(*shares) ** 2
    assert coarse <= value <= math.log(2)  # bins within clusters only add to the divergence of the clusters
    assert ndb.compute(dropped).value > 0.4  # the bins of the two clusters alone


def test_few_distinct_rows_give_few_bins_and_one_is_refused() -> None:
    train = torch.eye(3)[torch.arange(90) % 3]
    found = ndb.compute(evidence(train, torch.eye(3)[torch.zeros(90, dtype=torch.int64)]))
    assert (found.value, found.conventions) == (1, {"bins": 3})
    with pytest.raises(InvalidInputError, match="all equal"):
        ndb.compute(evidence(torch.ones(30, 2), torch.ones(30, 2)))
    with pytest.raises(InvalidInputError, match="at least 20 reference rows, and there are 19"):
        ndb.compute(evidence(normal(19, 2), normal(30, 2)))
    with pytest.raises(UsageError, match="FID statistics"):
        ndb.compute(Evidence(STATISTICS, Features(normal(20, 2))))


def test_cells_do_not_move_with_an_offset() -> None:
    """Features are multiples of 1/1024, so that float32 holds them at the offset; k-means centres are then equal to rounding."""
    train, samples = ((1024 * normal(300, 6, seed=seed)).round().float() / 1024 for seed in (0, 1))
    for near, far in zip(cells.assign(train, 9, samples), cells.assign(train + 1000, 9, samples + 1000), strict=True):
        assert torch.equal(near, far)
