"""What more seeds cost: a training step of 1 and of 4 stacked seeds, on one core. The ratio of the two is the figure.

pytest benchmarks/test_seeds.py --benchmark-only --benchmark-group-by=param:variant
"""

from pathlib import Path

import pytest
import torch

from ganbench import registry
from ganbench.harness.harness import prepare
from ganbench.harness.plan import Setting
from ganbench.harness.suite import load_suite
from ganbench.train import Training
from ganbench.variant import Control

TRAINED = [name for name, entry in registry.entries("variants").items() if not isinstance(entry.load(), Control)]
STEPS = 5  # in one round
FASTEST: dict[tuple[str, str, int], float] = {}


def start(variant: str, dataset: str, seeds: int) -> Training:
    """A variant with its recipe of the suite `demo`."""
    prepared = prepare(load_suite("demo"), Setting(out=Path("never-written")))
    (job,) = [job for job in prepared.jobs if (job.name, job.dataset) == (variant, dataset)]
    training = Training(
        registry.find("variants", variant).load(), job.recipe, prepared.datasets[dataset], list(range(seeds)), 10**9
    )
    training.advance(3)  # burn in
    return training


@pytest.mark.parametrize("seeds", [1, 4])
@pytest.mark.parametrize("dataset", ["digits", "ring-8"])
@pytest.mark.parametrize("variant", TRAINED)
def test_training_step(benchmark, variant: str, dataset: str, seeds: int) -> None:
    torch.set_num_threads(1)
    training = start(variant, dataset, seeds)
    benchmark.pedantic(lambda: training.advance(training.step + STEPS), rounds=20, warmup_rounds=1)
    fastest = benchmark.stats.stats.min / STEPS
    FASTEST[variant, dataset, seeds] = fastest
    benchmark.extra_info["images_per_second"] = training.images_per_step * seeds / fastest
    if (one := FASTEST.get((variant, dataset, 1))) and seeds > 1:
        benchmark.extra_info["times_one_seed"] = fastest / one
        print(f"\n{dataset} {variant}: {seeds} stacked seeds take {fastest / one:.2f} times as long as 1")
