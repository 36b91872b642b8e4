"""`ganbench time`: its records agree with themselves, are kept apart by device, and are shown beside runs."""

import json
import math
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_records import made_record
from typer.testing import CliRunner

from ganbench import registry
from ganbench.cli.app import app
from ganbench.dataset import Location
from ganbench.errors import GanbenchError, MissingDataError, UsageError
from ganbench.harness.claim import claim
from ganbench.harness.plan import Setting
from ganbench.harness.reference import cached_dataset
from ganbench.harness.rounds import FEWEST, ROUNDS, Timing, alone, in_turns, time_rounds
from ganbench.harness.time_variants import VariantTask
from ganbench.harness.timing import jobs_on, suite_for
from ganbench.leaderboard.validate_times import time_faults
from ganbench.times import MetricTimes, Spread, VariantTimes, load_all, load_times, place_of
from ganbench.variant import Control, Space

ROOT = Path(__file__).parents[1]
SMALL = ["time", "--variants", "nsgan", "--datasets", "ring-8", "--metrics", "fd,modes", "--rounds", "1", "--threads", "1"]


def time_it(out: Path, *arguments: str):
    return CliRunner().invoke(app, [*SMALL, "--out", str(out), *arguments])


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """One variant and two metrics, timed for a round each, and what the command printed."""
    out = tmp_path_factory.mktemp("timed")
    done = time_it(out, "--json")
    assert done.exit_code == 0, done.exception
    return out, json.loads(done.stdout)


BROKEN_VARIANT = """
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.variant import Recipe

def loss(D, batch):
    raise RuntimeError("so it is")

VARIANT = adversarial(
    name="broken", family="loss", paper="", networks=build.networks, d_loss=loss, g_loss=loss, recipe=Recipe()
)
"""


# What is measured


def test_a_variant_and_a_metric_leave_records_that_agree_with_themselves(timed: tuple[Path, dict]) -> None:
    out, printed = timed
    runs, times = load_all([out])
    assert runs == []
    assert len(times) == 4
    assert {each.kind for each in times} == {"variant", "metric"}
    for record in times:
        assert list(time_faults(record, out / place_of(record))) == []
        assert (out / place_of(record)).is_file()
        assert record.model_dump(mode="json") in printed["records"]
    for record in (each for each in times if isinstance(each, VariantTimes)):
        assert record.images_per_second == pytest.approx(record.images_per_step * record.seeds / record.step.median, rel=1e-12)
        assert record.samples_per_second == pytest.approx(256 / record.batch.median, rel=1e-12)
        assert (record.step.rounds, record.diverged_seeds, record.executed) == (1, 0, "eager")
        assert record.peak_memory_bytes is None  # a CPU
        assert record.specification["suite"] == "ring-8"
    for record in (each for each in times if isinstance(each, MetricTimes)):
        assert record.images_per_second == pytest.approx(record.samples.count / record.extraction.median, rel=1e-12)
        assert record.reference.hash == record.dataset.train_hash


def test_seconds_are_those_of_work_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of its own that work moves on: the burn-in is not counted, and setting up is not either."""
    now = 0.0
    works = iter([100.0, 3.0, 1.0, 2.0])

    def wait(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("time.perf_counter", lambda: now)
    assert alone(time_rounds(lambda: wait(50.0), lambda _: wait(next(works)), "cpu", 3)) == [3.0, 1.0, 2.0]
    assert len(alone(time_rounds(lambda: None, lambda _: wait(1e-9), "cpu"))) == ROUNDS
    assert len(alone(time_rounds(lambda: None, lambda _: wait(9.0), "cpu"))) == FEWEST
    assert len(alone(time_rounds(lambda: None, lambda _: wait(9.0), "cpu", 7))) == 7


def test_timings_take_turns_and_one_that_fails_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is ten times as slow in its middle; both timings see that, so that their ratio stays 2."""
    now, worked = 0.0, []

    def work(seconds: float) -> None:
        nonlocal now
        now += seconds * (10 if 4 <= len(worked) < 8 else 1)
        worked.append(seconds)

    def fails() -> Timing[list[float]]:
        yield
        raise RuntimeError("so it is")

    monkeypatch.setattr("time.perf_counter", lambda: now)
    timings = {
        name: time_rounds(lambda: None, lambda _, own=own: work(own), "cpu", 5) for name, own in (("one", 1.0), ("two", 2.0))
    }
    found = dict(in_turns({**timings, "none": fails()}))
    assert found["one"] == [1.0, 10.0, 10.0, 1.0, 1.0]
    assert found["two"] == [2.0, 20.0, 20.0, 2.0, 2.0]
    assert str(found["none"]) == "so it is"


def test_seeds_of_a_variant_take_turns_on_a_cpu() -> None:
    data = cached_dataset("ring-8", Location())
    (job,) = jobs_on("ring-8", data, ["nsgan"])
    for device, turns in (("cpu", 1), ("cuda", 2)):  # on a GPU what one holds would count as the other's memory
        setting = Setting(out=Path("never-written"), device=device)
        assert len({VariantTask(job, data, seeds, setting, 1).turns for seeds in (1, 4)}) == turns


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=30), st.integers(1, 9))
def test_quartiles_are_numpys(seconds: list[float], parts: int) -> None:
    found = Spread.of(seconds, parts)
    expected = np.quantile(np.array(seconds) / parts, [0.0, 0.25, 0.5, 0.75])
    assert [found.fastest, found.first_quartile, found.median, found.third_quartile] == pytest.approx(expected, rel=1e-12)
    assert found.rounds == len(seconds)


def test_rounds_hold_whole_cycles_of_lazy_phases() -> None:
    data = cached_dataset("digits", Location())
    (job,) = jobs_on("digits", data, ["stylegan2"])
    task = VariantTask(job, data, 1, Setting(out=Path("never-written")), 1)
    assert task.cycle == math.lcm(*(phase.every for phase in task.variant.phases)) > 1


def test_a_training_that_is_no_longer_finite_says_so() -> None:
    data = cached_dataset("ring-8", Location())
    (job,) = jobs_on("ring-8", data, ["nsgan"])
    wild = replace(job, recipe=replace(job.recipe, lr=1e30))
    record = alone(VariantTask(wild, data, 2, Setting(out=Path("never-written")), 1).measure())
    assert (record.diverged_seeds, record.step.rounds) == (2, 1)


def test_recipes_are_of_the_suite_that_trains_the_variant_on_the_data_set() -> None:
    for dataset, variant, suite in (
        ("digits", "nsgan", "digits"),  # called like the data set
        ("digits", "pacgan3", "board-images"),  # the first that trains it there, by name
        ("ring-8-wide", "nsgan", "all-points"),
        ("ring-8", "somebodys-own", "ring-8"),
        ("fashion-mnist", "nsgan", None),
    ):
        assert suite_for(dataset, variant) == suite
    data = cached_dataset("digits", Location())
    (job,) = jobs_on("digits", data, ["nsgan"])
    assert (job.suite, job.recipe.lr, job.recipe.batch_size) == ("digits", 1e-3, 32)  # of suites/digits.toml
    (own,) = jobs_on("fashion-mnist", data, ["nsgan"])
    assert own.recipe == registry.find("variants", "nsgan").load().recipe
    assert {job.name for job in jobs_on("fashion-mnist", data, None)} == {job.name for job in jobs_on("digits", data, None)}
    with pytest.raises(UsageError, match="name nsgan twice"):
        jobs_on("digits", data, ["nsgan", "nsgan"])


@pytest.mark.parametrize("dataset", ["digits", "ring-8"])
def test_every_variant_has_a_job_on_what_it_applies_to(dataset: str) -> None:
    data = cached_dataset(dataset, Location())
    for name, entry in registry.entries("variants").items():
        variant = entry.load()
        if isinstance(variant, Control):
            with pytest.raises(UsageError, match="nothing trains"):
                jobs_on(dataset, data, [name])
        elif variant.refuses(Space(data.shape, data.classes, data.inputs)) is None:
            assert [job.name for job in jobs_on(dataset, data, [name])] == [name]


# The command


def test_what_has_a_record_is_not_timed_again_unless_asked(timed: tuple[Path, dict], tmp_path: Path) -> None:
    out = tmp_path / "again"
    shutil.copytree(timed[0], out)
    before = {path: path.read_bytes() for path in out.rglob("times/**/*.json")}
    gone = next(path for path in before if path.name == "seeds-4.json")
    gone.unlink()
    done = time_it(out)
    assert "3 of 4 have a record" in done.stderr
    assert "Training and sampling on" in done.stdout
    after = {path: path.read_bytes() for path in before}
    assert [path for path in before if after[path] != before[path]] == [gone]
    assert time_it(out, "--overwrite").exit_code == 0
    assert all(path.read_bytes() != content for path, content in before.items())


def test_a_record_of_other_settings_is_refused(timed: tuple[Path, dict], tmp_path: Path) -> None:
    shutil.copytree(timed[0], tmp_path / "out")
    path = next((tmp_path / "out").rglob("seeds-1.json"))
    record = load_times(path)
    record.model_copy(update={"specification": record.specification | {"torch": "1.0"}}).save(path)
    done = time_it(tmp_path / "out")
    assert isinstance(done.exception, UsageError)
    assert "torch: 1.0, now" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--variants", "nsgna"], "did you mean nsgan?"),
        (["--datasets", "rign-8"], "did you mean ring-8?"),
        (["--metrics", "mode"], "did you mean modes?"),
        (["--base", "nsgann"], "did you mean nsgan?"),
        (["--variants", "real"], "real is a control"),
        (["--variants", ""], "--variants names none"),
        (["--seeds", "1,x"], "--seeds 1,x"),
        (["--seeds", "0"], "--seeds 0"),
        (["--tf32", "--device", "cpu"], "--tf32 is of CUDA devices"),
        (["--tf32", "--bf16"], "exclude each other"),
        (["--json", "-f", "md"], "exclude each other"),
    ],
)
def test_what_cannot_be_right_is_told_before_any_work(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = time_it(tmp_path, *arguments)
    assert done.stdout == ""
    assert isinstance(done.exception, GanbenchError)
    assert done.exception.exit_code == 2
    assert said in str(done.exception)
    assert not (tmp_path / "times").exists()


def test_one_process_and_one_command_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with claim(tmp_path):
        done = time_it(tmp_path)
    assert isinstance(done.exception, UsageError)
    assert "Another run is writing to" in str(done.exception)
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    done = time_it(tmp_path)
    assert isinstance(done.exception, UsageError)
    assert "start ganbench time without torchrun" in str(done.exception)
    assert not (tmp_path / "times").exists()


@pytest.mark.parametrize("content", ["", '{"schema'])
def test_a_damaged_time_record_is_told_and_not_left_out(content: str, timed: tuple[Path, dict], tmp_path: Path) -> None:
    shutil.copytree(timed[0], tmp_path / "out")
    next((tmp_path / "out").rglob("seeds-1.json")).write_text(content)
    for command in ("validate", "table"):
        done = CliRunner().invoke(app, [command, str(tmp_path / "out")])
        assert done.exit_code != 0
        assert "time it again with --overwrite" in done.output + str(done.exception)
    assert time_it(tmp_path / "out", "--overwrite").exit_code == 0


@pytest.mark.parametrize("home", ["times", "times/x", "plain"])
def test_a_damaged_record_is_told_whatever_its_folder_is_called(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in (0, 1):
        made_record("nsgan", seed).save(tmp_path / home / f"{seed}.json")
    (tmp_path / home / "0.json").write_text('{"schema')
    monkeypatch.chdir(tmp_path)
    for command in (["rank", home], ["show", "nsgan", "--records", home], ["table", str(tmp_path)], ["validate", "."]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code != 0, command
        assert "0.json" in done.output + str(done.exception)


def test_missing_weights_are_told_before_any_work(tmp_path: Path) -> None:
    done = time_it(tmp_path, "--datasets", "digits", "--weights", str(tmp_path / "nowhere.safetensors"))
    assert isinstance(done.exception, MissingDataError)
    assert not (tmp_path / "times").exists()


def test_a_variant_that_fails_costs_its_own_times_alone(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text(BROKEN_VARIANT)
    done = time_it(tmp_path / "out", "--variants", f"nsgan,{file}", "--seeds", "1", "--metrics", "modes", "--json")
    assert isinstance(done.exception, GanbenchError)
    assert done.exception.exit_code == 1
    found = json.loads(done.stdout)
    assert found["failed"] == [{"task": "ring-8/broken, 1 seed", "message": "RuntimeError: so it is"}]
    assert [record["kind"] for record in found["records"]] == ["variant", "metric"]


# make bench


def installed(folder: Path, programs: dict[str, str]) -> None:
    """The Makefile in a folder whose environment is made, with these shell programs in it."""
    (folder / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / ".venv/.installed").touch()
    for name, code in programs.items():
        (folder / ".venv/bin" / name).write_text(f"#!/bin/sh\n{code}\n")
        (folder / ".venv/bin" / name).chmod(0o755)


def outside() -> dict[str, str]:
    """Without what a make that runs the tests leaves in the environment: its own flags, and names of folders in the output."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")
def test_make_bench_compares_once_a_run_is_saved(tmp_path: Path) -> None:
    installed(tmp_path, {"python": "echo this-machine"})

    def make(*arguments: str) -> str:
        command = ["make", "--no-print-directory", "-n", "bench", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=outside(), capture_output=True, text=True, check=True).stdout

    assert "--benchmark-autosave" in make()
    assert "--benchmark-compare" not in make()
    saved = tmp_path / ".benchmarks"
    (saved / "another-machine").mkdir(parents=True)
    (saved / "another-machine/0001_x.json").touch()
    assert "--benchmark-compare" not in make()
    (saved / "this-machine").mkdir()
    (saved / "this-machine/0001_x.json").touch()
    assert "--benchmark-autosave" not in make("BENCH=benchmarks/test_seeds.py")
    assert "--benchmark-compare" in make("BENCH=benchmarks/test_seeds.py")
    assert "--benchmark-compare --benchmark-compare-fail=min:100%" in make()
    assert "--benchmark-compare=0001 --benchmark-compare-fail=min:30%" in make("AGAINST=0001", "BOUND=min:30%")


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")
def test_make_bench_keeps_no_run_that_failed(tmp_path: Path) -> None:
    saved = tmp_path / ".benchmarks/this-machine"
    saved.mkdir(parents=True)
    (saved / "0001_x.json").touch()
    # In place of pytest: it saves a run, and ends as it is told.
    installed(tmp_path, {"python": "echo this-machine", "pytest": "touch .benchmarks/this-machine/$NAME.json; exit $CODE"})
    for name, code in {"0002_x": "1", "0003_x": "0"}.items():
        told = outside() | {"NAME": name, "CODE": code}
        done = subprocess.run(["make", "bench"], cwd=tmp_path, env=told, capture_output=True, text=True, check=False)
        assert (done.returncode != 0) == (code == "1"), done.stderr
    assert sorted(path.name for path in saved.iterdir()) == ["0001_x.json", "0002_x.json.failed", "0003_x.json"]


def test_threads_are_those_that_were_asked_for(timed: tuple[Path, dict]) -> None:
    assert {record["environment"]["threads"] for record in timed[1]["records"]} == {1}
    assert torch.get_num_threads() == 1
