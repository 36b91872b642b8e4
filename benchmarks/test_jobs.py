"""The harness's own time: thousands of jobs planned, and thousands whose work is nothing run, recorded and seen to be done.

Seconds of the processor stand beside wall seconds: the rest is the disk's and other programs'. The same jobs go to a Ray cluster of
several nodes, all of them on this machine; GANBENCH_BENCH_JOBS is how many (default 1,000).

pytest benchmarks/test_jobs.py --benchmark-only -s
"""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from ganbench.clock import utc_now
from ganbench.harness.executor import Failure, caught
from ganbench.harness.harness import Prepared, prepare, run_suite
from ganbench.harness.job import status_path
from ganbench.harness.plan import Job, Setting, pending
from ganbench.harness.progress import Reporter
from ganbench.harness.ray_jobs import RayJobs
from ganbench.harness.reference import cached_dataset
from ganbench.harness.run import Outcome, make_record
from ganbench.harness.suite import parse_suite
from ganbench.harness.workers import Crew
from ganbench.record import Timing

JOBS = int(os.environ.get("GANBENCH_BENCH_JOBS", "1000"))
NODES = 3
VARIANT = """
from dataclasses import replace
from ganbench.registry import find

BASE = find("variants", "nsgan").load()
VARIANT = replace(BASE, name="{name}")
"""


def record_nothing(job: Job, setting: Setting, threads: int, parent: int | None) -> None:
    """A job that says where it stands as every job does, and writes its record, with no work between."""
    report, dataset = Reporter(status_path(job, setting)), cached_dataset(job.dataset, setting.location)
    for stage in ("loading", "scoring"):
        report.say(stage)
    outcome = Outcome(Timing(train_seconds=0.0, stacked_seeds=1, finished_at=utc_now()))
    for seed in job.seeds:
        make_record(job, setting, dataset, seed, "ok", outcome).save(job.record_path(setting.out, seed))
    report.say("done")


def nothing_on_ray(job: Job, setting: Setting, threads: int) -> Failure | None:
    """What a worker of the cluster does."""
    return caught(job, setting, lambda: record_nothing(job, setting, threads, None))


def jobs_of_nothing(count: int, setting: Setting) -> Prepared:
    """A plan of `count` jobs with names of their own."""
    content = {"name": "many", "variants": ["noise"], "seeds": 1, "steps": 1, "samples": 64, "datasets": {"ring-8": {}}}
    prepared = prepare(parse_suite(content, "benchmark"), setting)
    jobs = [replace(prepared.jobs[0], name=f"noise-{number}") for number in range(count)]
    return Prepared(jobs, jobs, prepared.datasets)


def see_half(jobs: list[Job], setting: Setting) -> float:
    """The seconds that it takes to see which jobs are done when every second one is not."""
    for job in jobs[::2]:
        job.record_path(setting.out, 0).unlink()
    begun = time.perf_counter()
    left = [job for job in jobs if pending(job, setting)]
    seen = time.perf_counter() - begun
    assert len(left) == len(jobs) // 2
    return seen


@pytest.mark.parametrize("count", [1000, 10_000])
def test_planning(benchmark, count: int, tmp_path: Path) -> None:
    files = [tmp_path / f"made-{number}.py" for number in range(count)]
    for file in files:
        file.write_text(VARIANT.format(name=file.stem))
    content = {"name": "many", "variants": list(map(str, files)), "steps": 1, "samples": 64, "datasets": {"ring-8": {}}}
    setting = Setting(out=tmp_path / "out")
    planned = benchmark.pedantic(lambda: prepare(parse_suite(content, "benchmark"), setting), rounds=1)
    assert len({job.name for job in planned.left}) == count
    print(f"\n{count} jobs of as many variants: planned in {1000 * benchmark.stats.stats.min / count:.2f} ms a job")


@pytest.mark.parametrize("count", [1000, 10_000])
def test_jobs_of_nothing(benchmark, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setting = Setting(out=tmp_path)
    prepared = jobs_of_nothing(count, setting)
    terminal = Console(file=(tmp_path / "terminal").open("w"), force_terminal=True)
    monkeypatch.setattr("ganbench.harness.executor.run_job", record_nothing)
    begun = time.process_time()
    finished = benchmark.pedantic(run_suite, args=(prepared, setting, Crew(0, 1), terminal), rounds=1)
    busy = time.process_time() - begun
    assert len(finished.records) == count
    assert not finished.failures
    monkeypatch.undo()
    seen = see_half(prepared.jobs, setting)
    wall, busy = 1000 * benchmark.stats.stats.min / count, 1000 * busy / count
    print(f"\n{count} jobs: {wall:.1f} ms a job, {busy:.1f} of the processor; half done seen in {seen:.2f} s")


def test_jobs_of_nothing_on_a_cluster(benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'ganbench[ray]'")
    from ray.cluster_utils import Cluster

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the cluster's workers have no benchmarks to import
    monkeypatch.setattr("ganbench.harness.ray_jobs.attempt", nothing_on_ray)
    setting = Setting(out=tmp_path / "out")
    prepared = jobs_of_nothing(JOBS, setting)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        for _ in range(NODES - 1):
            cluster.add_node(num_cpus=1)
        executor = RayJobs(threads=1, address=cluster.address)
        begun = time.process_time()
        finished = benchmark.pedantic(run_suite, args=(prepared, setting, executor, Console(quiet=True)), rounds=1)
        busy = time.process_time() - begun
    finally:
        cluster.shutdown()
    assert len(finished.records) == JOBS
    assert not finished.failures
    seen = see_half(prepared.jobs, setting)
    wall, busy = 1000 * benchmark.stats.stats.min / JOBS, 1000 * busy / JOBS
    print(f"\n{JOBS} jobs on {NODES} nodes: {wall:.1f} ms a job, {busy:.1f} of this process; half done seen in {seen:.2f} s")
