"""KID and the Inception Score on one core, beside torch-fidelity: times as ratios, and the Inception Score's memory.

    pytest benchmarks/test_kernels.py --benchmark-only -s

KID of 2048 features: ours gives the exact value of all rows with its error, and the 100 subsets of 1000; torch-fidelity the subsets
alone. It computes in the features' own type, so that float64 is the comparison of like with like: in float32 its matrix products
take half the time, and the mean and the deviation over subsets come out 1e-3 and 1e-2 off where the distributions are close.
"""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch_fidelity import metric_isc, metric_kid

from ganbench.extractor import Features
from ganbench.metric import Evidence
from ganbench.metrics import inception_score, kid

FEATURES, LOGITS = 2048, 1008
OURS: dict[tuple[str, object], float] = {}


def features(count: int, seed: int, dtype: torch.dtype) -> Tensor:
    """Rows that are positive, as pooled ReLUs are, with a spectrum that falls like 1 / k."""
    draws = torch.Generator().manual_seed(seed)
    spread = torch.arange(1, FEATURES + 1) ** -0.5
    return (torch.randn(count, FEATURES, generator=draws) * spread * (1 + 0.1 * seed)).relu().to(dtype)


def ratio(benchmark, name: str, setting: object, tool: str, function: Callable[[], object], rounds: int) -> None:
    """Time `function` on one core, in CPU seconds, the fastest of some rounds; the other tool's time is given in times of ours."""
    torch.set_num_threads(1)
    seconds = []

    def timed() -> None:
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)

    benchmark.pedantic(timed, rounds=rounds)
    benchmark.extra_info["cpu_seconds"] = min(seconds)
    print(f"\n{name}, {setting}, {tool}: {min(seconds):.2f} s")
    if tool == "ours":
        OURS[name, setting] = min(seconds)
    elif (name, setting) in OURS:
        benchmark.extra_info["times_ours"] = min(seconds) / OURS[name, setting]
        print(f"{tool} takes {min(seconds) / OURS[name, setting]:.2f} times as long as ours")


@pytest.mark.parametrize("tool", ["ours", "torch-fidelity"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("count", [2000, 5000])
def test_kid(benchmark, count: int, dtype: torch.dtype, tool: str) -> None:
    reference, samples = (features(count, seed, dtype) for seed in (0, 1))

    def ours() -> None:
        evidence = Evidence(Features(reference), Features(samples))
        kid.compute(evidence)
        kid.compute_full(evidence)

    def theirs() -> None:
        metric_kid.kid_features_to_metric(samples, reference, verbose=False)

    ratio(benchmark, "kid", (count, str(dtype)), tool, ours if tool == "ours" else theirs, 2 if tool == "ours" else 1)


@pytest.mark.parametrize("tool", ["ours", "torch-fidelity"])
def test_inception_score(benchmark, tool: str) -> None:
    """50,000 rows of 1008 logits, in a process of its own, so that its largest memory is its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    found: dict[str, float] = {}

    def measure() -> None:
        command = [sys.executable, str(Path(__file__)), tool]
        output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        found.update(json.loads(output.splitlines()[-1]))

    benchmark.pedantic(measure, rounds=1)
    benchmark.extra_info |= found
    print(f"\ninception score, {tool}: {found}")
    if tool == "ours":
        OURS["is", 50_000] = found["cpu_seconds"]
    elif ("is", 50_000) in OURS:
        benchmark.extra_info["times_ours"] = found["cpu_seconds"] / OURS["is", 50_000]
        print(f"{tool} takes {benchmark.extra_info['times_ours']:.2f} times as long as ours")


def inception_score_alone(tool: str, rounds: int = 3) -> dict[str, float]:
    """CPU seconds, the fastest of some rounds, the value, and MiB beyond the logits. Runs in a fresh process."""
    torch.set_num_threads(1)
    logits = torch.randn(50_000, LOGITS, generator=torch.Generator().manual_seed(0)).mul_(3)
    evidence = Evidence(None, Features(torch.zeros(50_000, 1), logits))
    inception_score.compute(Evidence(None, Features(torch.zeros(20, 1), logits[:20])))  # loads what is loaded at the first call
    metric_isc.isc_features_to_metric(logits[:20])
    Path("/proc/self/clear_refs").write_text("5")  # the largest memory so far, that of making the logits, is forgotten
    held = largest_mib()
    seconds, value = math.inf, math.nan
    for _ in range(rounds):
        start = time.process_time()
        if tool == "ours":
            value = inception_score.compute(evidence).value
        else:
            value = metric_isc.isc_features_to_metric(logits)[metric_isc.KEY_METRIC_ISC_MEAN]
        seconds = min(seconds, time.process_time() - start)
    more = largest_mib() - held
    return {"cpu_seconds": seconds, "value": value, "mib_beyond_the_logits": more}


def largest_mib() -> float:
    """The most memory that this process has held since it was last asked to forget (Linux)."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


if __name__ == "__main__":
    print(json.dumps(inception_score_alone(sys.argv[1])))
