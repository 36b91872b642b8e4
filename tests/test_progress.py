"""Progress of many jobs: what is read again, how often, and which jobs are shown."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from ganbench.harness.progress import Display, Reporter, Status, read_status, status_table

QUIET = Console(quiet=True)


def test_only_changed_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With thousands of jobs, reading every job's file each time would take longer than the jobs."""
    read: list[Path] = []
    monkeypatch.setattr("ganbench.harness.progress.read_status", lambda path: (read.append(path), read_status(path))[1])
    paths = {str(number): tmp_path / f"{number}.json" for number in range(50)}
    reporters = [Reporter(path) for path in paths.values()]
    with Display(QUIET, paths) as display:
        for reporter in reporters:
            reporter.say("training")
        for count, change in ((50, None), (50, None), (51, "scoring"), (52, "done"), (52, "failed")):
            if change:
                reporters[7].say(change)
            display._due = 0.0
            display.refresh()
            assert len(read) == count, change
    assert display.statuses["7"].stage == "done"


def test_a_pass_over_many_items_says_how_far_it_is(tmp_path: Path) -> None:
    reporter, heard = Reporter(tmp_path / "job.json"), io.StringIO()
    display = Display(Console(file=heard, width=80), {"mine": reporter.path})
    for stage, done in (("loading", 256), ("training", 0), ("scoring", 512)):
        reporter.counts(stage)("features", done, 1000)
        display._due = 0.0
        display.refresh()
    assert heard.getvalue().splitlines() == [
        "mine: loading, 256 of 1000 items",
        "mine: training, step 0/1000",
        "mine: scoring, 512 of 1000 items",
    ]


def test_a_refresh_takes_a_tenth_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scans: list[float] = []
    now = 100.0

    def slow_scan(self: Display) -> list[str]:
        nonlocal now
        now += 3.0
        scans.append(now)
        return []

    monkeypatch.setattr("ganbench.harness.progress.time.monotonic", lambda: now)
    monkeypatch.setattr(Display, "_read", slow_scan)
    display = Display(QUIET, {})
    for _ in range(200):
        display.refresh()
        now += 0.25
    assert len(scans) == 2


def test_the_table_of_many_jobs_shows_those_at_work() -> None:
    statuses = {f"job-{number}": Status(stage="done") for number in range(100)}
    statuses |= {"last": Status(stage="training"), "bad": Status(stage="failed")}
    table = status_table(statuses, height=4)
    assert list(table.columns[0].cells) == ["last", "bad", "job-0", "job-1"]
    assert table.caption == "101 of 102 jobs done, 98 not shown"
