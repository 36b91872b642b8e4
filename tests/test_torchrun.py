"""`torchrun -m ganbench`: records as of one process, resuming after a kill, one sentence where a process fails, shared scoring."""

import json
import signal
import time
from pathlib import Path

import pytest
from pair import torchrun
from safetensors.torch import load_file
from typer.testing import CliRunner

from ganbench.cli.app import app
from ganbench.harness.claim import claim
from ganbench.record import load_record

FAULTY = '''
"""nsgan whose discriminator's loss raises: {name}."""
import dataclasses, os
from ganbench.adversarial import d_phase
from ganbench.registry import find

BASE = find("variants", "nsgan").load()

def objective(networks, batch):
    if {when}:
        raise ValueError("out of luck")
    return BASE.phases[0].objective(networks, batch)

VARIANT = dataclasses.replace(BASE, name="{name}", phases=(d_phase(objective), BASE.phases[1]))
'''
STEPS = 30


def suite(folder: Path) -> Path:
    """nsgan, a variant that fails on every process, and one that fails on the second alone, in its second step."""
    second = 'os.environ.get("RANK") == "1" and batch.progress.sum() > 0'
    for name, when in (("all-fail", "True"), ("one-fails", second)):
        (folder / f"{name}.py").write_text(FAULTY.format(name=name, when=when))
    path = folder / "small.toml"
    path.write_text(
        f'variants = ["nsgan", "{folder}/all-fail.py", "{folder}/one-fails.py"]\n'
        f"seeds = 1\nsteps = {STEPS}\nsamples = 500\n[datasets.ring-8]\n"
    )
    return path


def kill_while_it_trains(out: Path, *arguments: str) -> int:
    """Start a run in two processes, kill their launcher as soon as a state was saved, and give that state's step."""
    run = torchrun("-m", "ganbench", *arguments)
    state = out / "state" / "ring-8" / "nsgan" / "state.json"
    until = time.monotonic() + 120
    while not state.exists() and time.monotonic() < until:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    while time.monotonic() < until:  # the processes see that their launcher is gone, and let the folder go
        try:
            with claim(out):
                return int(json.loads(state.read_text())["facts"]["step"])
        except Exception:  # it is held, or the state is just being replaced
            time.sleep(0.05)
    raise AssertionError("the processes of a killed launcher hold their folder for ever")


@pytest.mark.slow
def test_a_killed_torchrun_goes_on_and_ends_in_the_records_of_one_process(tmp_path: Path) -> None:
    out = tmp_path / "two"
    arguments = ["run", str(suite(tmp_path)), "--out", str(out), "--device", "cpu", "--checkpoint-seconds", "0"]
    stopped = kill_while_it_trains(out, *arguments)
    assert 1 <= stopped < STEPS

    begun = time.monotonic()
    again = torchrun("-m", "ganbench", *arguments)
    stdout, stderr = again.communicate(timeout=300)
    assert again.returncode == 1, stderr
    assert stdout == ""  # the table is not reached
    said = [line for line in stderr.splitlines() if "out of luck" in line]
    story = out / "logs" / "ring-8" / "all-fail.log"
    assert said == [
        f"ring-8/all-fail failed: ValueError: out of luck; the whole story is in {story}.",  # on all: the run goes on
        "Error: process 1 of 2: ValueError: out of luck",  # on one alone: it ends
    ]
    assert time.monotonic() - begun < 300  # and no process hangs
    assert "Traceback" not in stderr.split("torch/distributed/elastic")[0]  # torchrun adds its own

    ours = load_record(out / "records" / "ring-8" / "nsgan" / "seed-0.json")
    one = tmp_path / "one"
    alone = CliRunner().invoke(
        app, ["run", str(tmp_path / "small.toml"), "--variants", "nsgan", "--out", str(one), "--device", "cpu", "--workers", "0"]
    )
    assert alone.exit_code == 0, alone.output
    theirs = load_record(one / "records" / "ring-8" / "nsgan" / "seed-0.json")
    assert (ours.environment["processes"], ours.environment["batch_norm"]) == (2, "synchronised")
    assert "processes" not in theirs.environment
    assert ours.specification == theirs.specification
    assert (ours.status, ours.steps_done, ours.parameters) == (theirs.status, theirs.steps_done, theirs.parameters)
    weights, expected = (load_file(folder / "checkpoints" / "ring-8" / "nsgan" / "seed-0.safetensors") for folder in (out, one))
    for name, value in weights.items():
        assert (value - expected[name]).abs().max() < 1e-5, name
    for name, score in ours.scores.items():
        assert score.value == pytest.approx(theirs.scores[name].value, rel=1e-3), name
    assert load_record(out / "records" / "ring-8" / "all-fail" / "seed-0.json").status == "failed"
    assert not (out / "records" / "ring-8" / "one-fails").exists()


@pytest.mark.slow
def test_two_processes_score_as_one_does(tmp_path: Path) -> None:
    # 600 images in batches of 100: six batches, three a process; 1,197 in twelve, the last of 97.
    asked = [
        "score",
        "digits:test",
        "--reference",
        "digits:train",
        "--batch-size",
        "100",
        "--metrics",
        "fd,kid,modes,is,precision,ct",
    ]
    ours = torchrun("-m", "ganbench", *asked, "--json", "--cache", str(tmp_path / "two"), "--device", "cpu")
    stdout, stderr = ours.communicate(timeout=300)
    assert ours.returncode == 0, stderr
    alone = CliRunner().invoke(app, [*asked, "--json", "--cache", str(tmp_path / "one"), "--device", "cpu"])
    found, expected = json.loads(stdout), json.loads(alone.stdout)
    assert found["protocol"] == expected["protocol"]
    for name, score in expected["scores"].items():
        # Features are the same to the bit; moments of shares are merged, and their roundings differ.
        assert found["scores"][name]["value"] == pytest.approx(score["value"], rel=1e-9 if name.startswith("fd") else 1e-12), name
    kept = [sorted(path.name for path in (tmp_path / side / "features").iterdir()) for side in ("one", "two")]
    assert kept[0] == kept[1]
    assert len(kept[0]) == 2


COUNTING = """
import os

from ganbench.extractor import Extractor, Features, LoadedExtractor


def extract(images):
    with open(os.environ["SEEN"] + os.environ.get("RANK", "alone"), "a") as file:
        print(len(images), file=file)
    return Features(images.flatten(1).float())


def load(how):
    return LoadedExtractor(name="counting", version=1, extract=extract, resize="none", weights_hash="none")


EXTRACTOR = Extractor(name="counting", version=1, paper="none", feature_count=64, load=load)
"""
# Batches of 256, the first half of them the leader's: of 1,197 real digits, of 600 held out, of 300 samples at each of three steps
# and of 600 after them.
REAL = {"0": [256, 256, 256], "1": [256, 256, 173, 256, 88]}
SAMPLES = {"0": [256] * 4, "1": [44, 44, 44, 256, 88]}
CONTROL = {"0": [256], "1": [256, 88]}


@pytest.mark.slow
def test_two_processes_share_the_extraction_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "counting.py").write_text(COUNTING)
    monkeypatch.setenv("SEEN", str(tmp_path / "seen-"))
    asked = [
        "run",
        "digits",
        "--variants",
        "nsgan,real",
        "--seeds",
        "1",
        "--steps",
        "4",
        "--eval-every",
        "2",
        "--metrics",
        "fd,kid,ct",
    ]
    asked += ["--samples", "600", "--eval-samples", "300", "--extractor", str(tmp_path / "counting.py"), "--device", "cpu"]
    two, one = tmp_path / "two", tmp_path / "one"
    for real in (REAL, {"0": [], "1": []}):  # the second time the features of real digits lie in the cache
        for path in [*tmp_path.glob("seen-*"), *two.glob("records/digits/*/*.json")]:
            path.unlink()
        ours = torchrun("-m", "ganbench", *asked, "--out", str(two))
        _, stderr = ours.communicate(timeout=300)
        assert ours.returncode == 0, stderr
        seen = {rank: [int(line) for line in (tmp_path / f"seen-{rank}").read_text().split()] for rank in "01"}
        assert seen == {rank: real[rank] + SAMPLES[rank] + CONTROL[rank] for rank in "01"}
    alone = CliRunner().invoke(app, [*asked, "--workers", "0", "--out", str(one)])
    assert alone.exit_code == 0, alone.output
    for name, rel in (("real", 1e-9), ("nsgan", 1e-3)):  # a training in two processes is rounded otherwise
        shared, expected = (load_record(folder / "records" / "digits" / name / "seed-0.json") for folder in (two, one))
        assert [each.step for each in shared.evaluations] == [each.step for each in expected.evaluations]
        for metric, score in shared.scores.items():
            assert score.value == pytest.approx(expected.scores[metric].value, rel=rel), (name, metric)


@pytest.mark.slow
def test_an_extractor_that_fails_in_one_process_fails_its_job_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEN", str(tmp_path / "seen-"))
    failing = COUNTING.replace(
        "    with open", "    if len(images) == 200:\n        raise ValueError('no such batch')\n    with open"
    )
    (tmp_path / "counting.py").write_text(failing)
    suite = tmp_path / "two.toml"
    suite.write_text(f"""
variants = ["real"]
seeds = 1
steps = 1
[datasets.digits]
samples = 200
metrics = ["fd"]
extractor = "{tmp_path / "counting.py"}"
[datasets.ring-8]
samples = 300
""")
    ours = torchrun("-m", "ganbench", "run", str(suite), "--device", "cpu", "--out", str(tmp_path / "out"))
    # The one batch of 200 is the second process's.
    _, stderr = ours.communicate(timeout=300)
    assert "digits/real failed: ValueError: no such batch" in stderr
    assert load_record(tmp_path / "out/records/digits/real/seed-0.json").status == "failed"
    assert load_record(tmp_path / "out/records/ring-8/real/seed-0.json").status == "ok"
    assert "in extract" in (tmp_path / "out/logs/digits/real.log").read_text()
