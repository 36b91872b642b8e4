"""What a step of two threads and more costs where other programs have the cores, with torch's way of waiting and with ganbench's.

pytest benchmarks/test_busy_cores.py --benchmark-only -s

Each round is a process of its own, since OpenMP reads how to wait as it starts: 15 steps of a discriminator of 28 pixels,
with as many threads as there are cores, beside as many programs that only count.
"""

import os
import subprocess
import sys

import pytest

from ganbench.cli import app
from ganbench.environment import available_cores

STEPS = """
import sys, time, torch
from ganbench.nets import dcgan, norms

torch.set_num_threads(int(sys.argv[1]))
net = dcgan.discriminator((1, 28, 28), norms.batch)
optimizer = torch.optim.Adam(net.parameters(), 1e-4)
images = torch.randn(64, 1, 28, 28)
for step in range(18):
    if step == 3:
        start = time.perf_counter()
    optimizer.zero_grad()
    net(images).mean().backward()
    optimizer.step()
print((time.perf_counter() - start) / 15)
"""
MEDIANS: dict[tuple[str, str], float] = {}


@pytest.mark.parametrize("others", ["idle", "busy"])
@pytest.mark.parametrize("waits", ["torch", "ganbench"])
def test_steps_beside_other_programs(benchmark, monkeypatch, others: str, waits: str) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    if waits == "ganbench":
        monkeypatch.setattr(os, "environ", os.environ.copy())
        app.share_cores()
    cores, seconds = available_cores(), []

    def steps() -> None:
        call = [sys.executable, "-c", STEPS, str(cores)]
        seconds.append(float(subprocess.run(call, check=True, capture_output=True, text=True, env=dict(os.environ)).stdout))

    count = "while True: pass"
    crowd = [subprocess.Popen([sys.executable, "-c", count]) for _ in range(cores if others == "busy" else 0)]
    try:
        benchmark.pedantic(steps, rounds=5)
    finally:
        for program in crowd:
            program.kill()
            program.wait()
    MEDIANS[waits, others] = sorted(seconds)[2]
    benchmark.extra_info["step_seconds"] = MEDIANS[waits, others]
    print(f"\n{waits}, {others}: {1e3 * MEDIANS[waits, others]:.0f} ms a step", end="")
    if ("torch", others) in MEDIANS:
        print(f", {MEDIANS[waits, others] / MEDIANS['torch', others]:.2f} of torch's", end="")
