"""`verify` on records of a real run: they hold, and each changed part is named."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ganbench.cli.app import app
from ganbench.errors import UsageError

SEEDS = 3


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three stacked seeds of a variant on points after ten steps, and a control; made in this process."""
    out = tmp_path_factory.mktemp("verify") / "run"
    arguments = ["--variants", "nsgan,noise", "--seeds", str(SEEDS), "--steps", "10", "--samples", "300", "--workers", "0"]
    result = CliRunner().invoke(app, ["run", "ring-8", *arguments, "--device", "cpu", "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(made, tmp_path / "run"))


def record_of(run: Path, seed: int = 1, variant: str = "nsgan") -> Path:
    return run / "records" / "ring-8" / variant / f"seed-{seed}.json"


def verified(path: Path, *options: str) -> tuple[Any, dict[str, Any]]:
    result = CliRunner().invoke(app, ["verify", str(path), "--device", "cpu", "--json", *options])
    return result, json.loads(result.stdout) if result.exit_code in (0, 4) and result.stdout else {}


def failed(document: dict[str, Any]) -> list[str]:
    return [check["part"] for check in document["checks"] if not check["passed"]]


def edit(path: Path, place: str, value: object) -> None:
    whole = json.loads(path.read_text())
    *folders, last = place.split("/")
    at = whole
    for folder in folders:
        at = at[folder]
    at[last] = value
    path.write_text(json.dumps(whole))


@pytest.mark.parametrize("variant", ["nsgan", "noise"])
def test_a_record_of_this_machine_holds_to_the_bit(run: Path, variant: str) -> None:
    result, document = verified(record_of(run, variant=variant))
    assert result.exit_code == 0
    assert document["verified"]
    found = {check["part"]: check["found"] for check in document["checks"]}
    assert found["samples"] == "equal to the bit"
    assert {"fd-points", "modes", "data set ring-8:train"} <= found.keys()
    assert ("checkpoint" in found) == (variant == "nsgan")


def test_one_flipped_byte_in_the_checkpoint_is_named(run: Path) -> None:
    checkpoint = run / "checkpoints" / "ring-8" / "nsgan" / "seed-1.safetensors"
    content = bytearray(checkpoint.read_bytes())
    content[-1] ^= 1
    checkpoint.write_bytes(content)
    result, document = verified(record_of(run))
    assert result.exit_code == 4
    assert failed(document) == ["checkpoint"]


@pytest.mark.parametrize(
    ("place", "value", "part"),
    [
        ("scores/fd-points/value", 0.123, "fd-points"),
        ("dataset/train_hash", "0" * 64, "data set ring-8:train"),
        ("protocol/extractor/version", 2, "extractor points"),
        ("protocol/samples/hash", "0" * 64, "samples"),
    ],
)
def test_an_edited_part_is_named(run: Path, place: str, value: object, part: str) -> None:
    path = record_of(run)
    edit(path, place, value)
    result, document = verified(path)
    assert result.exit_code == 4
    assert part in failed(document)


def test_a_record_without_its_checkpoint_says_so(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    result = CliRunner().invoke(app, ["verify", str(record_of(run))])
    assert result.exit_code != 0
    assert "is not kept" in str(result.exception)


@pytest.mark.parametrize(("name", "value"), [("variant", "./evil.py"), ("extractor", "os:system")])
def test_no_code_is_run_that_a_record_names(run: Path, name: str, value: str) -> None:
    path = record_of(run)
    edit(path, f"specification/{name}", value)
    for options in ([], ["--retrain"]):
        result = CliRunner().invoke(app, ["verify", str(path), *options])
        assert isinstance(result.exception, UsageError)
        assert "no record may run code" in str(result.exception)


def test_training_again_gives_the_same_bits(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Features are the worker's to extract, with the threads of the record: those of this process give other last bits.
    monkeypatch.setattr("ganbench.harness.job.real_side", lambda *_: pytest.fail("real data was extracted outside of the worker"))
    result, document = verified(record_of(run), "--retrain")
    assert result.exit_code == 0, result.output
    found = {check["part"]: check["found"] for check in document["checks"]}
    assert found["fd-points"] == found["modes"] == "equal to the bit"
    assert document["retrained"]


def test_training_again_names_an_edited_score(run: Path) -> None:
    path = record_of(run)
    edit(path, "scores/fd-points/value", 0.123)
    document = verified(path, "--retrain")[1]
    assert failed(document) == ["fd-points"]
    edit(path, "scores/fd-points/error", 0.5)
    edit(path, "scores/fd-points/value", float(next(c["found"] for c in document["checks"] if not c["passed"]).partition(",")[0]))
    (found,) = [check["found"] for check in verified(path, "--retrain")[1]["checks"] if not check["passed"]]
    assert "error=None" in found
    assert "error=0.5" in found


def test_a_control_is_not_said_to_have_a_checkpoint(run: Path) -> None:
    for options in ([], ["--retrain"]):
        told = CliRunner().invoke(app, ["verify", str(record_of(run, variant="noise")), *options])
        assert told.exit_code == 0
        assert "drawn and scored again, verified." in told.stdout
        assert "checkpoint" not in told.stdout
        assert "None" not in told.stdout


def test_a_folder_is_no_record(run: Path) -> None:
    refused = CliRunner().invoke(app, ["verify", str(run)])
    assert isinstance(refused.exception, UsageError)
    assert "is a folder; name one of the record files in it." in str(refused.exception)


def test_on_another_machine_a_new_seed_must_lie_among_the_others(run: Path) -> None:
    for seed in range(SEEDS):
        edit(record_of(run, seed), "environment/processor", "another one")
    result, document = verified(record_of(run), "--retrain")
    assert result.exit_code == 0, result.output
    assert all("the next of 3 seeds lies in" in check["found"] for check in document["checks"])
    record_of(run, 2).unlink()
    result = CliRunner().invoke(app, ["verify", str(record_of(run)), "--retrain"])
    assert "fewer than 3 seeds lie beside it" in str(result.exception)


def test_a_record_of_several_processes_is_not_held_to_the_bits_of_one(run: Path) -> None:
    edit(record_of(run), "environment/processes", 2)
    record_of(run, 2).unlink()
    result = CliRunner().invoke(app, ["verify", str(record_of(run)), "--retrain"])
    assert isinstance(result.exception, UsageError)
    assert "in several processes" in str(result.exception)
