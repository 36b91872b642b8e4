"""Images a second in training, against the loop that people write today, in one run: the ratio is the figure.

Of PacGAN's ring, ten seeds of ours stand against ten runs of the other loop, on a GPU.

The other loop is that of tutorials and collections: eager, default layout, torch's default Adam, losses read at each step,
gradients of every network cleared and filled. It trains the same networks on the same data at the same batch size: DCGAN and
SNGAN (on DCGAN's layers) for images of 32 pixels. Each round runs all forms, and the fastest round of each counts; on a CPU in
the processor's own seconds on one thread.

pytest benchmarks/test_tutorial_loop.py --benchmark-only -s
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ganbench import registry
from ganbench.clock import Stopwatch
from ganbench.dataset import LoadedDataset, Part
from ganbench.execution import Execution
from ganbench.harness.harness import prepare
from ganbench.harness.plan import Setting
from ganbench.harness.suite import load_suite
from ganbench.train import Training
from ganbench.variant import Recipe, Space, Variant

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]),
]
BATCH = 64
ROUNDS = 5

Losses = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]  # D on real, D on fake, G
LOSSES: dict[str, Losses] = {
    "nsgan": (
        lambda logits: functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits)),
        lambda logits: functional.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits)),
        lambda logits: functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits)),
    ),
    "sngan": (
        lambda logits: torch.relu(1 - logits).mean(),
        lambda logits: torch.relu(1 + logits).mean(),
        lambda logits: -logits.mean(),
    ),
}


def tutorial(
    variant: Variant, recipe: Recipe, shape: tuple[int, ...], batches: Iterator[Tensor], device: str
) -> Callable[[], tuple[float, ...]]:
    """One step of D and one of G, as tutorials write them."""
    networks = {name: net.to(device) for name, net in variant.networks(Space(shape), recipe).items()}
    generator, discriminator = networks["generator"], networks["discriminator"]
    on_real, on_fake, of_generator = LOSSES[variant.name]

    def adam(network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(network.parameters(), lr=recipe.lr, betas=recipe.betas)

    d_adam, g_adam = adam(discriminator), adam(generator)

    def step() -> tuple[float, ...]:
        real = next(batches).to(device)
        discriminator.zero_grad()
        real_loss = on_real(discriminator(real))
        real_loss.backward()
        fake = generator(torch.randn(len(real), recipe.latent_size, device=device))
        fake_loss = on_fake(discriminator(fake.detach()))
        fake_loss.backward()
        d_adam.step()
        generator.zero_grad()
        g_loss = of_generator(discriminator(fake))
        g_loss.backward()
        g_adam.step()
        return real_loss.item(), fake_loss.item(), g_loss.item()

    return step


def _loaded(items: Tensor) -> Iterator[Tensor]:
    """Batches of images as a DataLoader gives them."""
    order = torch.cat([torch.randperm(len(items)) for _ in range(200)]).tolist()
    return iter(torch.utils.data.DataLoader(items.float() / 127.5 - 1, BATCH, sampler=order, drop_last=True))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", list(LOSSES))
def test_images_a_second(benchmark, name: str, device: str) -> None:
    torch.set_num_threads(1)
    variant: Variant = registry.find("variants", name).load()
    items = torch.randint(0, 256, (2048, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    dataset = LoadedDataset("noise", Part("train", items), Part("test", items))
    recipe = replace(variant.recipe, batch_size=BATCH, d_steps=1, ema_decay=0.0)
    ways = {"ganbench": Execution()}
    if device == "cuda":
        ways["ganbench, tf32"] = Execution(tf32=True)
    if device == "cuda" or torch.cpu._is_avx512_bf16_supported():  # a CPU without takes 17 seconds for a step in it
        ways["ganbench, bf16"] = Execution(bf16=True)
    forms: dict[str, Callable[[], object]] = {"tutorial": tutorial(variant, recipe, dataset.shape, _loaded(items), device)}
    for way, execution in ways.items():
        training = Training(variant, recipe, dataset, [0], 10**9, watch_every=10**9, device=device, execution=execution)
        forms[way] = lambda training=training: training.advance(training.step + 1)
    steps = 2 if device == "cpu" else 200
    for form in forms.values():
        for _ in range(2 if device == "cpu" else 20):
            form()  # burn in
    fastest = dict.fromkeys(forms, float("inf"))

    def one_round() -> None:
        for form, step in forms.items():
            begun = time.process_time()
            with Stopwatch(device) as watch:
                for _ in range(steps):
                    step()
            took = time.process_time() - begun if device == "cpu" else watch.seconds
            fastest[form] = min(fastest[form], took / steps)

    benchmark.pedantic(one_round, rounds=ROUNDS)
    for form, seconds in fastest.items():
        benchmark.extra_info[f"{form}, images a second"] = BATCH / seconds
        ratio = fastest["tutorial"] / seconds
        print(f"\n{name} on {device}, {form}: {BATCH / seconds:.0f} images a second, {ratio:.2f} times the tutorial's")


@pytest.mark.parametrize("device", DEVICES[1:])
def test_ten_seeds_of_pacgans_ring(benchmark, device: str) -> None:
    steps = 2000
    prepared = prepare(load_suite("pacgan-ring"), Setting(out=Path("never-written")))
    (job,) = [job for job in prepared.jobs if job.name == "nsgan"]
    variant, data = registry.find("variants", job.name).load(), prepared.datasets[job.dataset]
    places = iter(lambda: torch.randint(len(data.train), (job.recipe.batch_size,)), None)
    theirs = tutorial(variant, job.recipe, data.shape, (data.train.items[each] for each in places), device)
    how = Execution(compile=True, tf32=True)
    ours = Training(variant, job.recipe, data, list(job.seeds), 10**9, watch_every=10**9, device=device, execution=how)
    for _ in range(20):
        theirs()
    ours.advance(20)  # compiled and recorded
    seconds: list[float] = []

    def both() -> None:
        for work in (lambda: [theirs() for _ in range(steps)], lambda: ours.advance(ours.step + steps)):
            with Stopwatch(device) as watch:
                work()
            seconds.append(watch.seconds)

    benchmark.pedantic(both, rounds=1)
    ratio = len(job.seeds) * seconds[0] / seconds[1]
    benchmark.extra_info.update(
        tutorial_seconds=seconds[0], ganbench_seconds=seconds[1], ratio=ratio, compile_seconds=ours.compile_seconds
    )
    print(f"\n{steps} steps on {device}: the tutorial's one seed {seconds[0]:.2f} s, our ten {seconds[1]:.2f} s ({ours.executed})")
    print(f"{ratio:.1f} times as fast as ten runs of it, after {ours.compile_seconds:.0f} s of compiling")
