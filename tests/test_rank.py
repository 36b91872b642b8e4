"""Rankings: Welch's test and Holm's correction against other implementations, boards of a known truth, lost seeds."""

import math

import numpy as np
import pytest
from scipy import stats

from ganbench.interval import spread
from ganbench.leaderboard.rank import ALPHA, Contender, adjusted, standings, welch

SEEDS, VARIANTS, BOARDS = 5, 10, 200


@pytest.mark.parametrize(("first", "second"), [(5, 5), (3, 10), (2, 2)])
def test_welch_is_scipys(first: int, second: int) -> None:
    draw = np.random.default_rng(first)
    one, other = draw.normal(0, 1, first), draw.normal(1, 3, second)
    assert welch(one.tolist(), other.tolist()) == pytest.approx(stats.ttest_ind(one, other, equal_var=False).pvalue, rel=1e-9)


def test_welch_where_nothing_varies_or_too_little_is_known() -> None:
    assert welch([8.0, 8.0], [8.0, 8.0]) == 1.0
    assert welch([8.0, 8.0], [7.0, 7.0]) == pytest.approx(2 / 6)  # of 6 ways to deal two 8s and two 7s
    assert welch([8.0] * 5, [7.0] * 5) == pytest.approx(2 / 252)
    assert welch([8.0], [7.0, 7.1, 7.2]) == 1.0
    assert welch([1e308, -1e308], [0.0, 1.0]) == 1.0
    assert welch([1e200, 0.0], [0.0, 1.0]) == 1.0
    assert welch([1e100, 0.0], [0.0, 1.0]) == pytest.approx(0.5)  # one degree of freedom, t = 1: the Cauchy distribution


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.04 of four: 4 x 0.01, 3 x 0.02, 2 x 0.03, and 1 x 0.04 is raised to the one before it.
    given = np.array([0.02, 0.01, 0.04, 0.03])
    assert adjusted(given).tolist() == pytest.approx([0.06, 0.04, 0.06, 0.06])
    # Two more tests of p = 1: 6 x 0.01, 5 x 0.02, 4 x 0.03, 3 x 0.04. Rows are corrected each by itself.
    rows = np.array([[0.02, 0.01, 0.04, 0.03, 1.0, 1.0], [1.0, 0.01, 1.0, 1.0, 1.0, 1.0]])
    assert adjusted(rows).tolist() == [pytest.approx([0.10, 0.06, 0.12, 0.12, 1, 1]), pytest.approx([1, 0.06, 1, 1, 1, 1])]


def boards(seed: int) -> tuple[float, float, float]:
    """Over simulated boards: how often two equals are called different, a pair 5 deviations apart is, and intervals hold the truth.

    Ten variants of deviation 1, each pair of neighbours 5 apart, but for the first two, which are equal.
    """
    draw = np.random.default_rng(seed)
    truth = [0.0, 0.0, *(5.0 * place for place in range(1, VARIANTS - 1))]
    equal = apart = held = 0
    for _ in range(BOARDS):
        values = draw.normal(truth, 1.0, (SEEDS, VARIANTS)).T
        found = {s.name: s for s in standings([Contender(str(i), tuple(v)) for i, v in enumerate(values.tolist())], "lower")}
        # The first two alone stand above the others: both may hold places 1 and 2 unless they are told apart.
        equal += found["0"].worst_rank < 2 or found["1"].worst_rank < 2
        apart += found["2"].best_rank == 3 and not found["2"].like_best
        for centre, row in zip(truth, values.tolist(), strict=True):
            half = spread(row)[1]
            assert half is not None
            held += abs(float(np.mean(row)) - centre) <= half
    return equal / BOARDS, apart / BOARDS, held / BOARDS / VARIANTS


def test_boards_of_a_known_truth() -> None:
    equal, apart, held = boards(0)
    assert equal <= 0.07
    assert apart > 0.95
    assert 0.90 <= held <= 0.98


def test_ranges_hold_the_true_rank() -> None:
    # Fifty variants half a deviation apart, five seeds: a row's range holds its true rank 95 times in 100, and is no triviality.
    draw, count = np.random.default_rng(1), 50
    held, widths = [], []
    for _ in range(60):
        values = draw.normal(np.arange(count) / 2, 1.0, (SEEDS, count)).T
        for each in standings([Contender(str(place), tuple(row)) for place, row in enumerate(values.tolist())], "lower"):
            held.append(each.best_rank <= int(each.name) + 1 <= each.worst_rank)
            widths.append(each.worst_rank - each.best_rank + 1)
    assert np.mean(held) >= 0.95
    assert np.mean(widths) < 0.75 * count


def test_ranks_and_their_ranges() -> None:
    rows = [
        Contender("clear", (1.0, 1.1, 0.9)),
        Contender("close", (1.05, 1.15, 0.9)),
        Contender("far", (9.0, 9.1, 8.9)),
        Contender("once", (5.0,)),
    ]
    found = {s.name: (s.rank, s.best_rank, s.worst_rank, s.like_best) for s in standings(rows, "lower")}
    assert found == {"clear": (1, 1, 3, True), "close": (2, 1, 3, True), "far": (4, 3, 4, False), "once": (3, 1, 4, True)}
    assert [s.name for s in standings(rows, "higher")] == ["far", "once", "close", "clear"]


def test_equal_means_share_a_rank() -> None:
    rows = [Contender(name, (value,) * 5) for name, value in (("b", 8.0), ("a", 8.0), ("c", 7.0))]
    found = standings(rows, "higher")
    assert [(s.name, s.rank, s.best_rank, s.worst_rank) for s in found] == [("a", 1, 1, 2), ("b", 1, 1, 2), ("c", 3, 3, 3)]


def test_a_lost_seed_counts_as_the_worst() -> None:
    rows = [Contender("steady", (2.0, 2.1, 2.2)), Contender("half", (1.0, 1.1), lost=1), Contender("bad", (50.0, 51.0, 52.0))]
    found = {s.name: s for s in standings(rows, "lower")}
    assert found["steady"].rank == 1
    assert found["half"].rank == 2  # (1 + 1.1 + 52) / 3 = 18
    assert not found["half"].like_best
    assert found["bad"].rank == 3


def test_a_lost_seed_counts_where_the_worst_value_is_the_best() -> None:
    rows = [Contender("lucky", (8.0,), lost=3), Contender("steady", (8.0,) * 4)]
    found = [(s.name, s.rank, s.like_best) for s in standings(rows, "higher")]
    assert found == [("steady", 1, True), ("lucky", 2, False)]


def test_a_variant_without_a_value_is_last_and_has_no_rank() -> None:
    found = standings([Contender("gone", (), lost=3), Contender("here", (1.0, 2.0))], "lower")
    assert [(s.name, s.rank, s.like_best) for s in found] == [("here", 1, True), ("gone", None, False)]
    assert [s.rank for s in standings([Contender("gone", (), lost=1)], "lower")] == [None]


def test_a_variant_that_was_not_measured_takes_no_place() -> None:
    rows = [Contender("b", (2.0, 2.1, 2.2)), Contender("a", (1.0, 1.1, 0.9)), Contender("once", (3.0,))]
    alone = standings(rows, "lower")
    assert [(s.name, s.rank, s.best_rank, s.worst_rank) for s in alone] == [("a", 1, 1, 2), ("b", 2, 2, 3), ("once", 3, 1, 3)]
    found = standings([Contender("y", ()), *rows, Contender("x", ())], "lower")
    assert found[:3] == alone
    assert [(s.name, s.rank, s.like_best) for s in found[3:]] == [("x", None, False), ("y", None, False)]


def test_the_level_is_what_the_docstrings_say() -> None:
    assert ALPHA == 0.05
    assert 1 / math.comb(10, 5) * 2 == pytest.approx(0.008, abs=1e-3)
