"""`ganbench publish`: careful with the folder that it writes to, and one sentence where something is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_records import fixture_records, made_record
from page_reader import assert_links_resolve, pages
from typer.testing import CliRunner

from ganbench.cli.app import app
from ganbench.errors import MissingDataError, UsageError
from ganbench.leaderboard.site import folder
from ganbench.leaderboard.site import pages as made
from ganbench.leaderboard.site.folder import MARKER, STAGE
from ganbench.leaderboard.site.publish import publish
from ganbench.leaderboard.speed import render_times
from ganbench.leaderboard.summary import summarise
from ganbench.leaderboard.table import render
from ganbench.record import load_records
from ganbench.times import load_all

ROOT = Path(__file__).parents[1]

# The folder


def test_publishing_again_removes_stale_pages_and_nothing_else(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref")
    (tmp_path / "CNAME").write_text("board.example.org")
    publish([made_record("old"), made_record("kept")], Path("/nowhere"), tmp_path)
    done = publish([made_record("kept")], Path("/nowhere"), tmp_path)
    assert {name.split("/")[0] for name in done.removed} == {"variants", "runs"}
    assert not (tmp_path / "variants/old.html").exists()
    assert (tmp_path / "CNAME").read_text() == "board.example.org"
    assert (tmp_path / ".git" / "HEAD").exists()
    left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert left - {MARKER, "CNAME", ".git/HEAD"} == set(done.files)


@pytest.mark.parametrize("name", ["thesis.tex", "images/mine.png", "deep/er/file"])
def test_a_folder_with_other_files_is_refused_and_left_as_it_is(tmp_path, name):
    for made_before in (False, True):
        out = tmp_path / str(made_before)
        if made_before:
            publish([made_record("gan")], Path("/nowhere"), out)
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
        before = sorted(out.rglob("*"))
        with pytest.raises(UsageError, match="which publish did not make"):
            publish([made_record("wgan")], Path("/nowhere"), out)
        assert sorted(out.rglob("*")) == before


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_publish_that_stops_half_way_leaves_the_site_as_it_was(tmp_path, monkeypatch):
    publish([made_record("gan")], Path("/nowhere"), tmp_path)
    before = contents(tmp_path)
    monkeypatch.setattr(made, "run_page", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        publish([made_record("gan"), made_record("wgan")], Path("/nowhere"), tmp_path)
    assert contents(tmp_path) == before


def test_a_publish_that_was_killed_can_be_repeated(tmp_path, monkeypatch):
    # Before any file has its place, and between two files.
    (tmp_path / STAGE / "runs").mkdir(parents=True)
    (tmp_path / STAGE / "runs" / ".x.html.abc.part").write_text("half")
    places = []
    move = folder._move

    def killed(path, place):
        move(path, place)
        places.append(place)
        if len(places) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folder, "_move", killed)
        with pytest.raises(KeyboardInterrupt):
            publish([made_record("gan")], Path("/nowhere"), tmp_path)
    assert set(contents(tmp_path)) == {MARKER, *(place.relative_to(tmp_path).as_posix() for place in places)}
    done = publish([made_record("wgan")], Path("/nowhere"), tmp_path)
    assert set(contents(tmp_path)) == {*done.files, MARKER}
    assert_links_resolve(tmp_path, pages(tmp_path))


def test_a_hostile_marker_removes_nothing_outside(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    out = tmp_path / "site"
    out.mkdir()
    (out / MARKER).write_text(json.dumps({"files": ["../victim", str(victim)]}))
    publish([made_record("gan")], Path("/nowhere"), out)
    assert victim.read_text() == "mine"


def test_no_records_is_an_error_and_writes_nothing(tmp_path):
    with pytest.raises(MissingDataError, match="no records"):
        publish([], Path("/nowhere"), tmp_path / "site")
    assert not list(tmp_path.iterdir())


# The command


def run(*words):
    return CliRunner().invoke(app, ["publish", *map(str, words)])


def test_the_command_prints_one_document_with_the_paths(tmp_path):
    for record in fixture_records():
        record.save(tmp_path / "suite/records/mnist" / record.variant.name / f"seed-{record.seed}.json")
    done = run(tmp_path / "suite", "--out", tmp_path / "site", "--json")
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert Path(document["index"]).is_file()
    there = {p.relative_to(tmp_path / "site").as_posix() for p in (tmp_path / "site").rglob("*") if p.is_file()}
    assert set(document["files"]) == there - {MARKER}


def test_what_a_user_can_cause_is_one_sentence_with_its_exit_code(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "file").write_text("")
    made_record("gan").save(tmp_path / "good.json")
    for words, code, part in (
        ([tmp_path / "missing", "--out", tmp_path / "a"], 3, "There is no record at"),
        ([tmp_path / "empty", "--out", tmp_path / "a"], 3, "There are no records in"),
        ([tmp_path / "broken.json", "--out", tmp_path / "a"], 4, "is not a record"),
        ([tmp_path / "good.json", "--out", tmp_path / "file"], 2, "is a file; name a folder"),
        ([tmp_path / "good.json", "--out", tmp_path / "file" / "below"], 2, "no folder that can be written"),
        ([tmp_path / "good.json", "--out", tmp_path], 2, "which publish did not make"),
        ([tmp_path / "good.json", "--out", tmp_path / "a", "--published", tmp_path / "none.toml"], 3, "There is no file"),
    ):
        error = run(*words).exception
        assert (error.exit_code, part in str(error), "\n" in str(error)) == (code, True, False)
        assert not (tmp_path / "a").exists()


def test_an_empty_name_is_not_the_current_folder(tmp_path, monkeypatch):
    made_record("gan").save(tmp_path / "records" / "a.json")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for words in (["publish", "", "--out", "site"], ["publish", "records", "--out", ""], ["table", "records", "--out", ""]):
        refused = CliRunner().invoke(app, words)
        assert refused.exception.exit_code == 2
        assert "'' names no file or folder" in str(refused.exception)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("home", "out"), [("runs/records", "runs/records/site"), ("flat", "flat/site"), ("flat", "flat/../flat")])
@pytest.mark.parametrize("command", ["publish", "card"])
def test_what_is_written_is_never_read_as_a_record(tmp_path, command, home, out):
    # Else every later command on these records would stumble over the JSON files of the site or of the card.
    record = tmp_path / home / "ring" / "gan" / "seed-0.json"
    made_record("gan", dataset="ring").save(record)
    words = ["--variant", "gan"] if command == "card" else []
    folder = tmp_path / home.split("/")[0]
    refused = CliRunner().invoke(app, [command, str(folder), *words, "--out", str(tmp_path / out)])
    assert refused.exception.exit_code == 2
    assert "where all JSON is read as records; name a folder outside it." in str(refused.exception)
    assert [path for path in folder.rglob("*") if path.is_file()] == [record]


def test_a_site_beside_the_records_folder_is_no_trouble(tmp_path):
    made_record("gan", dataset="ring").save(tmp_path / "runs/records/ring/gan/seed-0.json")
    for _ in range(2):
        assert run(tmp_path / "runs", "--out", tmp_path / "runs" / "site").exit_code == 0


def test_many_seeds_do_not_fill_each_others_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(made, "BESIDE", 4)
    done = publish([made_record("gan", seed) for seed in range(9)], Path("/nowhere"), tmp_path)
    assert_links_resolve(tmp_path, pages(tmp_path))
    for seed, shown in ((0, range(4)), (5, range(3, 7)), (8, range(5, 9))):
        (name,) = [name for name in done.files if f"-seed-{seed}-" in name and name.endswith(".html")]
        page = (tmp_path / name).read_text(encoding="utf-8")
        others = {other for other in range(9) if other != seed and f"-seed-{other}-" in page}  # its own is its record's link
        assert others == set(shown) - {seed}
        assert "4 of 9 seeds" in page


def test_text_that_no_file_can_hold_is_published(tmp_path):
    odd = made_record("gan", specification={"recipe": {"note \ud800": "\udfff"}})
    done = publish([odd], Path("/nowhere"), tmp_path)
    (copy,) = [name for name in done.files if name.startswith("runs/") and name.endswith(".json")]
    assert r"note \ud800" in (tmp_path / copy).read_text(encoding="utf-8")


def test_publishing_needs_no_torch(tmp_path):
    code = (
        "import sys; from ganbench.cli.app import app; app(sys.argv[1:], standalone_mode=False); "
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    made_record("gan").save(tmp_path / "record.json")
    words = ["publish", str(tmp_path / "record.json"), "--out", str(tmp_path / "site")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


# What `ganbench demo` leaves there is not committed.
SUITES = [path.parent for path in sorted((ROOT / "results").glob("*/records")) if path.parent.name != "demo"]


@pytest.mark.parametrize("folder", [ROOT / "results", *SUITES], ids=lambda folder: folder.name)
def test_committed_tables_are_what_the_committed_records_render_to(folder):
    """`make board` makes them again."""
    page = folder / ("table.md" if folder in SUITES else "LEADERBOARD.md")
    records = load_records([folder] if folder in SUITES else SUITES)
    assert page.read_text(encoding="utf-8") == render(summarise(records), "md")


@pytest.mark.parametrize("folder", sorted((ROOT / "results").glob("*/times")), ids=lambda folder: folder.parent.name)
def test_committed_tables_of_speed_are_what_the_committed_time_records_render_to(folder):
    page = folder.parent / "table.md"
    assert page.read_text(encoding="utf-8") == render_times(load_all([folder])[1], "md")
