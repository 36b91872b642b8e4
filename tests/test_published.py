"""Published numbers beside ours: the committed file, the difference in standard errors by hand, and what is not compared."""

import json
import math
from pathlib import Path

import pytest
from made_records import made_record
from typer.testing import CliRunner

from ganbench import registry
from ganbench.cli.app import app
from ganbench.errors import InvalidInputError, MissingDataError
from ganbench.harness.suite import load_suite
from ganbench.leaderboard.published import PublishedScore, PublishedTable, compare, load_published, render, within
from ganbench.record import Record

BASELINES = Path(__file__).parents[1] / "baselines"
TABLES = load_published(BASELINES / "published.toml")


def ours(values: list[float], variant: str = "nsgan", suite: str = "pacgan-ring", lost: int = 0) -> list[Record]:
    runs = [made_record(variant, seed, {"modes": value}, dataset="ring-8", suite=suite) for seed, value in enumerate(values)]
    gone = range(len(values), len(values) + lost)
    return runs + [made_record(variant, seed, {}, status="diverged", dataset="ring-8", suite=suite) for seed in gone]


def published(error: float | None = 0.5, kind: str | None = "standard error") -> list[PublishedTable]:
    score = PublishedScore(variant="GAN", score="modes", value=6.3, error=error, error_kind=kind)
    return [
        PublishedTable(
            source="A paper", place="Table 1", dataset="ring-8", protocol="10 trials",
            suites=["pacgan-ring"], ours={"GAN": "nsgan"}, scores=[score],
        )
    ]  # fmt: skip


def test_the_difference_by_hand() -> None:
    # Mean 5, std 1 over three seeds: a standard error of 1 / sqrt(3); joint with 0.5: sqrt(1/3 + 1/4) = sqrt(7/12).
    (found,) = compare(ours([4.0, 5.0, 6.0], lost=1), published())
    assert (found.our_mean, found.seeds, found.lost, found.variant) == (5.0, 3, 1, "nsgan")
    assert found.our_error == pytest.approx(1 / math.sqrt(3))
    assert found.difference_in_errors == pytest.approx(-1.3 / math.sqrt(7 / 12))
    assert within([found], 2) == (1, 1)
    assert within([found], 1) == (0, 1)


@pytest.mark.parametrize(
    ("values", "tables"),
    [
        ([5.0], published()),  # one seed has no error
        ([4.0, 6.0], published(error=None, kind=None)),
        ([4.0, 6.0], published(kind="standard deviation over 3 samplings")),  # not over trainings
        ([6.0, 6.0], published(error=0.0)),  # neither varies
    ],
)
def test_no_difference_is_claimed_where_an_error_is_not_known(values: list[float], tables: list[PublishedTable]) -> None:
    (found,) = compare(ours(values), tables)
    assert found.difference_in_errors is None
    assert within([found], 2) == (0, 0)
    assert "ring-8: A paper, Table 1" in render([found])


def test_only_suites_that_aim_at_a_table_are_compared() -> None:
    assert compare(ours([5.0, 6.0], suite="ring-8"), published()) == []
    assert compare(ours([5.0, 6.0], variant="gan"), published()) == []
    (lost,) = compare(ours([], lost=2), published())
    assert (lost.our_mean, lost.seeds, lost.lost, lost.difference_in_errors) == (None, 0, 2, None)
    assert "0 + 2 lost" in render([lost])


def test_other_specifications_are_other_rows_and_a_record_counts_once() -> None:
    runs = ours([4.0, 5.0, 6.0])
    short = [made_record("nsgan", 0, {"modes": 1.0}, dataset="ring-8", suite="pacgan-ring", specification={"steps": 20})]
    found = compare([*runs, *runs, *short], published())
    assert [(each.seeds, each.steps, each.our_mean) for each in found] in (
        [(3, 400, 5.0), (1, 20, 1.0)],
        [(1, 20, 1.0), (3, 400, 5.0)],
    )


def test_scores_without_a_protocol_are_refused() -> None:
    (record,) = ours([5.0])
    with pytest.raises(InvalidInputError, match="its protocol does not describe"):
        compare([record.model_copy(update={"protocol": None})], published())


def test_the_committed_tables_name_known_suites_variants_and_scores() -> None:
    aimed = [table for table in TABLES if table.suites]
    assert len(aimed) == 4
    for table in aimed:
        for name in table.suites:
            path = BASELINES / f"{name}.toml"
            suite = load_suite(str(path) if path.exists() else name)
            assert table.dataset in suite.datasets
        assert set(table.ours) <= {score.variant for score in table.scores}
        for variant in table.ours.values():
            registry.find("variants", variant)


def test_the_committed_numbers_are_those_of_their_sources() -> None:
    by_name = {(t.place, t.dataset, s.variant, s.score): s for t in TABLES for s in t.scores if t.source.startswith("PacGAN")}
    # arXiv:1712.04086, tables 1 and 2, as printed there.
    wanted = {
        ("Table 1", "grid-25", "GAN", "modes"): ("17.3", "0.8"),
        ("Table 1", "ring-8", "PacGAN2", "high-quality"): ("95.6", "2.0"),
        ("Table 1", "grid-25", "GAN", "reverse-kl"): ("0.70", "0.07"),
        ("Table 2", "stacked-mnist", "DCGAN", "modes"): ("78.9", "6.46"),
    }
    assert {place: (str(by_name[place].value), str(by_name[place].error)) for place in wanted} == wanted
    assert sum(len(table.scores) for table in TABLES) == 266


def test_broken_files_are_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "published.toml"
    with pytest.raises(MissingDataError, match="There is no file"):
        load_published(path)
    broken = {
        "table = 3": "holds no",
        "[[table]]\nsource = 1": "table 1: source: ",
        "= x": "is not TOML",
        "x = " + "9" * 5000: "is not TOML",
        "x = " + "[" * 3000: "is not TOML",
    }
    for text, reason in broken.items():
        path.write_text(text)
        with pytest.raises(InvalidInputError, match=reason):
            load_published(path)


def test_the_command(tmp_path: Path) -> None:
    for record in ours([6.0, 7.0]):
        record.save(tmp_path / "records" / f"seed-{record.seed}.json")
    file = str(BASELINES / "published.toml")
    text = CliRunner().invoke(app, ["compare", str(tmp_path), "--published", file])
    assert text.exit_code == 0
    assert "| nsgan" in text.stdout
    assert "1 of 1 differences are at most 2 joint standard errors." in text.stdout
    document = json.loads(CliRunner().invoke(app, ["compare", str(tmp_path), "--published", file, "--json"]).stdout)
    assert document["comparisons"][0]["published"]["value"] == 6.3
    assert (document["within_2_standard_errors"], document["comparable"]) == (1, 1)
