"""The charts of quality against training time: positions worked out by hand, and what the page shows of them."""

import re

import pytest
from made_records import FD, made_record, one_table
from page_reader import page
from test_pareto import timed

from ganbench.leaderboard.chart import Axis
from ganbench.leaderboard.tradeoffs import GREY, HEIGHT, WIDTH, over_time, tradeoffs
from ganbench.record import Evaluation, Score


def watched(variant: str, seconds: float, scores: dict[int, float], seed: int = 0, **facts):
    """A record that was evaluated at some of its 400 steps."""
    record = timed(variant, list(scores.values())[-1], seconds)
    evaluations = [Evaluation(step=s, scores={FD: Score(value=v, better="lower")}) for s, v in scores.items()]
    return record.model_copy(update={"evaluations": evaluations, "seed": seed, **facts})


def drawn(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.-]+) ([\d.-]+)", path)]


def test_dots_lie_where_their_seconds_and_scores_are() -> None:
    records = [timed("fast", 3.0, 1.0), timed("good", 1.0, 5.0), timed("worse", 2.0, 6.0)]
    (plot,) = tradeoffs(one_table(records))
    x, y = Axis(0.7, 6.3, WIDTH), Axis(0.88, 3.12, HEIGHT)  # 6 % of the span beyond each end
    dots = {dot.name: dot for dot in plot.dots}
    assert {name for name, dot in dots.items() if dot.on_front} == {"fast", "good"}
    for name, seconds, score in (("fast", 1.0, 3.0), ("good", 5.0, 1.0), ("worse", 6.0, 2.0)):
        assert (dots[name].x, dots[name].y) == pytest.approx((x.position(seconds), HEIGHT - y.position(score)), abs=0.1)
    assert drawn(plot.front) == [(dots[name].x, dots[name].y) for name in ("fast", "good")]
    assert "made-up cpu, 2 threads" in plot.title


def test_names_that_would_lie_on_each_other_are_left_to_the_tooltips() -> None:
    records = [timed(f"v{place}", 5.0 - 0.1 * place, 1.0 + 0.1 * place) for place in range(4)] + [timed("far", 1.0, 9.0)]
    (plot,) = tradeoffs(one_table(records))
    assert all(dot.on_front for dot in plot.dots)
    assert {dot.name for dot in plot.dots if dot.named} == {"v0", "v3", "far"}  # 4.9, 9.8 and 14.7 pixels below v0


def test_a_row_that_lost_a_seed_is_hollow_and_one_row_is_no_contest() -> None:
    lost = made_record("best", 1, {}, status="diverged", environment=timed("best", 0.1, 0.1).environment)
    (plot,) = tradeoffs(one_table([timed("best", 0.1, 0.1), lost, timed("slow", 1.0, 1.0)]))
    assert {dot.name: (dot.on_front, dot.whole) for dot in plot.dots} == {"best": (False, False), "slow": (True, True)}
    assert tradeoffs(one_table([timed("alone", 1.0, 1.0)])) == []


def test_scores_while_training_stand_at_their_share_of_the_seconds() -> None:
    first, second = watched("a", 8.0, {0: 5.0, 100: 3.0, 400: 1.0}), watched("a", 12.0, {0: 7.0, 100: 5.0, 400: 1.0}, seed=1)
    (plot,) = over_time(one_table([first, second]))
    (line,) = plot.lines
    x, y = Axis(0.0, 10.0, WIDTH), Axis(0.7, 6.3, HEIGHT)  # means: 6, 4, 1 at 0, 10 / 4 and 10 seconds
    expected = [(x.position(when), HEIGHT - y.position(score)) for when, score in ((0, 6.0), (2.5, 4.0), (10.0, 1.0))]
    assert [place for point in drawn(line.mean) for place in point] == pytest.approx(
        [p for each in expected for p in each], abs=0.1
    )


def test_the_best_ranked_rows_are_coloured_and_other_numbers_of_samples_stand_apart() -> None:
    records = [watched(f"v{place}", 1.0, {0: 9.0, 400: float(place)}) for place in range(6)]
    (plot,) = over_time(one_table(records))
    assert {line.name: line.tone for line in plot.lines} == {"v0": 0, "v1": 1, "v2": 2, "v3": 3, "v4": GREY, "v5": GREY}
    other = records[0].model_copy(update={"specification": records[0].specification | {"eval_samples": 50}})
    assert len(over_time(one_table([other, *records[1:]]))) == 2


def test_the_page_shows_them_and_obeys_no_name(tmp_path) -> None:
    evil = "<script>alert(1)</script>"
    found = page([watched(evil, 1.0, {0: 9.0, 400: 1.0}), watched("b", 2.0, {0: 9.0, 400: 2.0})], tmp_path)
    assert "Quality against training time" in found.text
    assert "an evaluation's step as a share of all steps" in found.text
    assert sum(tag == "script" for tag, _ in found.tags) == 1  # the page's own
    quiet = page([made_record("a", environment={})], tmp_path)
    assert "Quality against training time" not in quiet.text
