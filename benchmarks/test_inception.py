"""Inception's images a second on one core, with random weights: ganbench's fast and exact forms beside torch-fidelity's extractor.

The form's ratio to torch-fidelity is the figure. Each round runs all three one after the other, so that a slow spell of the machine
slows all of them; the fastest round of each counts, in seconds of the processor, which are wall seconds where nothing else runs.

pytest benchmarks/test_inception.py --benchmark-only
"""

import sys
import time
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from small_weights import images, random_inception

from ganbench.extractor import Loading
from ganbench.extractors import inception_v3_compat

COUNT = 32
ROUNDS = 2


@pytest.mark.parametrize("side", [32, 256])
def test_inception(benchmark, side: int, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    theirs = random_inception(tmp_path / "random.pth").requires_grad_(False)
    fast, exact = (inception_v3_compat.load(Loading(tmp_path / "random.pth", exact=exact)).extract for exact in (False, True))
    given = images(COUNT, 3, side)
    forms = {"torch-fidelity": theirs, "exact": exact, "fast": fast}
    fastest = dict.fromkeys(forms, float("inf"))

    def one_round() -> None:
        for name, form in forms.items():
            begun = time.process_time()
            form(given)
            fastest[name] = min(fastest[name], time.process_time() - begun)

    benchmark.pedantic(one_round, rounds=ROUNDS, warmup_rounds=1)
    for name, seconds in fastest.items():
        ratio = fastest["torch-fidelity"] / seconds
        benchmark.extra_info[f"{name} images_per_second"] = COUNT / seconds
        benchmark.extra_info[f"{name} times torch-fidelity"] = ratio
        print(f"\n{side}x{side} {name}: {COUNT / seconds:.2f} images/s, {ratio:.2f} times torch-fidelity")
