"""Four seeds of DCGAN on one core: computed together by vmap, or one after another, beside one seed, by the size of the images.

It is what `ganbench.execution.apart` is chosen by. Each round runs all three, so that a slow spell of the machine slows all; the
fastest round of each counts, in seconds of the processor, which are wall seconds where nothing else runs.

pytest benchmarks/test_stacks.py --benchmark-only -s
"""

import time
from dataclasses import replace

import pytest
import torch

from ganbench import registry
from ganbench.dataset import LoadedDataset, Part
from ganbench.execution import apart
from ganbench.lanes import Lanes
from ganbench.train import Training

SEEDS = 4
ROUNDS = 5


def images(side: int) -> LoadedDataset:
    """Images of noise: what they show does not change how long a step takes."""
    items = torch.randint(0, 256, (512, 1, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return LoadedDataset("noise", Part("train", items), Part("test", items))


@pytest.mark.parametrize("variant", ["nsgan", "sngan"])
@pytest.mark.parametrize("side", [8, 16, 28, 32])
def test_seeds_together_or_apart(benchmark, variant: str, side: int) -> None:
    torch.set_num_threads(1)
    loaded, dataset = registry.find("variants", variant).load(), images(side)
    recipe = replace(loaded.recipe, batch_size=64, d_steps=1)
    forms: dict[str, Training] = {}
    for form, seeds in {"one": 1, "together": SEEDS, "apart": SEEDS}.items():
        forms[form] = Training(loaded, recipe, dataset, list(range(seeds)), 10**9, watch_every=10**9)
        forms[form]._apart = Lanes("cpu", seeds) if form == "apart" else None
        forms[form].advance(2)  # burn in
    fastest = dict.fromkeys(forms, float("inf"))

    def one_round() -> None:
        for form, training in forms.items():
            begun = time.process_time()
            training.advance(training.step + 1)
            fastest[form] = min(fastest[form], time.process_time() - begun)

    benchmark.pedantic(one_round, rounds=ROUNDS)
    times = {form: fastest[form] / fastest["one"] for form in ("together", "apart")}
    benchmark.extra_info.update(times)
    chosen = "apart" if apart(dataset.shape) else "together"
    told = ", ".join(f"{form} {each:.2f}" for form, each in times.items())
    print(f"\n{variant}, {side} pixels: {SEEDS} seeds cost, in times of one, {told}; chosen: {chosen}")
