"""Images a second in training, against the loop that people write today, in one run: the ratio is the figure.

The other loop is that of tutorials and collections: eager, default layout, torch's default Adam, losses read at each step,
gradients of every network cleared and filled. It trains the same networks on the same data at the same batch size: DCGAN and
SNGAN (on DCGAN's layers) for images of 32 pixels. Each round runs all forms, and the fastest round of each counts; on a CPU in
the processor's own seconds on one thread.

pytest benchmarks/test_tutorial_loop.py --benchmark-only -s
"""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ganbench import registry
from ganbench.clock import Stopwatch
from ganbench.dataset import LoadedDataset, Part
from ganbench.execution import Execution
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


def tutorial(variant: Variant, recipe: Recipe, items: Tensor, device: str) -> Callable[[], tuple[float, ...]]:
    """One step of D and one of G, as tutorials write them."""
    networks = {name: net.to(device) for name, net in variant.networks(Space(tuple(items.shape[1:])), recipe).items()}
    generator, discriminator = networks["generator"], networks["discriminator"]
    on_real, on_fake, of_generator = LOSSES[variant.name]

    def adam(network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(network.parameters(), lr=recipe.lr, betas=recipe.betas)

    d_adam, g_adam = adam(discriminator), adam(generator)
    batches = iter(torch.utils.data.DataLoader(items.float() / 127.5 - 1, BATCH, sampler=_for_ever(len(items)), drop_last=True))

    def step() -> tuple[float, ...]:
        real = next(batches).to(device)
        discriminator.zero_grad()
        real_loss = on_real(discriminator(real))
        real_loss.backward()
        fake = generator(torch.randn(BATCH, recipe.latent_size, device=device))
        fake_loss = on_fake(discriminator(fake.detach()))
        fake_loss.backward()
        d_adam.step()
        generator.zero_grad()
        g_loss = of_generator(discriminator(fake))
        g_loss.backward()
        g_adam.step()
        return real_loss.item(), fake_loss.item(), g_loss.item()

    return step


def _for_ever(count: int) -> list[int]:
    return torch.cat([torch.randperm(count) for _ in range(200)]).tolist()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", list(LOSSES))
def test_images_a_second(benchmark, name: str, device: str) -> None:
    torch.set_num_threads(1)
    variant: Variant = registry.find("variants", name).load()
    items = torch.randint(0, 256, (2048, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    dataset = LoadedDataset("noise", Part("train", items), Part("test", items))
    recipe = replace(variant.recipe, batch_size=BATCH, d_steps=1, ema_decay=0.0)
    ways = {"ganbench": Execution()}
    if device == "cuda":  # a CPU without bfloat16 of its own takes 17 seconds for a step in it
        ways |= {"ganbench, tf32": Execution(tf32=True), "ganbench, bf16": Execution(bf16=True)}
    forms: dict[str, Callable[[], object]] = {"tutorial": tutorial(variant, recipe, items, device)}
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
