"""What goes wrong around a job costs that job alone: a worker that does not start, a record that cannot be written."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from joblib.externals.loky.process_executor import BrokenProcessPool
from rich.console import Console

from ganbench.errors import RunFailedError
from ganbench.harness import harness, workers
from ganbench.harness.executor import Failure
from ganbench.harness.harness import prepare, run_suite
from ganbench.harness.plan import Job, Setting
from ganbench.harness.suite import parse_suite
from ganbench.harness.workers import Crew

THREE = {"name": "t", "variants": ["real", "memorizer", "noise"], "datasets": {"ring-8": {"samples": 100}}, "seeds": 1, "steps": 1}


def run(out: Path, crew: Crew) -> dict[str, str]:
    """How each job of three ended."""
    setting = Setting(out=out)
    finished = run_suite(prepare(parse_suite(THREE, "test"), setting), setting, crew, Console(quiet=True))
    told = {failure.job.name: failure.message for failure in finished.failures}
    assert {record.variant.name: record.status for record in finished.records} == {
        name: "failed" if name in told else "ok" for name in THREE["variants"]
    }
    return told


def test_a_worker_that_does_not_start_costs_one_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start, starts = workers._start, []

    def second_time(*settings: object) -> object:
        starts.append(settings)
        if len(starts) == 1:
            raise OSError("no process can be made")
        return start(*settings)

    monkeypatch.setattr(workers, "_start", second_time)
    assert run(tmp_path, Crew(1, 1)) == {"real": "OSError: no process can be made; run the same command again."}


def test_a_worker_that_died_while_it_idled_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = []

    class Dead:
        def submit(self, *_: object) -> None:
            raise BrokenProcessPool("gone")

        def shutdown(self, **_: object) -> None: ...

    class AfterOneJob:
        def __init__(self, real: object) -> None:
            self.real, self.jobs = real, 0

        def submit(self, *work: object) -> object:
            self.jobs += 1
            return self.real.submit(*work) if self.jobs == 1 else Dead().submit()

        def shutdown(self, **how: bool) -> None:
            self.real.shutdown(**how)

    start = workers._start
    monkeypatch.setattr(workers, "_start", lambda *settings: starts.append(1) or AfterOneJob(start(*settings)))
    assert run(tmp_path, Crew(1, 1)) == {}
    assert len(starts) == 3


@pytest.mark.parametrize("broken", [1, 2])
def test_a_slot_that_breaks_leaves_its_jobs_to_the_others(broken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left, counting = [broken], threading.Lock()

    def slots(crew: Crew, device: str) -> list[object]:
        def work(*given: object) -> None:
            with counting:
                left[0] -= 1
                breaks = left[0] >= 0
            if breaks:
                raise RuntimeError("no stream")
            workers._work(*given, threads=1, variables={})

        return [work] * crew.workers

    monkeypatch.setattr(Crew, "_slots", slots)
    told = run(tmp_path, Crew(2, 1))
    assert told == ({} if broken == 1 else dict.fromkeys(THREE["variants"], "RuntimeError: no stream; run the same command again."))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_record_that_cannot_be_written_leaves_the_other_jobs_alone(workers: int, tmp_path: Path) -> None:
    (tmp_path / "records/ring-8").mkdir(parents=True)
    (tmp_path / "records/ring-8/real").touch()
    with pytest.raises(
        RunFailedError, match=r"^ring-8/real failed, and that could not be written down: .*choose another output folder.$"
    ):
        run(tmp_path, Crew(workers, 1))
    assert {path.parent.name for path in (tmp_path / "records").rglob("*.json")} == {"memorizer", "noise"}


class Elsewhere:
    """A cluster that has what this machine lacks, where every job fails."""

    place, at_once = "elsewhere", 1

    def run(self, jobs: list[Job], setting: Setting, tick: Callable[[], None], on_failure: Callable[[Failure], None]) -> None:
        for job in jobs:
            on_failure(Failure(job, "Out of luck; try again."))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_jobs_that_fail_on_a_device_that_is_not_here_leave_records(tmp_path: Path) -> None:
    setting = Setting(out=tmp_path, device="cuda")
    finished = run_suite(prepare(parse_suite(THREE, "test"), setting), setting, Elsewhere(), Console(quiet=True))
    assert [(record.status, record.environment["device"]) for record in finished.records] == [("failed", "cuda")] * 3
    assert "gpu" not in finished.records[0].environment


def test_whatever_goes_wrong_with_a_note_of_a_failure_leaves_the_other_jobs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no driver")

    monkeypatch.setattr(harness, "make_record", broken)
    setting = Setting(out=tmp_path)
    with pytest.raises(RunFailedError, match="RuntimeError: no driver"):
        run_suite(prepare(parse_suite(THREE, "test"), setting), setting, Elsewhere(), Console(quiet=True))
    assert len(list((tmp_path / "progress").rglob("*.json"))) == 3
