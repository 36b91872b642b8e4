"""Ranks over data sets: Demšar's published example, scipy and scikit-posthocs, cases worked out by hand, and the command."""

import json
import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from made_records import FD, made_record, seeds
from scipy import stats
from typer.testing import CliRunner

from ganbench.cli.app import app
from ganbench.errors import UsageError
from ganbench.leaderboard.across import Across, across, critical_difference, friedman
from ganbench.leaderboard.across_text import plain, to_csv, to_markdown
from ganbench.leaderboard.critical_difference import draw, save_diagram
from ganbench.leaderboard.rank import Contender, average_ranks
from ganbench.leaderboard.summary import summarise
from ganbench.record import Record

# Demšar 2006, Table 6: AUC of C4.5 and three tunings of it on 14 data sets. He ranks the last two of the thirteenth, equal as
# they are printed, 2 and 3: their fourth decimals stand for that here.
NAMES = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")
AUC = [
    (0.763, 0.768, 0.771, 0.798), (0.599, 0.591, 0.590, 0.569), (0.954, 0.971, 0.968, 0.967), (0.628, 0.661, 0.654, 0.657),
    (0.882, 0.888, 0.886, 0.898), (0.936, 0.931, 0.916, 0.931), (0.661, 0.668, 0.609, 0.685), (0.583, 0.583, 0.563, 0.625),
    (0.775, 0.838, 0.866, 0.875), (1.000, 1.000, 1.000, 1.000), (0.940, 0.962, 0.965, 0.962), (0.619, 0.666, 0.614, 0.669),
    (0.972, 0.981, 0.9751, 0.9750), (0.957, 0.978, 0.946, 0.970),
]  # fmt: skip
TIES = 1 - (3 * (2**3 - 2) + (4**3 - 4)) / (14 * (4**3 - 4))  # three pairs and one row of four are equal


def on(values: dict[str, dict[str, float]], label: str = FD) -> list[Record]:
    """One seed a variant and data set."""
    return [made_record(v, 0, {label: value}, dataset=d) for d, row in values.items() for v, value in row.items()]


def compared(values: dict[str, dict[str, float]], label: str = FD, metric: str | None = None) -> Across:
    return across(summarise(on(values, label)), metric)


def demsar() -> Across:
    return compared({f"d{place:02}": dict(zip(NAMES, row, strict=True)) for place, row in enumerate(AUC)}, "modes")


def test_demsars_example() -> None:
    found = demsar()
    assert {each.variant: round(each.mean_rank, 3) for each in found.placings} == {
        "C4.5": 3.143, "C4.5+m": 2.0, "C4.5+cf": 2.893, "C4.5+m+cf": 1.964,
    }  # fmt: skip
    assert found.test.critical_difference == pytest.approx(1.25, abs=0.005)
    # His formulas have no correction for ties, and scipy's has: without it they are the printed 9.28 and 3.69.
    chi_square = found.test.chi_square * TIES
    assert chi_square == pytest.approx(9.28, abs=0.005)
    assert 13 * chi_square / (14 * 3 - chi_square) == pytest.approx(3.69, abs=0.005)
    assert found.test.groups == (("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"),)  # "not powerful enough", he says


# Table 5(a) of the same paper: q at 5 % for 2 to 10 classifiers.
@pytest.mark.parametrize(("k", "q"), list(enumerate([1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164], start=2)))
def test_critical_differences_are_those_of_the_printed_table(k: int, q: float) -> None:
    assert critical_difference(k, 12) == pytest.approx(q * math.sqrt(k * (k + 1) / 72), rel=5e-4)


@pytest.mark.parametrize("seed", range(6))
def test_random_tables_against_scipy_and_scikit_posthocs(seed: int) -> None:
    draw_from = np.random.default_rng(seed)
    values = draw_from.normal(np.linspace(0, 2, 5) * (seed % 3), 1.0, (12, 5)).round(1)  # rounded, so that some are equal
    names = [f"v{place}" for place in range(5)]
    found = compared({f"d{n:02}": dict(zip(names, row, strict=True)) for n, row in enumerate(values.tolist())})
    ranks = stats.rankdata(values, axis=1)
    assert {each.variant: each.mean_rank for each in found.placings} == pytest.approx(dict(zip(names, ranks.mean(0), strict=True)))
    chi_square, p = stats.friedmanchisquare(*values.T)
    assert (found.test.chi_square, found.test.chi_square_p) == pytest.approx((chi_square, p), rel=1e-9)
    # Iman and Davenport's F is that of an analysis of variance of the ranks by variant and data set.
    between = 12 * ((ranks.mean(0) - 3) ** 2).sum() / 4
    error = ((ranks - ranks.mean(0)) ** 2).sum() / 44
    assert found.test.f == pytest.approx(between / error, rel=1e-9)
    assert found.test.f_p == pytest.approx(stats.f.sf(between / error, 4, 44), rel=1e-9)
    if found.test.f_p <= 0.05:
        p_values = scikit_posthocs.posthoc_nemenyi_friedman(pd.DataFrame(values, columns=names))
        for one in names:
            for other in names:
                together = one == other or any(one in group and other in group for group in found.test.groups)
                assert together == (p_values.loc[one, other] > 0.05)
    else:
        assert set(found.test.groups[0]) == set(names)


def test_ranks_by_hand() -> None:
    """Two data sets: c is best on both, a and b are equal on the first; the lost seed of b makes it the last on the second."""
    records = [*seeds("a", [2.0, 2.0], dataset="mnist"), *seeds("b", [2.0, 2.0], dataset="mnist"), *seeds("c", [1.0, 1.0])]
    records += [
        *seeds("a", [5.0, 6.0], dataset="ring"),
        *seeds("b", [1.0], dataset="ring"),
        *seeds("c", [3.0, 3.0], dataset="ring"),
    ]
    lost = made_record("b", 1, {}, dataset="ring", status="diverged")
    controls = [made_record("real", dataset=name, control=True) for name in ("mnist", "ring")]
    found = across(summarise([*records, lost, *controls, made_record("only-here", 0, {FD: 0.1}, dataset="ring")]))
    # On the ring b counts 1 and 6, the worst of the table: 3.5, between c's 3 and a's 5.5.
    assert [(each.variant, each.ranks, each.mean_rank, each.borda) for each in found.placings] == [
        ("c", (1.0, 1.0), 1.0, 4.0),
        ("b", (2.5, 2.0), 2.25, 1.5),
        ("a", (2.5, 3.0), 2.75, 0.5),
    ]
    assert found.left_out == ("only-here",)
    # Rank sums 2, 4.5 and 5.5: 12 / (2 x 3 x 4) (4 + 20.25 + 30.25) - 3 x 2 x 4 = 3.25, over 1 - 6 / (2 x 24) for the tie.
    assert found.test.chi_square == pytest.approx(3.25 / (1 - 6 / 48))
    assert found.test.f == pytest.approx(found.test.chi_square / (4 - found.test.chi_square))


def test_variants_without_a_value_share_the_last_places() -> None:
    rows = [Contender("gone", (), lost=1), Contender("here", (1.0,)), Contender("away", (), lost=3)]
    assert average_ranks(rows, "lower") == {"here": 1.0, "gone": 2.5, "away": 2.5}
    assert average_ranks([Contender("a", (1.0,)), Contender("b", (2.0,))], "higher") == {"a": 2.0, "b": 1.0}


def test_data_sets_that_all_agree_and_data_sets_that_order_nothing() -> None:
    agreed = friedman([[1.0, 2.0, 3.0]] * 4, ["a", "b", "c"])
    assert (agreed.chi_square, agreed.f) == (8.0, None)
    assert agreed.f_p == pytest.approx(6.0**-3)  # of the 6 orders that the other three could show, theirs
    assert agreed.groups == (("a", "b"), ("b", "c"))  # the critical difference is 1.66
    equal = friedman([[2.0, 2.0, 2.0]] * 4, ["a", "b", "c"])
    assert (equal.chi_square, equal.chi_square_p, equal.f, equal.f_p) == (0.0, 1.0, 0.0, 1.0)
    assert equal.groups == (("a", "b", "c"),)


def test_without_enough_there_are_ranks_and_a_sentence() -> None:
    one = compared({"mnist": {"a": 1.0, "b": 2.0, "c": 3.0}})
    two = compared({"mnist": {"a": 1.0, "b": 2.0}, "ring": {"a": 1.0, "b": 2.0}})
    for found, numbers in ((one, "3 and 1"), (two, "2 and 2")):
        assert found.test is None
        assert found.placings[0].variant == "a"
        assert f"needs at least 3 variants and 2 data sets, here are {numbers}" in to_markdown(found)
        with pytest.raises(UsageError, match="needs a test, and there is none"):
            save_diagram(found, Path("never.svg"))


def test_a_metric_is_chosen_by_its_label_or_by_its_name() -> None:
    records = [made_record(v, 0, {"fd-x": place, "modes": 10.0 * place}) for place, v in enumerate("abc", 1)]
    records += [made_record(v, 0, {"fd-y": place, "modes": 10.0 * place}, dataset="ring") for place, v in enumerate("abc", 1)]
    for record in records:
        for label in ("fd-x", "fd-y"):
            record.protocol.metrics.get(label, {})["name"] = "fd"
    tables = summarise(records)
    assert [board.metric for board in across(tables, "fd").boards] == ["fd-x", "fd-y"]
    assert [each.variant for each in across(tables, "modes").placings] == ["c", "b", "a"]
    with pytest.raises(UsageError, match=r"ring has no score 'fd-x' \(it has fd-y, modes\); leave its records out"):
        across(tables, "fd-x")


def test_what_does_not_compare_is_refused() -> None:
    with pytest.raises(UsageError, match="mnist was measured under 2 protocols"):
        across(summarise([*seeds("a", [1.0]), *seeds("b", [1.0], count=500)]))
    with pytest.raises(UsageError, match="No variant stands on every data set"):
        compared({"mnist": {"a": 1.0}, "ring": {"b": 1.0}})
    with pytest.raises(UsageError, match="has no score; leave its records out"):
        across(summarise([made_record("a", 0, {}, status="diverged")]))


# Forms


def test_every_form_holds_the_ranks_and_obeys_no_name(tmp_path: Path) -> None:
    evil = "<b>a|b</b> $x_1$"
    found = compared({name: {evil: 1.0, "b": 2.0, "c": 3.0} for name in ("mnist", "ring", "cifar10")})
    text = to_markdown(found)
    assert "<b>" not in text
    assert r"a\|b" in text
    assert "F infinite, all data sets agree" in text
    document = json.loads(json.dumps(plain(found), allow_nan=False))
    assert [each["mean_rank"] for each in document["variants"]] == [1.0, 2.0, 3.0]
    assert document["datasets"][0] == {
        "dataset": "cifar10", "metric": FD, "better": "lower", "protocol_key": found.boards[0].protocol_key,
    }  # fmt: skip
    assert len(to_csv(found).splitlines()) == 1 + 3 * 3
    save_diagram(found, tmp_path / "a.svg")
    first = (tmp_path / "a.svg").read_text()
    texts = "".join(ElementTree.fromstring(first).itertext())
    assert f"{evil} (1.00)" in texts
    save_diagram(found, tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text() == first
    save_diagram(found, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_the_diagram_has_a_line_a_variant_and_a_bar_a_group() -> None:
    found = demsar()
    (axes,) = draw(found).axes
    bars = [line for line in axes.lines if line.get_linewidth() == 3.5]
    assert len(bars) == len(found.test.groups) == 1
    left, right = bars[0].get_xdata()
    assert left < found.placings[0].mean_rank < found.placings[-1].mean_rank < right
    feet = {round(line.get_xdata()[0], 6) for line in axes.lines if len(line.get_xdata()) == 3}
    assert feet == {round(each.mean_rank, 6) for each in found.placings}
    (measure,) = [line for line in axes.lines if list(line.get_ydata()) == [0.42, 0.42]]
    assert np.ptp(measure.get_xdata()) == pytest.approx(found.test.critical_difference)


def test_the_command(tmp_path: Path) -> None:
    for record in on({"mnist": {"a": 1.0, "b": 2.0, "c": 3.0}, "ring": {"a": 1.0, "b": 3.0, "c": 2.0}}):
        record.save(tmp_path / "records" / record.dataset.name / f"{record.variant.name}.json")
    ran = CliRunner().invoke(app, ["rank", str(tmp_path), "--json", "--figure", str(tmp_path / "cd.svg")])
    assert [each["variant"] for each in json.loads(ran.stdout)["variants"]] == ["a", "b", "c"]
    assert (tmp_path / "cd.svg").is_file()
    assert "| Variant" in CliRunner().invoke(app, ["rank", str(tmp_path)]).stdout
    assert CliRunner().invoke(app, ["rank", str(tmp_path), "-f", "csv"]).stdout.startswith("variant,mean_rank,borda")
    for wrong, told in ((["--figure", "cd.gif"], "ends in none of .svg"), (["--json", "-f", "md"], "exclude each other")):
        refused = CliRunner().invoke(app, ["rank", str(tmp_path), *wrong])
        assert told in str(refused.exception)
        assert refused.stdout == ""
