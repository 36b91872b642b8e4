"""What the harness adds to the calls that a program without one would make: 20 jobs, in this process.

The bare calls are: loading the data and the extractor, the features of what is scored against, building and training the networks,
drawing samples and scoring them. They are clocked inside the run itself, in seconds of the processor, so that both parts of the
ratio see the same machine. The rest is the harness: plans, progress, training states, curves, pictures, checkpoints, what sampling
costs, records and their reading. GANBENCH_BENCH_STEPS sets the steps of each job (default 200, which are few: the rest counts the
more).

pytest benchmarks/test_overhead.py --benchmark-only -s
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ganbench.harness import harness, job, run
from ganbench.harness.harness import prepare, run_suite
from ganbench.harness.plan import Setting
from ganbench.harness.suite import parse_suite
from ganbench.harness.workers import Crew
from ganbench.train import Training

STEPS = int(os.environ.get("GANBENCH_BENCH_STEPS", "200"))
VARIANTS = ["gan", "nsgan", "lsgan", "hinge", "wgan", "wgan-gp", "sngan", "pacgan2", "r1", "vae"]
BARE = [
    (harness, "cached_dataset"),
    (harness, "cached_extractor"),
    (job, "prepare_run"),
    (job, "draw_samples"),
    (Training, "__init__"),
    (Training, "advance"),
    (Training, "generator"),
    (run.Run, "score"),
]


class Clock:
    """Seconds of the processor inside the functions that it wraps, each second once."""

    def __init__(self) -> None:
        self.seconds, self._inside = 0.0, False

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def clocked(*args: Any, **named: Any) -> Any:
            if self._inside:
                return function(*args, **named)
            self._inside, begun = True, time.process_time()
            try:
                return function(*args, **named)
            finally:
                self.seconds += time.process_time() - begun
                self._inside = False

        return clocked


def test_twenty_jobs(benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    for place, name in BARE:
        monkeypatch.setattr(place, name, clock.wrap(getattr(place, name)))
    content = {
        "name": "overhead",
        "variants": VARIANTS,
        "seeds": 2,
        "steps": STEPS,
        "datasets": {"ring-8": {"recipe": {"batch_size": 256}}, "digits": {}},
    }

    def whole() -> float:
        begun, setting = time.process_time(), Setting(out=tmp_path)
        finished = run_suite(prepare(parse_suite(content, "benchmark"), setting), setting, Crew(0, 1), Console(quiet=True))
        assert [record.status for record in finished.records] == ["ok"] * 40
        assert not finished.failures
        return time.process_time() - begun

    seconds = benchmark.pedantic(whole, rounds=1)
    over = seconds / clock.seconds - 1
    benchmark.extra_info["over_bare_calls"] = over
    print(f"\n20 jobs of {STEPS} steps and 2 seeds: {seconds:.1f} s, {100 * over:.1f} % over the bare calls' {clock.seconds:.1f} s")
