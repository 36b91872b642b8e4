"""What more seeds cost: a training step of 1 and of 4 stacked seeds, on one core. The ratio of the two is the figure.

Every variant on every data set here that it applies to, with the recipe that `ganbench time` times it with.

pytest benchmarks/test_seeds.py --benchmark-only --benchmark-group-by=param:variant
"""

from pathlib import Path

import pytest
import torch

from ganbench import registry
from ganbench.dataset import Location
from ganbench.harness.plan import Setting
from ganbench.harness.reference import cached_dataset
from ganbench.harness.time_variants import VariantTask
from ganbench.harness.timing import jobs_on
from ganbench.variant import Control, Space

TRAINED = [name for name, entry in registry.entries("variants").items() if not isinstance(entry.load(), Control)]
ROUNDS = 10
STEPS = 5  # the fewest of a round
FASTEST: dict[tuple[str, str, int], float] = {}


@pytest.mark.parametrize("seeds", [1, 4])
@pytest.mark.parametrize("dataset", ["digits", "ring-8"])
@pytest.mark.parametrize("variant", TRAINED)
def test_training_step(benchmark, variant: str, dataset: str, seeds: int) -> None:
    torch.set_num_threads(1)
    data = cached_dataset(dataset, Location())
    if reason := registry.find("variants", variant).load().refuses(Space(data.shape, data.classes, data.inputs)):
        pytest.skip(reason)
    (job,) = jobs_on(dataset, data, [variant])
    task = VariantTask(job, data, seeds, Setting(out=Path("never-written")), ROUNDS)
    training, steps = task.start(), task.cycle * -(-STEPS // task.cycle)
    benchmark.pedantic(lambda: training.advance(training.step + steps), rounds=ROUNDS)
    fastest = benchmark.stats.stats.min / steps
    FASTEST[variant, dataset, seeds] = fastest
    benchmark.extra_info["images_per_second"] = training.images_per_step * seeds / fastest
    if (one := FASTEST.get((variant, dataset, 1))) and seeds > 1:
        benchmark.extra_info["times_one_seed"] = fastest / one
        print(f"\n{dataset} {variant}: {seeds} stacked seeds take {fastest / one:.2f} times as long as 1")
