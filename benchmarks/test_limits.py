"""How far from the machine's limit a training step and Inception's features are: its operations and bytes against measured rates.

Operations are those that torch counts (matrix products and convolutions, a multiply-add as 2). Bytes are what each operator reads
and writes, as if none were fused and no cache held anything: an upper bound of the traffic. The rates are of a large matrix product
and of a large copy on the same device in the same run. A step takes at least the longer of the two; the share is that over what it
took.

pytest benchmarks/test_limits.py --benchmark-only -s
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from small_weights import images as made_images
from small_weights import random_inception

from ganbench import registry
from ganbench.clock import Stopwatch
from ganbench.dataset import LoadedDataset, Part
from ganbench.execution import Execution
from ganbench.extractor import Loading
from ganbench.extractors import inception_v3_compat
from ganbench.train import Training

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]),
]
ROUNDS = 5


class Bytes(TorchDispatchMode):
    """Counts the bytes of the tensors that operators read and write; views read and write nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        given = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [each for each in tree_leaves([args, kwargs or {}, given]) if isinstance(each, Tensor)]
            self.total += sum(each.numel() * each.element_size() for each in tensors)
        return given


@dataclass(frozen=True)
class Rates:
    """FLOP and bytes a second."""

    products: float
    copies: float


def fastest(work: Callable[[], object], device: str, rounds: int = ROUNDS) -> float:
    """Seconds of the fastest of some rounds, after one that burns in; on a CPU the processor's own, on one thread."""
    work()
    found = []
    for _ in range(rounds):
        begun = time.process_time()
        with Stopwatch(device) as watch:
            work()
        found.append(time.process_time() - begun if device == "cpu" else watch.seconds)
    return min(found)


def rates(device: str) -> Rates:
    """What the device does at best, in full float32."""
    side = 1024 if device == "cpu" else 8192
    a, b = torch.randn(2, side, side, device=device)
    many, there = torch.randn(2, 2**26, device=device)  # 256 MiB each: no cache holds them
    products = 2 * side**3 / fastest(lambda: a @ b, device)
    return Rates(products, 2 * many.numel() * many.element_size() / fastest(lambda: there.copy_(many), device))


def a_step(variant: str, device: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """One training step on images of 32 pixels as it is run, and as it can be counted: eagerly."""
    loaded = registry.find("variants", variant).load()
    items = made_images(512, 3, 32)
    dataset = LoadedDataset("noise", Part("train", items), Part("test", items))
    recipe = replace(loaded.recipe, batch_size=64, d_steps=1)
    run, counted = (
        Training(loaded, recipe, dataset, [0], 10**9, watch_every=10**9, device=device, execution=Execution(graphs=graphs))
        for graphs in (True, False)
    )
    for each in (run, counted):
        each.advance(4)  # burn in: on a GPU the step is recorded
    return lambda: run.advance(run.step + 1), lambda: counted.advance(counted.step + 1)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("work", ["nsgan", "sngan", "inception"])
def test_share_of_the_limit(benchmark, work: str, device: str, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    if work == "inception":
        random_inception(tmp_path / "random.pth")
        extractor = inception_v3_compat.load(Loading(tmp_path / "random.pth", device=device))
        batch = made_images(32 if device == "cpu" else 256, 3, 32)
        run = count = lambda: extractor.extract(batch)
    else:
        run, count = a_step(work, device)
    limits = rates(device)
    with FlopCounterMode(display=False) as operations:
        count()
    with Bytes() as moved:
        count()
    took = benchmark.pedantic(lambda: fastest(run, device), rounds=1)
    flops, moved_bytes = operations.get_total_flops(), moved.total
    least = {"products": flops / limits.products, "copies": moved_bytes / limits.copies}
    share, bound = max(least.values()) / took, max(least, key=lambda name: least[name])
    benchmark.extra_info.update(
        flops=flops, bytes=moved_bytes, seconds=took, share=share, products=limits.products, copies=limits.copies
    )
    print(
        f"\n{work} on {device}: {took * 1e3:.1f} ms, {flops / 1e9:.2f} GFLOP, {moved_bytes / 1e9:.2f} GB; the machine does "
        f"{limits.products / 1e9:.0f} GFLOP/s and {limits.copies / 1e9:.1f} GB/s: {100 * share:.0f} % of the limit, by its {bound}"
    )
