"""The Pareto front against its definition, and against fronts that are seen at once."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from made_records import made_record, one_table
from test_cost import priced

from ganbench.leaderboard.pareto import Point, front, on_front, points

SMALL = st.integers(1, 6).map(float)  # few values, so that ties are common
POINTS = st.lists(st.builds(Point, st.just(""), SMALL, SMALL, st.booleans()), max_size=12).map(
    lambda found: [replace(point, name=str(place)) for place, point in enumerate(found)]
)


def beats(one: Point, other: Point, sign: float) -> bool:
    gains = (other.seconds - one.seconds, sign * (other.score - one.score))
    return min(gains) >= 0 and max(gains) > 0


@given(POINTS, st.sampled_from(["lower", "higher"]))
def test_the_front_is_what_no_point_beats(found: list[Point], better) -> None:
    whole = [point for point in found if point.whole]
    sign = 1.0 if better == "lower" else -1.0
    expected = {point.name for point in whole if not any(beats(other, point, sign) for other in whole)}
    assert {point.name for point in front(found, better)} == expected


def test_a_circle_is_all_front_and_a_line_upward_has_one_point() -> None:
    arc = [Point(str(x), x, (25 - x * x) ** 0.5) for x in (1.0, 2.0, 3.0, 4.0, 4.9)]
    assert front(arc, "lower") == arc
    assert front(arc, "higher") == arc[:1]
    assert [p.name for p in front([Point("a", 1.0, 1.0), Point("b", 1.0, 1.0), Point("c", 2.0, 2.0)], "lower")] == ["a", "b"]
    assert front([], "lower") == []


def timed(variant: str, score: float, seconds: float, gpu: str = ""):
    return priced(variant, [score], times={"train_seconds": 4 * seconds}, gpu=gpu)[0]


def test_rows_of_one_device_compete_and_lost_seeds_and_controls_do_not() -> None:
    records = [timed("fast", 3.0, 1.0), timed("good", 1.0, 5.0), timed("worse", 3.5, 5.0), timed("unstable", 0.5, 0.5)]
    records += [
        timed("gpu-a", 2.0, 0.1, "made-up gpu"),
        timed("gpu-b", 4.0, 0.2, "made-up gpu"),
        timed("alone", 9.0, 9.0, "other gpu"),
    ]
    records += [
        made_record("unstable", 1, {}, status="diverged", environment=records[0].environment),
        made_record("real", control=True),
    ]
    table = one_table(records)
    assert on_front(table) == {"fast", "good", "gpu-a"}
    assert {name: {p.name for p in members} for name, members in points(table).items()} == {
        "made-up cpu, 2 threads": {"fast", "good", "worse", "unstable"},
        "made-up gpu": {"gpu-a", "gpu-b"},
        "other gpu": {"alone"},
    }
    assert [p.seconds for p in points(table)["other gpu"]] == [9.0]


def test_a_table_without_scores_has_no_front() -> None:
    assert on_front(one_table([made_record("a", 0, {}, status="diverged")])) == frozenset()
