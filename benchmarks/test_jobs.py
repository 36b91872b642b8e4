"""The harness's own time: thousands of jobs whose work is nothing, run and recorded in this process, and seen to be done.

Seconds of the processor stand beside wall seconds: the rest is the disk's and other programs'.

pytest benchmarks/test_jobs.py --benchmark-only -s
"""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from ganbench.clock import utc_now
from ganbench.harness.harness import Prepared, prepare, run_suite
from ganbench.harness.job import status_path
from ganbench.harness.plan import Job, Setting, pending
from ganbench.harness.progress import Reporter
from ganbench.harness.reference import cached_dataset
from ganbench.harness.run import Outcome, make_record
from ganbench.harness.suite import parse_suite
from ganbench.harness.workers import Crew
from ganbench.record import Timing


def record_nothing(job: Job, setting: Setting, threads: int, parent: int | None) -> None:
    """A job that says where it stands as every job does, and writes its record, with no work between."""
    report, dataset = Reporter(status_path(job, setting)), cached_dataset(job.dataset, setting.location)
    for stage in ("loading", "scoring"):
        report.say(stage)
    outcome = Outcome(Timing(train_seconds=0.0, stacked_seeds=1, finished_at=utc_now()))
    for seed in job.seeds:
        make_record(job, setting, dataset, seed, "ok", outcome).save(job.record_path(setting.out, seed))
    report.say("done")


@pytest.mark.parametrize("count", [1000, 10_000])
def test_jobs_of_nothing(benchmark, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganbench.harness.executor.run_job", record_nothing)
    setting = Setting(out=tmp_path)
    content = {"name": "many", "variants": ["noise"], "seeds": 1, "steps": 1, "samples": 64, "datasets": {"ring-8": {}}}
    prepared = prepare(parse_suite(content, "benchmark"), setting)
    jobs = [replace(prepared.jobs[0], name=f"noise-{number}") for number in range(count)]
    terminal = Console(file=(tmp_path / "terminal").open("w"), force_terminal=True)
    begun = time.process_time()
    all_of_them = Prepared(jobs, jobs, prepared.datasets)
    finished = benchmark.pedantic(run_suite, args=(all_of_them, setting, Crew(0, 1), terminal), rounds=1)
    busy = time.process_time() - begun
    assert len(finished.records) == count
    assert not finished.failures
    monkeypatch.undo()
    for job in jobs[::2]:
        job.record_path(tmp_path, 0).unlink()
    begun = time.perf_counter()
    left = [job for job in jobs if pending(job, setting)]
    seen = time.perf_counter() - begun
    assert len(left) == count // 2
    wall, busy = 1000 * benchmark.stats.stats.min / count, 1000 * busy / count
    print(f"\n{count} jobs: {wall:.1f} ms a job, {busy:.1f} of the processor; half done seen in {seen:.2f} s")
