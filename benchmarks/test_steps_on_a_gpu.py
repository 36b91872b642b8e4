"""What a training step costs on a GPU, eager, as a CUDA graph, in tf32 and compiled. The ratios to the eager step are the figure.

What eight seeds of DCGAN for 28 pixels cost, in times of one: together by vmap, side by side on streams, and in turn. And what
trainings at once gain over the same ones in turn.

pytest benchmarks/test_steps_on_a_gpu.py -m gpu --benchmark-only --benchmark-group-by=param:variant
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
import torch

from ganbench import registry
from ganbench.clock import Stopwatch
from ganbench.dataset import LoadedDataset, Part
from ganbench.execution import Execution
from ganbench.harness.harness import prepare
from ganbench.harness.plan import Setting
from ganbench.harness.suite import load_suite
from ganbench.lanes import Lanes, working
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


def ten_seeds(variant: str, how: Execution) -> Training:
    """PacGAN's ring, as the suite trains it, after a burn-in: compiled and recorded."""
    prepared = prepare(load_suite("pacgan-ring"), Setting(out=Path("never-written")))
    (job,) = [job for job in prepared.jobs if job.name == variant]
    made = registry.find("variants", variant).load()
    data = prepared.datasets[job.dataset]
    training = Training(made, job.recipe, data, list(job.seeds), 10**6, watch_every=10**6, device="cuda", execution=how)
    training.advance(8)
    return training


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("variant", ["nsgan", "pacgan4"])
def test_step_of_ten_seeds(benchmark, variant: str, how: str) -> None:
    training = ten_seeds(variant, HOW[how])

    def steps() -> None:
        training.advance(training.step + STEPS)
        torch.cuda.synchronize()

    benchmark.pedantic(steps, rounds=3 if how == "eager" else 8)
    FASTEST[variant, how] = benchmark.stats.stats.min / STEPS
    benchmark.extra_info["executed"] = training.executed
    print(f"\n{variant} {how}: {1000 * FASTEST[variant, how]:.3f} ms a step, executed as {training.executed}")
    if eager := FASTEST.get((variant, "eager")):
        print(f"{variant} {how}: {eager / FASTEST[variant, how]:.2f} times as fast as eager")


@pytest.mark.parametrize("names", [["pacgan2"], ["pacgan2", "pacgan4"], ["pacgan2", "pacgan3", "pacgan4"]], ids=len)
def test_trainings_at_once(benchmark, names: list[str]) -> None:
    ready, seconds = Barrier(len(names), timeout=300), []

    def train(name: str) -> float:
        with working("cuda"):
            training = ten_seeds(name, HOW["graphs-compiled-tf32"])
            ready.wait()
            with Stopwatch("cuda") as watch:
                training.advance(training.step + 20 * STEPS)
        return watch.seconds

    def all_of_them() -> None:
        with ThreadPoolExecutor(len(names)) as threads:
            seconds.extend(threads.map(train, names))

    benchmark.pedantic(all_of_them, rounds=1)
    step = max(seconds) / (20 * STEPS)
    benchmark.extra_info["step_seconds"] = step
    print(f"\n{', '.join(names)} at once: {1000 * step:.3f} ms for a step of each")


@pytest.mark.parametrize("precision", ["full", "tf32", "bf16"])
@pytest.mark.parametrize("variant", ["nsgan", "sngan", "wgan-gp"])
def test_eight_seeds_of_dcgan(benchmark, variant: str, precision: str) -> None:
    items = torch.randint(0, 256, (2048, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    made, dataset = registry.find("variants", variant).load(), LoadedDataset("noise", Part("train", items), Part("test", items))
    recipe = replace(made.recipe, batch_size=64, d_steps=1, ema_decay=0.0)
    forms: dict[str, Training] = {}
    for form, lanes in {"one": None, "together": None, "side by side": Lanes("cuda", 8), "in turn": Lanes("cpu", 8)}.items():
        seeds = list(range(1 if form == "one" else 8))
        how = Execution(tf32=precision == "tf32", bf16=precision == "bf16")
        forms[form] = Training(made, recipe, dataset, seeds, 10**9, watch_every=10**9, device="cuda", execution=how)
        forms[form]._apart = lanes
        forms[form].advance(8)  # burn in: recorded
    fastest = dict.fromkeys(forms, float("inf"))

    def one_round() -> None:
        for form, training in forms.items():
            with Stopwatch("cuda") as watch:
                training.advance(training.step + 50)
            fastest[form] = min(fastest[form], watch.seconds / 50)

    benchmark.pedantic(one_round, rounds=4)
    times = {form: each / fastest["one"] for form, each in fastest.items()}
    benchmark.extra_info.update(times)
    told = ", ".join(f"{form} {each:.2f}" for form, each in times.items())
    print(f"\n{variant}, {precision}: one seed {1000 * fastest['one']:.2f} ms; eight, in times of it, {told}")
