"""What a training step costs on a GPU, eager, as a CUDA graph, in tf32 and compiled. The ratios to the eager step are the figure.

pytest benchmarks/test_steps_on_a_gpu.py -m gpu --benchmark-only --benchmark-group-by=param:variant
"""

from pathlib import Path

import pytest
import torch

from ganbench import registry
from ganbench.execution import Execution
from ganbench.harness.harness import prepare
from ganbench.harness.plan import Setting
from ganbench.harness.suite import load_suite
from ganbench.train import Training

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
STEPS = 100  # in one round
HOW = {
    "eager": Execution(graphs=False),
    "graphs": Execution(),
    "graphs-tf32": Execution(tf32=True),
    "graphs-compiled": Execution(compile=True),
    "graphs-compiled-tf32": Execution(compile=True, tf32=True),
}
FASTEST: dict[tuple[str, str], float] = {}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("variant", ["nsgan", "pacgan4"])
def test_step_of_ten_seeds(benchmark, variant: str, how: str) -> None:
    prepared = prepare(load_suite("pacgan-ring"), Setting(out=Path("never-written")))
    (job,) = [job for job in prepared.jobs if job.name == variant]
    made = registry.find("variants", variant).load()
    data = prepared.datasets[job.dataset]
    training = Training(made, job.recipe, data, list(job.seeds), 10**6, watch_every=10**6, device="cuda", execution=HOW[how])
    training.advance(8)  # burn in: compiled and recorded

    def steps() -> None:
        training.advance(training.step + STEPS)
        torch.cuda.synchronize()

    benchmark.pedantic(steps, rounds=3 if how == "eager" else 8)
    FASTEST[variant, how] = benchmark.stats.stats.min / STEPS
    benchmark.extra_info["executed"] = training.executed
    print(f"\n{variant} {how}: {1000 * FASTEST[variant, how]:.3f} ms a step, executed as {training.executed}")
    if eager := FASTEST.get((variant, "eager")):
        print(f"{variant} {how}: {eager / FASTEST[variant, how]:.2f} times as fast as eager")
