"""Precision, recall, density and coverage of 2048 features on one core: times as ratios, and memory beyond the features.

    pytest benchmarks/test_neighbours.py --benchmark-only -s
    GANBENCH_NEIGHBOURS_N=2000 pytest benchmarks/test_neighbours.py --benchmark-only -s -m "not slow"

Every tool runs in a process of its own, pinned to one core. Ours gives all four values and Kynkaanniemi's precision and recall;
prdc gives the four, torch-fidelity the two. Memory is the largest the process ever held less what it held before the call.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COUNT = int(os.environ.get("GANBENCH_NEIGHBOURS_N", "10000"))
TOOLS = ("ours", "torch-fidelity", "prdc")
RESULTS: dict[str, dict[str, float]] = {}


def measure(tool: str, count: int) -> dict[str, float]:
    """CPU and wall seconds, MiB beyond the features, and the values, of one tool in a fresh process."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__)), tool, str(count)]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


@pytest.mark.parametrize("tool", TOOLS)
def test_time_and_memory(benchmark, tool: str) -> None:
    result = benchmark.pedantic(measure, args=(tool, COUNT), rounds=1)
    RESULTS[tool] = result
    benchmark.extra_info |= result
    print(f"\n{tool}, N = {COUNT}: {result}")
    if tool != "ours" and "ours" in RESULTS:
        ratio = result["cpu_seconds"] / RESULTS["ours"]["cpu_seconds"]
        benchmark.extra_info["times_ours"] = ratio
        print(f"{tool} takes {ratio:.2f} times as long as ours")


@pytest.mark.slow
def test_fifty_thousand(benchmark) -> None:
    result = benchmark.pedantic(measure, args=("ours", 50_000), rounds=1)
    benchmark.extra_info |= result
    print(f"\nours, N = 50000: {result}")


def child(tool: str, count: int) -> dict[str, float]:
    """Runs in the fresh process."""
    import resource
    import time

    import torch

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    run = {"ours": ours, "torch-fidelity": torch_fidelity, "prdc": prdc}[tool]
    reference, samples = features(count, 0), features(count, 1)
    run(reference[:300], samples[:300])  # imports, and buffers that libraries keep
    before = resident()
    wall, cpu = time.perf_counter(), time.process_time()
    values = run(reference, samples)
    seconds = {"cpu_seconds": time.process_time() - cpu, "wall_seconds": time.perf_counter() - wall}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return seconds | {"extra_mib": peak - before} | values


def resident() -> float:
    """MiB that the process holds now. Its largest so far is no larger but for the features' last block."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def features(count: int, side: int):
    """(N, 2048) float32, not negative, of a spectrum that falls like Inception's; 256 directions hold no variance."""
    import torch

    made = torch.empty(count, 2048)
    shared = torch.Generator().manual_seed(7)
    rotation = torch.linalg.qr(torch.randn(2048, 1792, generator=shared)).Q.T.contiguous()
    spread = torch.arange(1, 1793) ** -0.6 * (1.0 if side == 0 else 0.93)
    draws = torch.Generator().manual_seed(side)
    for block in made.split(1000):
        torch.mm(torch.randn(len(block), 1792, generator=draws) * spread, rotation, out=block)
        block += 0.4
    return made


def ours(reference, samples) -> dict[str, float]:
    from ganbench.neighbours import KYNKAANNIEMI, NAEEM, compare

    found = compare(reference, samples, (KYNKAANNIEMI, NAEEM))
    two, four = found[KYNKAANNIEMI], found[NAEEM]
    kynkaanniemi = {"precision_3": two.precision, "recall_3": two.recall}
    return kynkaanniemi | {name: getattr(four, name) for name in ("precision", "recall", "density", "coverage")}


def torch_fidelity(reference, samples) -> dict[str, float]:
    from torch_fidelity import metric_prc

    found = metric_prc.prc_features_to_metric(samples, reference, prc_neighborhood=3, prc_batch_size=10_000, verbose=False)
    return {"precision_3": found["precision"], "recall_3": found["recall"]}


def prdc(reference, samples) -> dict[str, float]:
    from prdc import compute_prdc

    return {name: float(value) for name, value in compute_prdc(reference.numpy(), samples.numpy(), nearest_k=5).items()}


if __name__ == "__main__":
    print(json.dumps(child(sys.argv[1], int(sys.argv[2]))))
