"""What may be compared with what: protocols, data sets of one name, the same job twice."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import FD, METRICS, fixture_records, made_hash, made_record, one_table, row_names, seeds, with_metric

from ganbench.errors import InvalidInputError
from ganbench.leaderboard.grouping import differences
from ganbench.leaderboard.summary import summarise
from ganbench.leaderboard.table import render

# Protocols


def test_two_protocols_of_a_data_set_are_two_tables_that_say_what_differs():
    tables = summarise(seeds("a", [1.0, 2.0]) + seeds("b", [3.0], count=5000))
    assert [row_names(table) for table in tables] == [["a"], ["b"]]
    assert [table.setting for table in tables] == ["samples count 1000", "samples count 5000"]
    keys = [table.columns[0].key for table in tables]
    assert keys == [made_record(count=count).protocol.key(FD) for count in (1000, 5000)]
    assert all(table.rows[0].rank == 1 for table in tables)


def test_another_version_of_the_primary_metric_is_another_table():
    other = [with_metric(record, FD, version=2) for record in seeds("b", [3.0])]
    tables = summarise(seeds("a", [1.0, 2.0]) + other)
    assert [row_names(table) for table in tables] == [["a"], ["b"]]
    assert [table.setting for table in tables] == [f"metric {FD} version 1", f"metric {FD} version 2"]


def test_another_version_of_another_metric_is_another_column():
    a, b = made_record("a", 0, {FD: 1.0, "kid": 0.1}), made_record("b", 0, {FD: 2.0, "kid": 0.2})
    table = one_table([a, with_metric(b, "kid", version=2)])
    assert [column.label for column in table.columns] == [FD, "kid", "kid"]
    assert len({column.key for column in table.columns}) == 3
    assert [[cell.mean for cell in row.cells] for row in table.rows] in (
        [[1.0, 0.1, None], [2.0, None, 0.2]],
        [[1.0, None, 0.1], [2.0, 0.2, None]],
    )
    assert any("not comparable" in note for note in table.notes)


def test_no_column_and_no_ranking_mixes_protocols():
    random.seed(0)
    records = []
    for variant, seed, count, version in itertools.product("abc", range(2), (1000, 5000), (1, 2)):
        specification = {"samples": count, "version": version}
        record = made_record(variant, seed, {FD: random.random()}, count=count, specification=specification)
        records.append(with_metric(record, FD, version=version))
    tables = summarise(records)
    assert len(tables) == 4
    for table in tables:
        keys = {record.protocol.key(FD) for row in table.rows for record in row.records}
        assert keys == {table.columns[0].key}
        assert sorted(row.rank for row in table.rows) == [1, 2, 3]


def test_one_name_with_two_contents_is_two_data_sets():
    other = made_record("b")
    facts = other.dataset.model_copy(update={"train_hash": made_hash("other content")})
    tables = summarise([made_record("a"), other.model_copy(update={"dataset": facts})])
    assert sorted(row_names(table) for table in tables) == [["a"], ["b"]]
    assert {table.title for table in tables} == {
        f"mnist (train_hash {made_hash('mnist', 'train')[:12]})",
        f"mnist (train_hash {made_hash('other content')[:12]})",
    }


def test_score_that_the_protocol_does_not_describe_is_an_error():
    with pytest.raises(InvalidInputError, match="wgan-gp on mnist, seed 0, has a score 'fd-made-up-net' that its protocol"):
        summarise([made_record().model_copy(update={"protocol": None})])
    wrong = made_record().protocol.model_copy(update={"metrics": {"kid": METRICS["kid"]}})
    with pytest.raises(InvalidInputError, match="protocol does not describe"):
        summarise([made_record().model_copy(update={"protocol": wrong})])


# Runs without scores


def test_diverged_seed_stands_beside_its_own_row_only():
    small = seeds("gan", [1.0, 2.0], specification={"samples": 1000})
    small.append(made_record("gan", 2, {}, status="diverged", specification={"samples": 1000}))
    large = seeds("gan", [1.5], count=5000, specification={"samples": 5000})
    assert [[row.seeds for row in table.rows] for table in summarise(small + large)] == [["2 + 1 diverged"], ["1 seed"]]


def test_variant_without_scores_stands_with_its_suite_and_else_everywhere():
    large = made_record("gan", 0, {FD: 1.0}, count=5000, suite="other", specification={"samples": 5000})
    records = [*seeds("gan", [1.0, 2.0]), large]
    lost = made_record("lost", 0, {}, status="failed", suite="other")
    counts = {table.protocol.samples.count: "lost" in row_names(table) for table in summarise([*records, lost]) if table.protocol}
    assert counts == {1000: False, 5000: True}
    stray = lost.model_copy(update={"suite": "third"})
    assert ["lost" in row_names(table) for table in summarise([*records, stray])] == [True, True]


# Names


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3) | st.text("xyz", max_size=50) | st.none()),
        min_size=2,
        max_size=4,
    )
)
def test_differences_are_equal_only_for_equal_facts(facts):
    texts = differences(facts)
    for one, text in zip(facts, texts, strict=True):
        for other, other_text in zip(facts, texts, strict=True):
            assert text != other_text or one == other


# The same job twice


def test_record_given_twice_counts_once_whatever_its_seconds_and_suite():
    again = made_record(command="another command", suite="another", environment={}, ganbench_version="0.2.0")
    row = one_table([made_record(), made_record(), again]).rows[0]
    assert row.seeds == "1 seed"


def test_two_results_of_one_job_are_an_error_that_names_both():
    first, second = made_record(scores={FD: 1.0}, suite="one"), made_record(scores={FD: 2.0}, suite="two")
    with pytest.raises(InvalidInputError, match="wgan-gp on mnist, seed 0") as caught:
        summarise([first, second])
    assert all(record.fingerprint[:12] in str(caught.value) and record.suite in str(caught.value) for record in (first, second))


def test_specification_that_is_not_finite_is_an_error():
    with pytest.raises(InvalidInputError, match="plain JSON of finite numbers"):
        summarise([made_record(specification={"lr": float("nan")})])


def test_order_of_records_plays_no_part():
    records = fixture_records() + seeds("b", [1.0, 2.0], count=5000) + seeds("gan", [1.0], dataset="ring")
    shuffled = random.Random(0).sample(records, len(records))
    assert render(summarise(shuffled), "json") == render(summarise(records), "json")


def test_no_records_no_tables():
    assert summarise([]) == []


def test_rows_of_one_variant_are_told_apart_by_their_suites() -> None:
    long, short, of_other = (
        [r.model_copy(update={"suite": suite}) for r in seeds("gan", [value], specification={"steps": steps})]
        for suite, value, steps in (("long", 1.0, 800), ("short", 2.0, 400), ("short", 3.0, 200))
    )
    assert row_names(one_table(long + short)) == ["gan (suite long)", "gan (suite short)"]
    assert row_names(one_table(long + short + of_other)) == ["gan (steps 800)", "gan (steps 400)", "gan (steps 200)"]
    assert row_names(one_table(long)) == ["gan"]
