"""Learning curves: what is drawn, against positions worked out by hand; files that are broken."""

import itertools
import json
import re

import pytest
from made_records import made_record, one_table

from ganbench.leaderboard.chart import Axis, axis
from ganbench.leaderboard.curves import HEIGHT, WIDTH, row_curves
from ganbench.record import Evaluation, Score


def record_with(folder, seed, series, variant="gan", steps=None, **changes):
    steps = list(range(len(next(iter(series.values()))))) if steps is None else steps
    (folder / f"{variant}-{seed}.json").write_text(json.dumps({"steps": steps, "series": series}))
    return made_record(variant, seed, files={"curves": f"{variant}-{seed}.json"}, **changes)


def curves_of(records, folder):
    return row_curves(one_table(records).rows, folder)


def heights(path):
    """The y of each point of an SVG path, in pixels from the top."""
    return [float(y) for y in re.findall(r"[ML][\d.-]+ ([\d.-]+)", path)]


def test_line_is_the_mean_over_seeds_and_band_runs_from_the_smallest_to_the_largest(tmp_path):
    records = [record_with(tmp_path, seed, {"d.loss": [value] * 2}) for seed, value in enumerate([0.0, 1.0, 5.0])]
    (row,) = curves_of(records, tmp_path)
    (line,) = row.panels[0].lines
    y = Axis(-0.3, 5.3, HEIGHT)  # 6 % of the span beyond each end
    assert heights(line.mean) == pytest.approx([HEIGHT - y.position(2.0)] * 2, abs=0.1)  # drawn to a tenth of a pixel
    top, bottom = HEIGHT - y.position(5.0), HEIGHT - y.position(0.0)
    assert heights(line.band) == pytest.approx([top, top, bottom, bottom], abs=0.1)


def test_one_seed_has_a_line_and_no_band(tmp_path):
    (row,) = curves_of([record_with(tmp_path, 0, {"d.loss": [1.0, 2.0]})], tmp_path)
    assert row.panels[0].lines[0].mean
    assert row.panels[0].lines[0].band == ""


def test_networks_share_a_panel_and_outputs_have_one(tmp_path):
    series = {name: [1.0, 2.0] for name in ("d.d_real", "d.d_fake", "d.loss", "g.loss", "g.d_fake", "d.grad_norm", "q.mutual")}
    (row,) = curves_of([record_with(tmp_path, 0, series)], tmp_path)
    assert {panel.title: [line.name for line in panel.lines] for panel in row.panels} == {
        "Loss": ["discriminator", "generator"],
        "Gradient norm": ["discriminator"],
        "Discriminator output": ["on real", "on fake"],
        "mutual": ["q"],
    }


def test_seed_that_diverged_stands_apart_and_does_not_move_the_axis(tmp_path):
    records = [record_with(tmp_path, seed, {"g.loss": [1.0, 2.0]}) for seed in (0, 1)]
    before = curves_of(records, tmp_path)[0].panels[0]
    records.append(record_with(tmp_path, 2, {"g.loss": [1.0, 1e9]}, scores={}, status="diverged"))
    after = curves_of(records, tmp_path)[0].panels[0]
    assert (after.y_ticks, after.lines[0].mean, after.lines[0].band) == (before.y_ticks, before.lines[0].mean, before.lines[0].band)
    assert len(after.lines[0].apart) == 1


def test_value_that_is_not_there_breaks_no_line_of_the_others(tmp_path):
    records = [
        record_with(tmp_path, 0, {"d.loss": [1.0, None, 3.0]}),
        record_with(tmp_path, 1, {"d.loss": [1.0, 2.0, float("nan")]}),
    ]
    (line,) = curves_of(records, tmp_path)[0].panels[0].lines
    y = Axis(0.88, 3.12, HEIGHT)
    assert heights(line.mean) == pytest.approx([HEIGHT - y.position(value) for value in (1.0, 2.0, 3.0)], abs=0.1)


def test_long_curve_is_averaged_in_bins(tmp_path):
    (row,) = curves_of([record_with(tmp_path, 0, {"d.loss": [0.0, 1.0] * 400})], tmp_path)
    drawn = heights(row.panels[0].lines[0].mean)
    assert len(drawn) == 80
    assert drawn == pytest.approx([HEIGHT / 2] * 80, abs=0.1)  # bins of ten steps, half of them 0 and half 1


def test_scores_while_training_stand_on_one_axis_for_all_variants(tmp_path):
    def with_scores(variant, values):
        taken = [Evaluation(step=100 * k, scores={"kid": Score(value=v, better="lower")}) for k, v in enumerate(values)]
        return made_record(variant, 0, evaluations=taken)

    rows = curves_of([with_scores("a", [4.0, 2.0]), with_scores("b", [9.0, 1.0])], tmp_path)
    assert [row.panels[0].title for row in rows] == ["kid while training"] * 2
    assert rows[0].panels[0].y_ticks == rows[1].panels[0].y_ticks
    y = Axis(1.0 - 0.48, 9.0 + 0.48, HEIGHT)
    assert heights(rows[0].panels[0].lines[0].mean) == pytest.approx([HEIGHT - y.position(4.0), HEIGHT - y.position(2.0)], abs=0.1)


def test_controls_have_no_curves(tmp_path):
    assert [row.name for row in curves_of([made_record("real", control=True), made_record("gan")], tmp_path)] == ["gan"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"steps": 3, "series": {}}',
        '{"steps": [0, 1], "series": {"d.loss": [1]}}',
        '{"steps": ["a"], "series": {"d.loss": [1]}}',
        '{"steps": [0], "series": [1]}',
        '{"steps": [0], "series": {"d.loss": [1' + "0" * 400 + "]}}",
        "[" * 100_000,
    ],
)
def test_broken_file_becomes_a_note(tmp_path, content):
    (tmp_path / "bad.json").write_text(content)
    (row,) = curves_of([made_record("gan", files={"curves": "bad.json"})], tmp_path)
    assert row.panels == ()
    assert "bad.json is not a file of learning curves" in row.notes[0]


def test_missing_seeds_are_noted(tmp_path):
    (row,) = curves_of([record_with(tmp_path, 0, {"d.loss": [1.0, 2.0]}), made_record("gan", 1)], tmp_path)
    assert row.notes == ("No curves were kept of seed 1.",)


# Axes


def test_linear_axis_maps_its_ends_to_its_length():
    scale = Axis(-2.0, 6.0, 80.0)
    assert [scale.position(v) for v in (-2.0, 0.0, 6.0)] == [0.0, 20.0, 80.0]
    assert scale.ticks() == [-2.0, 0.0, 2.0, 4.0, 6.0]


def test_logarithmic_axis_maps_factors_to_distances():
    scale = axis([1.0, 100.0], WIDTH)
    assert scale.log
    assert scale.position(10.0) == pytest.approx(WIDTH / 2, abs=0.1)
    assert scale.ticks() == [1.0, 10.0, 100.0]


def test_a_logarithmic_axis_with_few_powers_of_ten_has_ticks_along_its_whole_length():
    assert axis([32.0, 410.0], WIDTH).ticks() == [50.0, 100.0, 200.0]
    for low in (0.011, 0.09, 1.0, 3.0, 99.0):
        scale = axis([low, 11 * low], WIDTH)
        places = [0.0, *map(scale.position, scale.ticks()), WIDTH]
        assert max(after - before for before, after in itertools.pairwise(places)) < 0.5 * WIDTH


def test_axis_leaves_out_a_spike_and_survives_equal_and_extreme_values():
    assert axis([1.0, 2.0] * 100 + [1e6], WIDTH, cut=0.01).high < 3
    for values in ([], [3.0], [0.0, 0.0], [1e308, -1e308], [5e-324], [5e-324, 1e308]):
        scale = axis(values, WIDTH)
        assert all(0 <= scale.position(value) <= WIDTH for value in values)
        assert all(scale.low <= tick <= scale.high for tick in scale.ticks())
