"""The command line: clean stdout, exit codes, one sentence for what a user can cause."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from made_records import made_record
from typer.testing import CliRunner

from ganbench import registry
from ganbench.cli import main
from ganbench.cli.app import app
from ganbench.cli.console import command_line
from ganbench.errors import UsageError
from ganbench.harness.claim import claim

HEAVY = ("torch", "torchvision", "sklearn", "scipy", "pandas", "matplotlib", "joblib")


def ganbench(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ganbench", *arguments], capture_output=True, text=True, cwd=cwd, check=False)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["list", "variants"], ["list", "suites", "--json"], ["--version"]]
)
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    heavy = (*HEAVY, "pydantic", "rich.markdown") if arguments == ["--help"] else HEAVY
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['ganbench', *{arguments!r}]\n"
        "try:\n    runpy.run_module('ganbench', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
    assert done.stdout


@pytest.mark.parametrize("own", [{}, {"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}])
def test_torch_threads_soon_let_go_of_cores_unless_the_user_chose(own: dict[str, str]) -> None:
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    code = (
        "import os, sys, atexit; from ganbench.cli import main; sys.argv = ['ganbench', '--version'];"
        f"atexit.register(lambda: print([os.environ.get(name) for name in {names}])); main()"
    )
    clean = {name: value for name, value in os.environ.items() if name not in names}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean | own)
    wanted = [own.get(name) for name in names] if own else [None, "3000"]
    assert result.stdout.splitlines()[-1] == str(wanted)


def test_list_gives_names_papers_and_families() -> None:
    rows = json.loads(ganbench("list", "variants", "--json").stdout)
    assert {row["name"] for row in rows} == set(registry.entries("variants"))
    assert all({"name", "paper", "family"} <= row.keys() for row in rows)
    assert {row["name"] for row in rows if row["family"] == "control"} == {"real", "memorizer", "noise"}


@pytest.mark.parametrize("kind", ["datasets", "metrics", "extractors"])
def test_list_shows_what_is_registered(kind: str) -> None:
    rows = json.loads(ganbench("list", kind, "--json").stdout)
    assert [row["name"] for row in rows] == list(registry.entries(kind))
    plain = ganbench("list", kind).stdout
    assert all(row["name"] in plain for row in rows)


SMALL = """
variants = ["nsgan", "real"]
seeds = 2
steps = 5
samples = 64
[datasets.ring-8]
[overrides.nsgan]
batch_size = 16
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "small.toml").write_text(SMALL)
    return folder / "out", ganbench("run", "small.toml", "--out", "out", "--workers", "0", "--json", cwd=folder)


def test_run_prints_one_json_document(results: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    done = results[1]
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [(r["variant"]["name"], r["seed"], r["status"]) for r in document["records"]] == [
        ("nsgan", 0, "ok"),
        ("nsgan", 1, "ok"),
        ("real", 0, "ok"),
        ("real", 1, "ok"),
    ]
    assert document["records"][0]["scores"]["fd-points"]["value"] > 0
    assert document["records"][0]["command"].startswith("ganbench run small.toml")
    assert Path(document["report"]).read_text().startswith("<!doctype html>") or Path(document["report"]).is_file()
    assert "ring-8/nsgan: done" in done.stderr


def test_table_prints_one_document_of_each_format(results: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ = results
    done = ganbench("table", str(out), "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)
    runner = CliRunner()
    for format, mark in (("md", "| nsgan"), ("csv", "nsgan,"), ("latex", r"\toprule"), ("html", "<table"), ("text", "nsgan")):
        assert mark in runner.invoke(app, ["table", str(out), "--format", format]).stdout


def test_score_a_checkpoint_prints_scores_and_protocol(results: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ = results
    checkpoint = out / "checkpoints" / "ring-8" / "nsgan" / "seed-0.safetensors"
    done = ganbench("score", str(checkpoint), "--reference", "ring-8", "--n", "64", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    record = json.loads((out / "records" / "ring-8" / "nsgan" / "seed-0.json").read_text())
    # The same generator, the same seed's latents, the same reference: the record's number.
    assert document["scores"]["fd-points"]["value"] == pytest.approx(record["scores"]["fd-points"]["value"], rel=1e-9)
    assert document["protocol"]["reference"]["hash"] == record["protocol"]["reference"]["hash"]


def test_dry_run_prints_the_plan_and_writes_nothing(results: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ = results
    done = ganbench("run", "small.toml", "--out", "other", "--dry-run", "--json", cwd=out.parent)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [(job["variant"], job["to_run"]) for job in document["jobs"]] == [("nsgan", [0, 1]), ("real", [0, 1])]
    assert document["seconds_estimate"] > 0
    assert not (out.parent / "other").exists()
    told = ganbench("run", "small.toml", "--out", "other", "--dry-run", "--workers", "0", cwd=out.parent)
    assert "of training in this process, with " in told.stdout
    assert "0 workers" not in told.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "dmo"], 2, "no suite called 'dmo'; did you mean demo?"),
        (["run", "nowhere.toml"], 3, "no suite file nowhere.toml"),
        (["run", "mnist"], 3, "--data-root"),
        (["run", "mnist", "--data-root", "nowhere"], 3, "nowhere"),
        (["run", "digits", "--seeds", "four"], 2, "--seeds four"),
        (["run", "digits", "--seeds", "0"], 2, "seeds = 0 is not right"),
        (["run", "digits", "--seeds", "3,1,3"], 2, "the seed 3 is named twice"),
        (["run", "digits", "--variants", "wgan-pg"], 2, "did you mean wgan-gp?"),
        (["run", "digits", "--variants", "./none.py"], 3, "none.py"),
        (["run", "digits", "--variants", ","], 2, "variants"),
        (["run", "digits", "--device", "tpu"], 2, "--device tpu is not known"),
        (["run", "digits", "--samples", "601"], 2, "601"),
        (["run", "digits", "--out", "/dev/null/x"], 2, "cannot be written"),
        (["run", "digits", "--extractor", "inception-v3-compat", "--weights", "none.pth"], 3, "none.pth"),
        (["table", "nowhere"], 3, "nowhere"),
        (["table", ""], 2, "names no file or folder"),
        (["validate", ""], 2, "'' names no file or folder"),
        (["verify", " "], 2, "' ' names no file or folder"),
        (["show", "wgan-gp", "--records", ""], 2, "names no file or folder"),
        (["score", "nowhere.npz", "--reference", "digits"], 3, "nowhere.npz"),
        (["score", "digits:test", "--reference", "ring-8"], 2, "compare samples of one shape"),
        (["score", "digits:test", "--reference", "digits", "--n", "601"], 2, "601 samples are asked of"),
        (["list", "variant"], 2, "variant"),
        (["nothing"], 2, "nothing"),
    ],
)
def test_what_a_user_can_cause(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ganbench", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    assert end.value.code == code, err
    assert words in " ".join(err.split())
    assert out == ""


def test_an_error_is_one_sentence_without_a_traceback() -> None:
    done = ganbench("run", "dmo")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: There is no suite called 'dmo'; did you mean demo?\n"


def test_an_error_that_quotes_a_record_is_one_line_that_no_terminal_obeys(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise UsageError("There is no score 'a\nb\x1b[2J'; name another.")

    monkeypatch.setattr("ganbench.cli.app.app", fail)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "Error: There is no score 'a b [2J'; name another.\n"


def test_a_command_that_is_stopped_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["ganbench", "list", "variants"])
    monkeypatch.setattr("ganbench.registry.entries", stop)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "Stopped. The same command goes on from what is saved.\n")


@pytest.mark.parametrize("made_of_it", ["SystemExit(130)", "RecursionError", "ImportError"])
def test_a_sigterm_is_one_whatever_a_library_makes_of_it(made_of_it: str) -> None:
    code = f"""
import os, signal
from ganbench.cli import main
def swallow():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    except KeyboardInterrupt:
        raise {made_of_it}
main.__globals__['_run'] = swallow
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (143, "Stopped. The same command goes on from what is saved.\n")


@pytest.mark.slow
def test_a_run_that_is_terminated_ends_its_workers(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ganbench", "run", "ring-8", "--variants", "nsgan", "--steps", "50000", "--workers", "1"]
    command += ["--out", str(tmp_path)]
    run = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    status = tmp_path / "progress" / "ring-8" / "nsgan.json"
    until = time.monotonic() + 120
    while not (status.exists() and "training" in status.read_text()):
        assert time.monotonic() < until, "the job never trained"
        time.sleep(0.05)
    run.terminate()
    time.sleep(0.02)
    os.killpg(run.pid, signal.SIGTERM)  # as `timeout` does: to the process, then to its group
    stdout, stderr = run.communicate(timeout=60)
    assert (run.returncode, stdout) == (143, "")
    assert stderr.splitlines()[-1] == "Stopped. The same command goes on from what is saved."
    assert "leaked" not in stderr
    assert "failed" not in status.read_text()
    with claim(tmp_path):  # no worker holds the folder
        pass


def test_a_command_line_with_bytes_that_are_no_text_goes_into_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["ganbench", "run", "ring-8", "--out", "runs/\udcff"])
    assert json.loads(made_record(command=command_line()).to_json())["command"] == "ganbench run ring-8 --out 'runs/?'"


def test_a_record_of_a_newer_schema(results: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    out, _ = results
    record = json.loads((out / "records" / "ring-8" / "nsgan" / "seed-0.json").read_text())
    (tmp_path / "new.json").write_text(json.dumps({**record, "schema": 2}))
    done = ganbench("table", str(tmp_path / "new.json"))
    assert done.returncode == 4
    assert "schema 2, newer than 1" in done.stderr


def test_doctor_says_what_works() -> None:
    done = ganbench("doctor", "--json")
    checks = {check["what"]: check for check in json.loads(done.stdout)}
    assert checks["torch"]["ok"]
    assert done.returncode == (0 if all(check["ok"] for check in checks.values()) else 1)
