"""The options that choose an executor, and what is said of those that cannot be."""

import sys
from pathlib import Path

import pytest

from ganbench.cli import main
from ganbench.cli.executors import Asked, choose_executor
from ganbench.errors import UsageError
from ganbench.harness.ray_jobs import RayJobs
from ganbench.harness.slurm_jobs import SlurmJobs
from ganbench.harness.workers import Crew


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"partition": "gpu"}, "--partition gpu is of --executor slurm, not local"),
        ({"executor": "ray", "minutes": 5}, "--minutes 5 is of --executor slurm, not ray"),
        ({"executor": "slurm", "address": "auto"}, "--address auto is of --executor ray, not slurm"),
        ({"cpus": 2}, "--cpus-per-job 2 is of --executor ray or slurm, not local"),
        ({"executor": "slurm", "gpus": 0.5}, "--gpus-per-job 0.5: Slurm gives whole GPUs"),
    ],
)
def test_options_of_another_executor(asked: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Asked(**asked)


def test_what_the_options_come_to() -> None:
    assert isinstance(choose_executor(Asked(), 3, "cpu"), Crew)
    assert choose_executor(Asked("ray", gpus=0.25, cpus=2), 3, "cuda") == RayJobs(2, 0.25)
    assert choose_executor(Asked("ray"), 3, "cuda") == RayJobs(1, 1.0)
    assert choose_executor(Asked("slurm", retries=0, partition="short"), 3, "cpu") == SlurmJobs(1, 0, partition="short", retries=0)
    assert choose_executor(Asked("slurm", cluster="local", workers=3), 9, "cpu").at_once == 3
    with pytest.raises(UsageError, match="--workers 0 leaves no job to a cluster"):
        choose_executor(Asked("ray", workers=0), 3, "cpu")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--executor", "ray"], "pip install 'ganbench[ray]'"),
        (["--executor", "slurm", "--cluster", "local"], "pip install 'ganbench[slurm]'"),
        (["--executor", "ray", "--device", "cuda:1"], "--device cuda:1 is not for a cluster"),
        (["--executor", "ray", "--device", "cpu", "--gpus-per-job", "1"], "--device cpu does not go with --gpus-per-job 1"),
    ],
)
def test_what_cannot_run_is_one_sentence(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """An extra that is not installed, a device that a cluster does not take: exit code 2, nothing on stdout."""
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "submitit", None)
    given = ["run", "ring-8", "--variants", "noise", "--seeds", "1", "--samples", "64", "--out", str(tmp_path), *arguments]
    monkeypatch.setattr(sys, "argv", ["ganbench", *given])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert words in " ".join(told.err.split())
    assert told.out == ""
