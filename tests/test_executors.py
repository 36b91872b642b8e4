"""Executors: the same jobs give the same records wherever they run, and a worker that dies costs a try."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from ganbench.errors import UsageError
from ganbench.harness import cluster
from ganbench.harness.claim import claim, holds
from ganbench.harness.cluster import LostError, Rules, follow
from ganbench.harness.executor import Executor, Failure, attempt
from ganbench.harness.harness import Finished, prepare, run_suite
from ganbench.harness.job import status_path
from ganbench.harness.plan import Job, Setting
from ganbench.harness.progress import read_status
from ganbench.harness.ray_jobs import RayJobs
from ganbench.harness.slurm_jobs import SlurmJobs
from ganbench.harness.suite import Suite, parse_suite
from ganbench.harness.workers import Crew

QUIET = Console(quiet=True)
STEPS = 12

# Writes a line a step, and kills its process at step 6 where a file says so, once.
MORTAL = '''
"""nsgan whose process is killed once, half way."""
import contextlib, dataclasses, os, signal
from pathlib import Path
from ganbench.registry import find
from ganbench.variant import Phase, Variant

BASE = find("variants", "nsgan").load()
HERE = Path(__file__).parent

def objective(networks, batch):
    with (HERE / "steps").open("a") as file:
        file.write("step\\n")
    if (HERE / "kill").exists() and len((HERE / "steps").read_text().split()) > {half}:
        with contextlib.suppress(FileNotFoundError):
            (HERE / "kill").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
    return BASE.phases[1].objective(networks, batch)

VARIANT = Variant(
    name="mortal", family="test", paper="none", networks=BASE.networks,
    phases=(BASE.phases[0], Phase("g", ("generator",), objective)),
    recipe=dataclasses.replace(BASE.points or BASE.recipe, batch_size=16),
)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("executors")
    (made / "mortal.py").write_text(MORTAL.format(half=STEPS // 2))
    return made


@pytest.fixture(scope="module")
def local(folder: Path) -> Finished:
    """What the local executor makes of the suite, with nothing killed."""
    finished = run(Crew(0, 1), folder, "local")
    assert len((folder / "steps").read_text().split()) == 2 * STEPS
    return finished


def suite(folder: Path, controls: tuple[str, ...]) -> Suite:
    return parse_suite(
        {
            "name": "small",
            "variants": [str(folder / "mortal.py"), *controls],
            "seeds": 2,
            "steps": STEPS,
            "samples": 64,
            "datasets": {"ring-8": {}, "digits": {}},  # points in whole numbers, images whose distances are of linear algebra
        },
        "test",
    )


def run(executor: Executor, folder: Path, name: str, controls: tuple[str, ...] = ("real", "noise")) -> Finished:
    setting = Setting(out=folder / name, checkpoint_seconds=0.0)
    (folder / "steps").write_text("")
    return run_suite(prepare(suite(folder, controls), setting), setting, executor, QUIET)


def same_records(folder: Path, name: str, found: Finished, wanted: Finished) -> None:
    assert [failure.message for failure in found.failures] == []
    named = {record.variant.name for record in found.records}
    expected = [record for record in wanted.records if record.variant.name in named]
    assert [r.fingerprint for r in found.records] == [r.fingerprint for r in expected]
    files = [path for path in (folder / name / "records").rglob("*") if path.is_file()]
    assert len(files) == len(expected), "a record stands twice, or is missing"
    assert {read_status(path).stage for path in (folder / name / "progress").rglob("*.json")} == {"done"}


@pytest.mark.slow
def test_ray_makes_the_same_records_though_a_worker_is_killed(folder: Path, local: Finished, capfd: pytest.CaptureFixture) -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install 'ganbench[ray]'")
    (folder / "kill").touch()
    found = run(RayJobs(threads=1, at_once=2), folder, "ray")
    assert not (folder / "kill").exists(), "no worker was killed"
    assert len((folder / "steps").read_text().split()) <= 2 * STEPS + 2, "the job began again, not from its state"
    same_records(folder, "ray", found, local)
    assert capfd.readouterr().out == ""


@pytest.mark.slow
def test_submitit_makes_the_same_records_though_a_worker_is_killed(
    folder: Path, local: Finished, capfd: pytest.CaptureFixture
) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed: pip install 'ganbench[slurm]'")
    (folder / "kill").touch()
    found = run(SlurmJobs(threads=1, cluster="local", at_once=2), folder, "slurm", controls=())
    assert not (folder / "kill").exists(), "no worker was killed"
    assert len((folder / "steps").read_text().split()) <= 2 * STEPS + 2, "the job began again, not from its state"
    same_records(folder, "slurm", found, local)
    assert capfd.readouterr().out == ""


class Fake:
    """A cluster that has every job done at once, but for those that it is told to lose, so often."""

    def __init__(self, losing: dict[str, int]) -> None:
        self.losing = losing
        self.batches: list[int] = []
        self.running = self.most = 0
        self.done = True
        self.cancelled: list[str] = []

    def submit(self, given: list[Job]) -> list[cluster.Submitted]:
        self.batches.append(len(given))
        self.running += len(given)
        self.most = max(self.most, self.running)
        return [Task(self, job) for job in given]


class Task:
    def __init__(self, fake: Fake, job: Job) -> None:
        self.fake, self.job = fake, job

    def done(self) -> bool:
        return self.fake.done

    def outcome(self) -> Failure | None:
        self.fake.running -= 1
        if self.fake.losing.get(self.job.name, 0):
            self.fake.losing[self.job.name] -= 1
            raise LostError("killed")
        return None

    def cancel(self) -> None:
        self.fake.cancelled.append(self.job.name)


def jobs(out: Path, count: int) -> tuple[list[Job], Setting]:
    """Jobs of a control that has nothing to train, each under a name of its own."""
    setting = Setting(out=out)
    content = {"name": "small", "variants": ["noise"], "seeds": 1, "steps": 1, "samples": 64, "datasets": {"ring-8": {}}}
    (job,) = prepare(parse_suite(content, "test"), setting).jobs
    return [replace(job, name=f"noise-{index}") for index in range(count)], setting


def ignore(*_: object) -> None:
    """A tick, or what happens on a failure, where the test does not care."""


def test_a_lost_job_is_tried_again_so_often_and_no_more(tmp_path: Path) -> None:
    some, setting = jobs(tmp_path, 3)
    fake, failures = Fake({"noise-1": 2, "noise-2": 3}), list[Failure]()
    follow(some, setting, fake.submit, Rules(at_once=None, retries=2), ignore, failures.append)
    assert fake.batches == [3, 2, 2]
    assert [failure.job.name for failure in failures] == ["noise-2"]
    assert failures[0].message.startswith("its worker was lost 3 times (killed); run the same command again")
    assert "try 3 of 3" in read_status(status_path(some[1], setting)).message


def test_no_more_jobs_at_once_than_asked(tmp_path: Path) -> None:
    some, setting = jobs(tmp_path, 5)
    fake = Fake({})
    follow(some, setting, fake.submit, Rules(at_once=2, retries=0), ignore, ignore)
    assert fake.most == 2
    assert sum(fake.batches) == 5


def test_jobs_are_submitted_in_batches_that_slurm_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "BATCH", 2)
    some, setting = jobs(tmp_path, 5)
    fake = Fake({})
    follow(some, setting, fake.submit, Rules(at_once=None, retries=0), ignore, ignore)
    assert fake.batches == [2, 2, 1]


def test_a_lost_job_whose_records_are_whole_is_done(tmp_path: Path) -> None:
    some, setting = jobs(tmp_path, 1)
    job = replace(some[0], name="noise")
    assert attempt(job, setting, 1) is None
    fake, failures = Fake({"noise": 1}), list[Failure]()
    follow([job], setting, fake.submit, Rules(at_once=None, retries=1), ignore, failures.append)
    assert (fake.batches, failures) == ([1], [])


def test_what_is_left_is_cancelled_when_the_run_is_stopped(tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    some, setting = jobs(tmp_path, 2)
    fake = Fake({})
    fake.done = False
    with pytest.raises(KeyboardInterrupt):
        follow(some, setting, fake.submit, Rules(at_once=None, retries=1), stop, ignore)
    assert fake.cancelled == ["noise-0", "noise-1"]


def test_a_folder_is_held_by_the_token_of_its_run(tmp_path: Path) -> None:
    with claim(tmp_path) as first:
        assert holds(tmp_path, first)
        with pytest.raises(UsageError), claim(tmp_path):
            pass
        assert holds(tmp_path, first), "a run that was refused took the folder from the one that holds it"
    assert not holds(tmp_path, first)
    with claim(tmp_path) as second:
        assert holds(tmp_path, second)
        assert not holds(tmp_path, first)
    assert holds(tmp_path, "")


def test_a_worker_that_outlived_its_run_writes_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(code: int) -> None:
        raise KeyboardInterrupt(code)

    monkeypatch.setattr("ganbench.harness.job.os._exit", leave)
    with claim(tmp_path) as token:
        pass
    some, setting = jobs(tmp_path, 1)
    with pytest.raises(KeyboardInterrupt):
        attempt(some[0], replace(setting, token=token), 1)
    assert not some[0].record_path(tmp_path, 0).exists()
    assert attempt(some[0], setting, 1) is None
    assert some[0].record_path(tmp_path, 0).exists()


def test_slurm_without_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed: pip install 'ganbench[slurm]'")
    monkeypatch.setattr("ganbench.harness.slurm_jobs.shutil.which", lambda name: None)
    some, setting = jobs(tmp_path, 1)
    with pytest.raises(UsageError, match="no sbatch here"):
        SlurmJobs(1).run(some, setting, ignore, ignore)


def test_an_address_where_no_ray_answers_is_told_at_once(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install 'ganbench[ray]'")
    some, setting = jobs(tmp_path, 1)
    with pytest.raises(
        UsageError, match=r"Ray cannot be reached at 127.0.0.1:9 \(ConnectionRefusedError: .*give another --address"
    ):
        RayJobs(1, address="127.0.0.1:9").run(some, setting, ignore, ignore)
