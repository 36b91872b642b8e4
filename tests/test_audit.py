"""The rule that tells damage from none on planted values, the table and the figure of a made audit, and a small one end to end."""

import json
import math
from pathlib import Path

import pytest
from scipy.stats import rankdata
from typer import Typer
from typer.testing import CliRunner

from ganbench.audit.audit import Wanted, audit
from ganbench.audit.figure import LARGEST, PADDING, draw, height, save_figure
from ganbench.audit.judge import REAL_REPEATS, RULE, judge, spearman, told_at, worsening
from ganbench.audit.result import Audit, AuditedDamage, AuditedMetric
from ganbench.audit.table import blind_spots, cell, rho, to_markdown
from ganbench.cli import auditing
from ganbench.dataset import Location, load_dataset
from ganbench.errors import UsageError
from ganbench.extractor import Loading
from ganbench.registry import find

REAL = [10 + 0.1 * place for place in range(REAL_REPEATS)]  # 10.0 to 13.8
DAMAGE = AuditedDamage(name="made", kind="copies", unit="share", levels=[0.1, 0.5, 1.0], distinct=[1.0, 1.0, 1.0])
SIZE = AuditedDamage(name="fewer", kind="size", unit="N divided by", levels=[2.0, 4.0, 8.0], distinct=[1.0, 1.0, 1.0])
INSIDE = [11.0, 12.0, 11.5, 13.8]


def metric(name: str = "distance", better: str = "lower", real: list[float] | None = None) -> AuditedMetric:
    return AuditedMetric(
        name=name,
        label=name,
        version=1,
        better="lower" if better == "lower" else "higher",
        conventions={},
        real=real or REAL,
        seconds=0.0,
    )


def levels(*values: float | None) -> list[list[float | None]]:
    """Four repeats a level; a level that is None here stands for values inside the range of real against real."""
    return [list(INSIDE) if value is None else [value + 0.01 * place for place in range(4)] for value in values]


def test_a_level_is_told_when_all_of_it_lies_outside_the_range_of_real_data() -> None:
    assert told_at([13.9, 14.0], metric()) == "worse"
    assert told_at([13.9, 13.8], metric()) == "no"  # the range includes its ends
    assert told_at([9.9, 9.0], metric()) == "better"
    assert told_at([9.9, 14.0], metric()) == "no"  # outside, but on both sides
    assert told_at([9.9, 9.0], metric(better="higher")) == "worse"
    assert told_at([None, 14.0], metric()) == "gap"
    assert told_at([None] + [14.0] * 19, metric()) == "worse"
    assert told_at([14.0] * 19 + [12.0], metric()) == "worse"  # 95 % of 20
    assert told_at([14.0] * 18 + [12.0, 12.0], metric()) == "no"


def test_monotone_flat_reversed_and_passing_responses() -> None:
    monotone = judge(metric(), DAMAGE, levels(None, 15, 16), [])
    assert (monotone.verdict, monotone.told_from, monotone.rewarded_at) == ("tells", 0.5, [])
    flat = judge(metric(), DAMAGE, levels(None, None, None), [])
    assert (flat.verdict, flat.told_from) == ("misses", None)
    reverse = judge(metric(), DAMAGE, levels(None, 9, 5), [])
    assert (reverse.verdict, reverse.told_from, reverse.rewarded_at) == ("rewards", None, [0.5, 1.0])
    passing = judge(metric(), DAMAGE, levels(15, 15, None), [])
    assert (passing.verdict, passing.told_from) == ("partly", None)
    gone = judge(metric(), DAMAGE, [*levels(None, 15), [None] * 4], ["too few"])
    assert (gone.verdict, gone.told_from, cell(gone, DAMAGE)) == ("tells", 0.5, "0.5*")
    turning = judge(metric(), DAMAGE, levels(9, 15, 16), [])
    assert (turning.verdict, turning.told_from, turning.rewarded_at) == ("rewards", 0.5, [0.1])
    assert [cell(each, DAMAGE) for each in (monotone, flat, reverse, passing, turning)] == ["0.5", "–", "▲0.5", "(0.1)", "▲0.1 0.5"]


def test_real_data_are_told_at_no_more_than_five_percent() -> None:
    """Of 40 exchangeable values, exactly 2 lie outside the range of the other 39 (the definition of a 95 % test)."""
    values = [*REAL, 100.0]
    told = [told_at([value], metric(real=[other for other in values if other != value])) for value in values]
    assert sum(each != "no" for each in told) == 2


def test_rho_is_pearson_of_ranks() -> None:
    values = levels(12, 11, 16)
    flat = [*REAL[:4], *(value for level in values for value in level if value is not None)]
    x = rankdata([0] * 4 + [1] * 4 + [2] * 4 + [3] * 4)
    y = rankdata(flat)
    by_hand = float(((x - x.mean()) * (y - y.mean())).sum() / math.sqrt(((x - x.mean()) ** 2).sum() * ((y - y.mean()) ** 2).sum()))
    assert spearman(values, metric()) == pytest.approx(by_hand, abs=1e-12)
    assert spearman(values, metric(better="higher")) == pytest.approx(-by_hand, abs=1e-12)


def test_rho_of_a_perfect_order_and_of_no_change() -> None:
    """Four levels of four values in perfect order: ties in the level leave sqrt(1 - 4 (4^3 - 4) / (16^3 - 16)) = 0.970."""
    expected = math.sqrt(1 - 4 * 60 / 4080)
    assert spearman(levels(15, 16, 17), metric()) == pytest.approx(expected, abs=1e-12)
    assert spearman([[1.0, 1.0]] * 3, metric(real=[1.0] * REAL_REPEATS)) is None


def test_worsening_is_in_standard_deviations_of_real_data() -> None:
    """REAL is an even ladder of 39 steps of 0.1: median 11.9, standard deviation 0.1 sqrt(39 * 40 / 12)."""
    step = 0.1 * math.sqrt(39 * 40 / 12)
    assert worsening([11.9, 11.9 + step], metric()) == pytest.approx([0, 1], abs=1e-9)
    assert worsening([11.9 + step], metric(better="higher")) == pytest.approx([-1], abs=1e-9)
    assert worsening([7.0], metric(better="higher", real=[10.0] * REAL_REPEATS)) == [3.0]


def made() -> Audit:
    distance, score = metric(), metric("score", "higher")
    gaps = judge(metric("gappy"), DAMAGE, [[None] * 4] * 3, ["gappy needs 100 samples."])
    return Audit(
        ganbench_version="0",
        command="ganbench audit",
        dataset="made-data",
        dataset_hash="0" * 64,
        extractor={"name": "points"},
        samples=100,
        repeats=4,
        real_repeats=REAL_REPEATS,
        seed=0,
        rule=RULE,
        metrics=[distance, score, metric("gappy")],
        damages=[DAMAGE, SIZE],
        responses=[
            judge(distance, DAMAGE, levels(None, 9, 5), []),
            judge(distance, SIZE, levels(None, 15, 16), []),
            judge(score, DAMAGE, levels(9, 8, 7), []),
            judge(score, SIZE, levels(None, None, None), []),
            gaps,
            judge(metric("gappy"), SIZE, levels(None, 9, None), []),
        ],
        skipped={"ppl": "ppl needs a generator."},
        notes=[],
    )


def test_the_table_names_the_blind_spots() -> None:
    assert blind_spots(made()) == [
        "distance: rewards made (at 0.5, 1 share); moves with the number of samples alone (worse at N divided by 4, 8).",
        "score: tells all of them.",
        "gappy: gives no value under made; moves with the number of samples alone (better at N divided by 4).",
    ]
    text = to_markdown(made())
    rows = {
        line.split("|")[1].strip(): [part.strip() for part in line.split("|")[2:-1]] for line in text.splitlines() if "|" in line
    }
    smallest = text[text.index("## The smallest") : text.index("## Spearman")]
    assert [part.strip() for part in smallest.splitlines()[4].split("|")[2:-1]] == ["▲0.5", "4"]
    assert [part.strip() for part in smallest.splitlines()[6].split("|")[2:-1]] == ["gap", "▲4"]
    assert rows["gappy"][0] == "–"  # no rho without values
    assert "ppl needs a generator." in text
    assert "nan" not in text.lower()


def test_minus_nothing_is_nothing() -> None:
    response = judge(metric(), DAMAGE, levels(None, 9, 5), []).model_copy(update={"rho": -0.001})
    assert rho(response) == "0.00"


def test_the_figure_is_a_function_of_the_stored_audit(tmp_path: Path) -> None:
    stored = Audit.model_validate_json(made().model_dump_json(by_alias=True))
    assert stored == made()
    paths = save_figure(stored, tmp_path / "one")
    assert [path.name for path in paths] == ["audit.png", "audit.svg"]
    again = save_figure(made(), tmp_path / "two")
    assert [path.read_bytes() for path in paths[:1]] == [path.read_bytes() for path in again[:1]]


def test_a_cell_shows_the_medians_at_their_heights() -> None:
    lines = [line for line in draw(made()).axes[0].get_lines() if line.get_linewidth() == 1 and line.get_marker() == "None"]
    x, y = lines[0].get_data()  # distance under made: levels of medians 11.75, 9.015 and 5.015
    assert list(x) == pytest.approx([PADDING + place * (1 - 2 * PADDING) / 3 for place in range(4)])
    expected = [height(each) for each in worsening([11.9, 11.75, 9.015, 5.015], metric())]
    assert list(y) == pytest.approx(expected, abs=1e-9)
    assert height(0) == -0.5
    assert height(LARGEST * 9) == pytest.approx(-PADDING)
    assert height(-LARGEST) == pytest.approx(PADDING - 1)


def test_an_audit_of_points_sees_what_the_metrics_see() -> None:
    """fd sees a shift of half a standard deviation, and modes, which counts, sees neither it nor copies; two processes agree."""
    data, points = load_dataset("ring-8", Location()), find("extractors", "points").load()
    names, damages = ["fd", "modes"], ["dropped", "memorised", "shift-points"]
    found = audit(data, points, Loading(), Wanted(names, damages, samples=100, repeats=3), lambda *_: None)
    assert found.response("fd", "shift-points").verdict == "tells"
    assert found.response("modes", "memorised").verdict == "misses"
    assert found.response("modes", "dropped").told_from == 1
    assert found.response("modes", "dropped").values == [[float(8 - n)] * 3 for n in found.damages[0].levels]
    assert found.response("modes", "memorised").rho is None
    assert [len(each.real) for each in found.metrics] == [REAL_REPEATS] * 2
    two = audit(data, points, Loading(), Wanted(names, damages, samples=100, repeats=3, workers=2), lambda *_: None)
    assert two.responses == found.responses


def test_repeats_below_one_are_refused() -> None:
    with pytest.raises(UsageError, match="--repeats 0"):
        audit(
            load_dataset("digits", Location()),
            find("extractors", "digits-cnn").load(),
            Loading(),
            Wanted(repeats=0),
            lambda *_: None,
        )


def run(*arguments: str) -> tuple[int, str]:
    app = Typer(pretty_exceptions_enable=False)
    app.command()(auditing.audit)
    result = CliRunner().invoke(app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_the_command_writes_what_it_prints(tmp_path: Path) -> None:
    code, stdout = run(
        *("--metrics", "fd,is", "--damages", "memorised,noise,fewer", "--repeats", "2", "--samples", "60"),
        *("--workers", "1", "--out", str(tmp_path), "--json"),
    )
    assert code == 0
    document = json.loads(stdout)
    assert document == json.loads((tmp_path / "audit.json").read_text())
    assert [each["name"] for each in document["metrics"]] == ["fd", "is"]
    assert [each["name"] for each in document["damages"]] == ["memorised", "noise", "fewer"]
    assert len(document["responses"]) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.json", "audit.md", "audit.png", "audit.svg"]
    few = next(each for each in document["responses"] if (each["metric"], each["damage"]) == ("is", "fewer"))
    assert few["values"][-1] == [None, None]  # 60 / 16 samples are fewer than its ten splits
    assert "at least 10 samples" in few["gaps"][0]
    assert "nan" not in (tmp_path / "audit.md").read_text().lower()


def test_metrics_that_do_not_apply_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="high-quality is for points"):
        run("--metrics", "high-quality", "--out", str(tmp_path))
    with pytest.raises(UsageError, match="did you mean noise"):
        run("--damages", "nois", "--out", str(tmp_path))
    assert list(tmp_path.iterdir()) == []
