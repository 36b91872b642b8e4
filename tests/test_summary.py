"""Tables against closed forms, scipy and hand-computed values."""

import statistics

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from made_records import FD, FIXTURES, made_hash, made_record, one_table, row_names, seeds

from ganbench.errors import InvalidInputError
from ganbench.interval import spread
from ganbench.leaderboard.summary import summarise
from ganbench.record import Score, load_records

# The interval


def test_interval_of_four_seeds_is_the_one_of_the_t_table():
    # 1, 2, 3, 4: mean 2.5, s = sqrt(5 / 3), t(0.975, 3) = 3.182446 in printed tables.
    cell = one_table(seeds("gan", [1.0, 2.0, 3.0, 4.0])).rows[0].cells[0]
    assert (cell.count, cell.mean) == (4, 2.5)
    assert cell.std == pytest.approx((5 / 3) ** 0.5, rel=1e-12)  # float64 rounding
    assert cell.half_width == pytest.approx(3.182446 * (5 / 3) ** 0.5 / 2, rel=5e-7)  # the table's seven digits
    assert cell.low == 2.5 - cell.half_width
    assert cell.high == 2.5 + cell.half_width


@pytest.mark.parametrize("count", range(2, 12))
def test_interval_agrees_with_scipy(count):
    values = np.random.default_rng(count).normal(3.0, 2.0, count)
    std, half_width = spread(list(values))
    low, high = scipy.stats.t.interval(0.95, count - 1, loc=values.mean(), scale=scipy.stats.sem(values, ddof=1))
    assert std == pytest.approx(values.std(ddof=1), rel=1e-12)
    assert half_width == pytest.approx((high - low) / 2, rel=1e-9)  # two algorithms for the quantile


def test_interval_covers_the_true_mean_in_95_of_100_cases():
    draws = np.random.default_rng(0).normal(1.0, 0.5, (2000, 4))
    covered = sum(abs(row.mean() - 1.0) <= spread(list(row))[1] for row in draws) / len(draws)
    assert covered == pytest.approx(0.95, abs=4 * (0.95 * 0.05 / 2000) ** 0.5)  # four standard errors of 2,000 cases


def test_one_seed_has_a_value_and_no_interval():
    cell = one_table(seeds("gan", [1.5])).rows[0].cells[0]
    assert (cell.count, cell.mean, cell.std, cell.half_width, cell.low, cell.high) == (1, 1.5, None, None, None, None)


def test_equal_seeds_have_an_interval_of_exactly_zero():
    assert spread([0.1] * 3) == (0.0, 0.0)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_any_finite_values_have_a_mean_between_their_ends(values):
    cell = one_table(seeds("gan", values)).rows[0].cells[0]
    assert min(values) <= cell.mean <= max(values)
    assert cell.mean == statistics.mean(values)
    assert all(number is None or np.isfinite(number) for number in (cell.std, cell.half_width, cell.low, cell.high))


def test_own_error_of_a_metric_stays_apart_from_the_spread_over_seeds():
    records = [
        made_record(seed=seed, scores={}).model_copy(
            update={
                "scores": {"kid": Score(value=value, better="lower", error=error, error_kind="std over subsets")},
                "protocol": made_record(scores={"kid": 0.0}).protocol,
            }
        )
        for seed, value, error in ((0, 1.0, 0.1), (1, 3.0, 0.3))
    ]
    cell = one_table(records).rows[0].cells[0]
    assert cell.std == pytest.approx(2**0.5)
    assert cell.error == pytest.approx(0.2)
    assert cell.error_kind == "std over subsets"


# Seeds that did not end well


def test_diverged_seeds_are_counted_and_their_scores_left_out():
    records = seeds("wgan-gp", [1.0, 2.0, 3.0])
    records += [made_record("wgan-gp", 3, {FD: 1e6}, status="diverged"), made_record("wgan-gp", 4, {}, status="failed")]
    table = one_table(records)
    (row,) = table.rows
    assert row.seeds == "3 + 1 diverged + 1 failed"
    assert (row.count("ok"), row.count("diverged"), row.count("failed")) == (3, 1, 1)
    assert row.cells[0].mean == 2.0
    assert any("diverged or failed are counted" in note for note in table.notes)


def test_three_seeds_and_one_diverged():
    records = [*seeds("gan", [1.0, 2.0, 3.0]), made_record("gan", 3, {}, status="diverged")]
    assert one_table(records).rows[0].seeds == "3 + 1 diverged"


def test_variant_whose_seeds_all_diverged_stands_last_and_unranked():
    table = one_table(seeds("gan", [5.0]) + [made_record("aaa", seed, {}, status="diverged") for seed in (0, 1)])
    assert row_names(table) == ["gan", "aaa"]
    assert (table.rows[1].rank, table.rows[1].seeds, table.rows[1].cells[0].mean) == (None, "0 + 2 diverged", None)


def test_data_set_on_which_all_diverged_has_a_table_without_scores():
    table = one_table([made_record("gan", 0, {}, status="diverged")])
    assert (table.columns, table.protocol, row_names(table)) == ((), None, ["gan"])


# Ranks


def test_lower_is_better_ranks_from_the_lowest_and_ties_share_a_rank():
    table = one_table(seeds("c", [2.0]) + seeds("b", [1.0]) + seeds("a", [2.0]) + seeds("d", [3.0]))
    assert [(row.name, row.rank) for row in table.rows] == [("b", 1), ("a", 2), ("c", 2), ("d", 4)]
    assert [row.cells[0].best for row in table.rows] == [True, False, False, False]


def test_rows_say_which_ranks_they_could_hold():
    table = one_table(seeds("a", [1.0, 1.1, 0.9]) + seeds("b", [1.05, 1.15, 0.9]) + seeds("c", [9.0, 9.1, 8.9]))
    assert [(row.rank, row.best_rank, row.worst_rank, row.like_best) for row in table.rows] == [
        (1, 1, 2, True),
        (2, 1, 2, True),
        (3, 3, 3, False),
    ]


def test_a_variant_that_loses_half_of_its_seeds_ranks_below_a_steady_one():
    lost = [made_record("lucky", seed, {}, status="diverged") for seed in (2, 3)]
    table = one_table(seeds("lucky", [1.0, 1.0]) + lost + seeds("steady", [2.0, 2.0]) + seeds("bad", [50.0, 50.0]))
    assert [(row.name, row.rank) for row in table.rows] == [("steady", 1), ("lucky", 2), ("bad", 3)]
    assert table.rows[1].cells[0].mean == 1.0


def test_records_that_disagree_which_way_is_better_are_refused():
    one, other = made_record("a", 0, {"modes": 8.0}), made_record("b", 0, {"modes": 8.0})
    turned = other.model_copy(update={"scores": {"modes": Score(value=8.0, better="lower")}})
    with pytest.raises(InvalidInputError, match="disagree whether a higher modes is better"):
        summarise([one, turned])


def test_higher_is_better_ranks_from_the_highest():
    table = one_table(seeds("a", [7.0], "modes") + seeds("b", [8.0], "modes"))
    assert [(row.name, row.cells[0].best) for row in table.rows] == [("b", True), ("a", False)]


def test_controls_stand_last_in_their_order_and_are_never_ranked_or_best():
    controls = [
        r for name, value in (("noise", 0.1), ("memorizer", 0.0), ("real", 0.01)) for r in seeds(name, [value], control=True)
    ]
    table = one_table(controls + seeds("a", [1.0]) + seeds("b", [2.0]))
    assert row_names(table) == ["a", "b", "real", "memorizer", "noise"]
    assert [row.rank for row in table.rows] == [1, 2, None, None, None]
    assert [row.cells[0].best for row in table.rows] == [True, False, False, False, False]


def test_single_contender_is_not_marked_best():
    assert not one_table(seeds("a", [1.0])).rows[0].cells[0].best


def test_frechet_distance_is_the_primary_score():
    table = one_table(
        [made_record("a", 0, {"kid": 1.0, "fd-made-up-net": 1.0, "fid": 2.0}), made_record("b", 0, {"kid": 0.0, "fid": 3.0})]
    )
    assert [column.label for column in table.columns] == ["fid", "fd-made-up-net", "kid"]
    assert row_names(table) == ["a", "b"]


def test_other_scores_keep_the_order_in_which_records_state_them():
    table = one_table([made_record("a", 0, {"modes": 8.0, "kid": 1.0, "alpha": 1.0})])
    assert [column.label for column in table.columns] == ["modes", "kid", "alpha"]


# Rows


def test_another_specification_is_another_row_whose_name_says_what_differs():
    long = seeds("wgan-gp", [1.0, 2.0], specification={"steps": 800})
    table = one_table(seeds("wgan-gp", [3.0, 4.0]) + long + seeds("gan", [9.0]))
    assert row_names(table) == ["wgan-gp (steps 800)", "wgan-gp (steps 400)", "gan"]
    assert [row.cells[0].mean for row in table.rows] == [1.5, 3.5, 9.0]


def test_names_reach_into_the_recipe():
    fast = {"recipe": {"lr": 0.001, "betas": [0.5, 0.999]}}
    assert set(row_names(one_table(seeds("gan", [1.0]) + seeds("gan", [2.0], specification=fast)))) == {
        "gan (lr 0.0002)",
        "gan (lr 0.001)",
    }


def test_other_code_of_one_variant_is_another_row():
    other = made_record("gan", 0)
    facts = other.variant.model_copy(update={"source_hash": made_hash("other code")})
    names = row_names(one_table([made_record("gan", 0), other.model_copy(update={"variant": facts})]))
    assert set(names) == {f"gan (code {made_hash('gan', 'source')[:12]})", f"gan (code {made_hash('other code')[:12]})"}


def test_row_has_speed_and_size():
    row = one_table(seeds("gan", [1.0, 2.0])).rows[0]
    assert (row.train_seconds_per_seed, row.images_per_second, row.generator_parameters) == (12.0, 6400.0, 1_250_000)
    assert one_table(seeds("real", [1.0], control=True)).rows[0].train_seconds_per_seed is None


def test_other_machines_are_noted():
    there = made_record("b", environment={"device": "another made-up device"})
    assert any("2 different environments" in note for note in one_table([made_record("a"), there]).notes)


# Old records


def test_records_of_schema_1_load_and_say_what_they_said():
    records = load_records([FIXTURES])
    names = [f"{record.variant.name} {record.seed} {record.status}" for record in records]
    assert names == ["dcgan 0 ok", "real 0 ok", "wgan-gp 0 ok", "wgan-gp 1 ok", "wgan-gp 2 ok", "wgan-gp 3 diverged"]
    table = one_table(records)
    assert row_names(table) == ["wgan-gp", "dcgan", "real"]
    assert table.rows[0].seeds == "3 + 1 diverged"
    assert table.rows[0].cells[0].mean == pytest.approx(0.2, rel=1e-15)  # of 0.1, 0.2 and 0.3
    assert table.rows[0].cells[0].half_width == pytest.approx(4.302653 * 0.1 / 3**0.5, rel=1e-6)  # t(0.975, 2) of printed tables
    assert table.rows[2].cells[1].error == 0.0002
    assert [evaluation.step for evaluation in records[0].evaluations] == [100, 200]
