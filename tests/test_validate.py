"""`validate`: every kind of broken record is refused with its reason, and every committed one passes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_records import made_record
from typer.testing import CliRunner

from ganbench.cli.app import app
from ganbench.errors import MissingDataError
from ganbench.files import file_digest
from ganbench.leaderboard.validate import validate
from ganbench.record import record_files
from ganbench.registry import entries

RESULTS = Path(__file__).parent.parent / "results"
SUITES = sorted(path.parent for path in RESULTS.glob("*/records"))


def plain() -> dict[str, Any]:
    """A sound record as JSON: three scores of ganbench's own metrics in features of its own extractor."""
    record = made_record(scores={"fd-digits-cnn": 1.5, "is-digits-cnn": 3.0, "modes": 8.0}, specification={"samples": 1000})
    whole: dict[str, Any] = json.loads(record.to_json())
    whole["protocol"]["extractor"]["name"] = "digits-cnn"
    for label, name in (("fd-digits-cnn", "fd"), ("is-digits-cnn", "is"), ("modes", "modes")):
        whole["protocol"]["metrics"][label] = {"name": name, "version": 1}
        whole["scores"][label]["better"] = "lower" if name == "fd" else "higher"
    whole["protocol"]["reference"] |= {"hash": whole["dataset"]["test_hash"]}
    whole["protocol"]["samples"] |= {"source": "wgan-gp seed 0", "hash": "5" * 64}
    return whole


def set_at(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        *folders, last = path.split("/")
        for folder in folders:
            record = record[folder]
        record[last] = value

    return change


BROKEN = {
    "newer schema": (set_at("schema", 99), "schema 99, newer than"),
    "unknown field": (set_at("colour", "blue"), "colour: Extra inputs"),
    "FID below 0": (set_at("scores/fd-digits-cnn/value", -0.5), "fd-digits-cnn is -0.5, and no samples score below 0"),
    "IS below 1": (set_at("scores/is-digits-cnn/value", 0.5), "no samples score below 1"),
    "IS above the classes": (set_at("scores/is-digits-cnn/value", 10.5), "no samples score above 10"),
    "no seconds": (set_at("timing/train_seconds", 0), "trained in 0 seconds"),
    "seconds below 0": (set_at("timing/sample_seconds", -1.0), "sample_seconds is -1"),
    "score without protocol": (set_at("protocol/metrics", {}), "its protocol does not describe"),
    "ok without scores": (set_at("scores", {}), "status is ok and it has no score"),
    "diverged with scores": (set_at("status", "diverged"), "diverged and it has scores"),
    "too few steps": (set_at("steps_done", 10), "ok after 10 of 400 steps"),
    "too many steps": (set_at("steps_done", 500), "500 steps where its specification has 400"),
    "no hash": (set_at("checkpoint_hash", "12ab"), "no sha256"),
    "other data": (set_at("protocol/reference/count", 3), "another hash or count"),
    "other data set": (set_at("protocol/dataset", "ring-8"), "protocol is of ring-8"),
    "other samples": (set_at("protocol/samples/count", 999), "999 samples where its specification has 1000"),
    "wrong direction": (set_at("scores/modes/better", "lower"), "lower is better, and for modes higher is"),
    "error below 0": (set_at("scores/modes/error", -1.0), "error of its modes is -1"),
    "a metric of another name": (set_at("protocol/metrics/modes/name", "high-quality"), "is described as high-quality"),
    "a metric from the future": (set_at("protocol/metrics/modes/version", 77), "version 77 of modes"),
    "features that nothing describes": (set_at("protocol/metrics/modes/extractor", "nope"), "'nope'"),
    "other samples' source": (set_at("protocol/samples/source", "wgan-gp seed 7"), "samples are of 'wgan-gp seed 7'"),
    "another reference": (set_at("protocol/reference/source", "elsewhere"), "no part of its data set"),
    "a control that is none": (set_at("variant/control", True), "says that wgan-gp is a control"),
    "another variant's specification": (set_at("specification/variant", "wgan"), "names the variant 'wgan'"),
    "no steps": (set_at("specification/steps", "many"), "steps = many"),
    "an evaluation out of range": (
        set_at("evaluations", [{"step": -3, "scores": {"modes": {"value": -900, "better": "higher"}}}]),
        "evaluated at step -3",
    ),
    "a turned interval": (set_at("scores/modes/interval", [9.0, 1.0]), "ends before it begins"),
    "a checkpoint that no file can be": (set_at("files/checkpoint", "a\u0000b"), "no file of its own folder"),
    "more modes than there are": (set_at("scores/modes/value", 11.0), "modes is 11, and no samples score above 10"),
    "a part of a mode": (set_at("scores/modes/value", 7.5), "modes is 7.5, and modes are counted"),
    "a score in quotes": (set_at("scores/modes/value", "8.0"), "scores.modes.value: Input should be a valid number"),
    "a score that is true": (set_at("scores/modes/value", True), "scores.modes.value: Input should be a valid number"),
    "a reverse KL above log(modes)": (
        lambda record: (
            set_at("scores/reverse-kl", {"value": 2.31, "better": "lower"})(record),
            set_at("protocol/metrics/reverse-kl", {"name": "reverse-kl", "version": 1})(record),
        ),
        "reverse-kl is 2.31, and no samples score above 2.30259",
    ),
    "no date": (set_at("timing/finished_at", "yesterday"), "finished at 'yesterday', no time in UTC"),
    "a day that is none": (set_at("timing/finished_at", "2026-02-30T12:00:00Z"), "2026-02-30T12:00:00Z"),
    "a time without a zone": (set_at("timing/finished_at", "2026-02-20 12:00:00"), "no time in UTC"),
    "another century": (set_at("timing/finished_at", "1026-02-20T12:00:00Z"), "no time in UTC"),
    "other seed": (set_at("seed", 5), "it is of seed 5"),
    "other variant": (set_at("variant/name", "dcgan"), "lies in the folder wgan-gp and is of dcgan"),
    "checkpoint outside": (set_at("files/checkpoint", "../../x.safetensors"), "no file of its own folder"),
}


def saved(folder: Path, record: dict[str, Any]) -> Path:
    path = folder / "records" / "mnist" / "wgan-gp" / "seed-0.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return path


def test_a_sound_record_has_no_fault(tmp_path: Path) -> None:
    assert validate([saved(tmp_path, plain())]) == (1, [])


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_record_is_refused_with_its_reason(kind: str, tmp_path: Path) -> None:
    change, reason = BROKEN[kind]
    record = plain()
    change(record)
    _, problems = validate([saved(tmp_path, record)])
    assert any(reason in problem.sentence for problem in problems), problems
    assert all(problem.sentence.endswith(".") or kind == "unknown field" for problem in problems)


def test_a_record_cut_short_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, plain())
    path.write_text(path.read_text()[:100])
    _, (problem,) = validate([path])
    assert "is not a record" in problem.sentence


def test_the_same_run_twice_is_refused(tmp_path: Path) -> None:
    one, other = saved(tmp_path / "a", plain()), saved(tmp_path / "b", plain())
    count, (problem,) = validate([one, other])
    assert count == 2
    assert problem.path == other
    assert f"same run as {one}" in problem.sentence


def test_a_seed_copied_as_another_is_refused(tmp_path: Path) -> None:
    one, record = saved(tmp_path, plain()), plain()
    record["seed"], record["protocol"]["samples"]["source"] = 9, "wgan-gp seed 9"
    other = one.with_name("seed-9.json")
    other.write_text(json.dumps(record))
    _, (problem,) = validate([one, other])
    assert (problem.path, f"same checkpoint as {one}" in problem.sentence) == (other, True)


def test_files_that_are_no_records_are_left_out_or_named(tmp_path: Path) -> None:
    saved(tmp_path / "suite", plain())
    (tmp_path / "audit.json").write_text("{}")  # not below a folder of records
    (tmp_path / "suite" / "records" / "folder.json").mkdir()
    (tmp_path / "suite" / "records" / "loop.json").symlink_to("loop.json")
    assert validate(record_files([tmp_path])) == (1, [])
    missing = CliRunner().invoke(app, ["validate", str(tmp_path / "nothere")])
    assert isinstance(missing.exception, MissingDataError)


def test_a_changed_checkpoint_is_named(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoints" / "seed-0.safetensors"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"weights")
    record = plain() | {"files": {"checkpoint": "checkpoints/seed-0.safetensors"}, "checkpoint_hash": file_digest(checkpoint)}
    path = saved(tmp_path, record)
    described = checkpoint.with_suffix(".json")
    for content in (None, "", "[]", '{"sha256": "' + "0" * 64 + '"}'):
        if content is not None:
            described.write_text(content)
        _, (problem,) = validate([path])
        assert "No file checkpoints/seed-0.json describes its checkpoint" in problem.sentence
    described.write_text(json.dumps({"sha256": file_digest(checkpoint)}))
    assert validate([path]) == (1, [])
    checkpoint.write_bytes(b"weightS")
    _, (problem,) = validate([path])
    assert "checkpoints/seed-0.safetensors is not the one whose hash it states" in problem.sentence


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.name)
def test_every_committed_record_is_valid(suite: Path) -> None:
    count, problems = validate(record_files([suite]))
    assert count > 0
    assert problems == []


def test_the_command(tmp_path: Path) -> None:
    path = saved(tmp_path, plain())
    good = CliRunner().invoke(app, ["validate", str(tmp_path)])
    assert (good.exit_code, good.stdout) == (0, "1 record is valid.\n")
    path.write_text(json.dumps(plain() | {"steps_done": 10}))
    bad = CliRunner().invoke(app, ["validate", str(tmp_path), "--json"])
    assert bad.exit_code == 4
    document = json.loads(bad.stdout)
    assert (document["records"], document["valid"]) == (1, False)
    assert "10 of 400 steps" in document["problems"][0]["problem"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda scores: scores["modes"].update(value=99), "Its modes is 99, and no samples score above 8"),
        (lambda scores: scores["reverse-kl"].update(value=-1e300), "Its reverse-kl is -1e+300, and no samples score below 0"),
        (lambda scores: scores.pop("modes"), "Its specification asks for modes, and it has no such score"),
    ],
)
def test_nothing_is_ranked_or_compared_by_what_no_samples_score(change, told: str, tmp_path: Path) -> None:
    source = Path(__file__).parents[1] / "results/pacgan-ring/records/ring-8"
    for name in ("nsgan", "real", "noise"):
        shutil.copytree(source / name, tmp_path / "records/ring-8" / name)
    path = tmp_path / "records/ring-8/nsgan/seed-3.json"
    content = json.loads(path.read_text())
    change(content["scores"])
    path.write_text(json.dumps(content))
    published = Path(__file__).parents[1] / "baselines/published.toml"
    for words in (["rank", str(tmp_path)], ["compare", str(tmp_path), "--published", str(published)], ["validate", str(tmp_path)]):
        done = CliRunner().invoke(app, words)
        assert done.exception is not None
        assert told in f"{done.exception}{done.output}"


@pytest.mark.parametrize(("name", "owed"), [("nsgan", False), ("noise", False), ("somebodys-own", False), ("cgan", True)])
def test_only_samples_with_classes_owe_scores_by_class(name: str, owed: bool, tmp_path: Path) -> None:
    source = RESULTS / "conditional/records/digits/cgan/seed-0.json"
    content = json.loads(source.read_text())
    for label in ("intra-fd-digits-cnn", "cas-digits-cnn"):
        del content["scores"][label]
    content["variant"] |= {"name": name, "reference": name}
    problems = [each.sentence for each in validate([saved(tmp_path, content)])[1]]
    assert any("asks for intra-fd" in problem for problem in problems) is owed


def test_a_listing_knows_which_variants_are_conditional() -> None:
    for entry in entries("variants").values():
        assert getattr(entry.load(), "conditional", False) is (entry.facts.get("conditional") is True), entry.name
