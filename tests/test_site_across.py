"""The page across data sets: what `ganbench rank` says of the same records, or one sentence, and a diagram true to it."""

import json
from pathlib import Path

import pytest
from made_records import FD, made_record, seeds
from page_reader import Tables, assert_links_resolve, site

from ganbench.leaderboard.across import across
from ganbench.leaderboard.across_text import plain, to_csv
from ganbench.leaderboard.site.diagram import AXIS, LEFT, diagram
from ganbench.leaderboard.summary import summarise
from ganbench.record import Record

EVIL = "<img src=x onerror=alert(1)>"


def boards(values: dict[str, list[float]], label: str = FD, datasets: tuple[str, ...] = ("mnist", "ring")) -> list[Record]:
    """One seed a variant and data set: `values` of each variant by data set."""
    return [
        made_record(name, 0, {label: value}, dataset=dataset)
        for name, row in values.items()
        for dataset, value in zip(datasets, row, strict=False)
    ]


def test_the_numbers_are_those_of_rank(tmp_path: Path) -> None:
    records = boards({"a": [1.0, 2.0], "b": [2.0, 1.0], "c": [3.0, 3.0], "only-mnist": [0.5]})
    found = site(records, tmp_path)
    assert_links_resolve(tmp_path, found)
    ours = across(summarise(records))
    assert (tmp_path / "across/all.csv").read_text(encoding="utf-8") == to_csv(ours)
    assert json.loads((tmp_path / "across/all.json").read_text(encoding="utf-8")) == json.loads(json.dumps(plain(ours)))
    rows = Tables((tmp_path / "across.html").read_text(encoding="utf-8")).rows
    assert [[text for text, _ in row] for row in rows[1:]] == [
        ["a", "1.50", "3", "1", "2"], ["b", "1.50", "3", "2", "1"], ["c", "3", "0", "3", "3"],
    ]  # fmt: skip
    page = found["across.html"]
    assert f"{ours.test.critical_difference:.3f}"[:4] in page.text
    assert "Friedman: chi square" in page.text
    assert "not on ring: only-mnist" in " ".join(page.text.split())
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert {"variants/a.html", "variants/only-mnist.html"} <= set(links)
    assert all(("a", {"href": f"{'../' if '/' in name else ''}across.html"}) in each.tags for name, each in found.items())


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        (seeds("a", [1.0, 2.0]), "All records of this board are of one data set; ranks across data sets need two."),
        (
            boards({"a": [1.0]}) + boards({"b": [1.0]}, datasets=("ring",)),
            "No variant stands on every data set; run a suite on all",
        ),
        (
            [*seeds("a", [1.0]), *seeds("a", [1.0], dataset="ring"), *seeds("b", [1.0], count=500)],
            "mnist was measured under 2 protocols, which do not compare",
        ),
    ],
)
def test_where_it_cannot_be_made_one_sentence_says_why(records: list[Record], sentence: str, tmp_path: Path) -> None:
    page = site(records, tmp_path)["across.html"]
    assert sentence in page.text
    assert not any(tag in ("table", "svg") for tag, _ in page.tags)
    assert not (tmp_path / "across").exists()


def test_a_metric_that_some_data_sets_have_is_compared_on_these(tmp_path: Path) -> None:
    records = [
        made_record(name, 0, {f"fd-{dataset}": place, "modes": 10.0 * place}, dataset=dataset)
        for place, name in enumerate("abc", 1)
        for dataset in ("mnist", "ring")
    ]
    records += [made_record(name, 0, {"other": place}, dataset="third") for place, name in enumerate("abc", 1)]
    text = site(records, tmp_path)["across.html"].text
    assert "By modes, on the 2 data sets that have it" in text
    assert {path.name for path in (tmp_path / "across").glob("*.csv")} == {"all.csv", "by-modes.csv"}
    assert (tmp_path / "across/by-modes.csv").read_text().splitlines()[1].startswith("c,1.0,4.0,")


def test_a_suite_is_compared_where_all_records_together_cannot_be(tmp_path: Path) -> None:
    both = boards({"a": [1.0, 2.0], "b": [2.0, 3.0], "c": [3.0, 4.0]})
    again = [made_record(name, 0, {FD: 1.0}, suite="again", specification={"steps": 1}) for name in "abc"]
    text = " ".join(site([*both, *again], tmp_path)["across.html"].text.split())
    assert "No variant stands on every data set" in text
    assert "Suite made-up, by each data set's primary score" in text
    assert (tmp_path / "across/suite-made-up.csv").read_text() == to_csv(across(summarise(both)))
    mixed = site([*both, *again[:1]], tmp_path / "mixed")["across.html"].text
    assert "several rows on mnist: a" in " ".join(mixed.split())


def test_the_diagram_has_a_foot_a_variant_and_a_bar_a_group() -> None:
    values = {name: [float(place)] * 8 for place, name in enumerate("abcd")}
    found = across(summarise(boards(values, datasets=tuple(f"d{place}" for place in range(8)))))
    drawn = diagram(found)
    assert [place.x for place in drawn.places] == pytest.approx([LEFT + AXIS * step / 3 for step in range(4)], abs=0.1)
    assert [place.left for place in drawn.places] == [True, True, False, False]
    assert len({(place.left, place.y) for place in drawn.places}) == 4
    assert len(drawn.bars) == len(found.test.groups) == 3  # the critical difference is 1.66: neighbours are joined
    assert drawn.difference == pytest.approx(AXIS * found.test.critical_difference / 3, abs=0.1)
    assert all(place.y < drawn.height for place in drawn.places)
    assert "Not told apart: a, b; b, c; c, d." in drawn.label
    assert diagram(across(summarise(boards({n: [1.0, 1.0] for n in "abc"})))).difference is None  # longer than all ranks


def test_names_on_the_page_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    long = "x" * 300
    records = [
        made_record(name, 0, {EVIL: value}, dataset=dataset, suite=EVIL)
        for dataset in (EVIL, long)
        for value, name in enumerate((EVIL, long, "c", "d"), 1)
    ]
    page = site([*records, made_record(EVIL, 1, {EVIL: 1.0}, dataset=EVIL, suite="b")], tmp_path)["across.html"]
    assert page.text.count(EVIL) >= 4
    assert all("onerror" not in attrs and "src" not in attrs for tag, attrs in page.tags if tag != "script")
    assert "…" in page.text  # a name without room in the diagram is cut there, and whole in the table
