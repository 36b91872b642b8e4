"""How steps are executed, as far as a machine without a GPU can tell: CUDA's own objects are stood in for."""

import contextlib
import dataclasses
import gc
import itertools
import threading
import time
import weakref
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ganbench import lanes, registry, replay
from ganbench.compiled import CompilationError
from ganbench.compiled import _check as compiled_is_right
from ganbench.dataset import Location, load_dataset
from ganbench.execution import Execution, arithmetic
from ganbench.generator import draw_samples
from ganbench.harness.harness import estimate_seconds
from ganbench.harness.plan import Job, Setting
from ganbench.nets.pieces import describe
from ganbench.replay import Replays
from ganbench.train import Training
from ganbench.variant import Recipe, Space

COMPILED = Execution(compile=True)
D, R1 = SimpleNamespace(name="d"), SimpleNamespace(name="r1")


def training(steps: int, watch_every: int = 50, execution: Execution = COMPILED) -> Training:
    data, variant = load_dataset("ring-8", Location()), registry.find("variants", "nsgan").load()
    recipe = dataclasses.replace(variant.recipe_for(Space(data.shape)), batch_size=8)
    return Training(variant, recipe, data, [0], steps, watch_every=watch_every, execution=execution)


class Graph:
    """A CUDA graph that counts how often it was replayed."""

    replayed = 0

    def register_generator_state(self, generator: torch.Generator) -> None: ...

    def replay(self) -> None:
        Graph.replayed += 1


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Streams and graphs that do nothing. While a step is recorded, the list that is returned holds "recording"."""
    recording: list[str] = []

    @contextlib.contextmanager
    def graph(*_: object, **__: object) -> Iterator[None]:
        recording.append("recording")
        try:
            yield
        finally:
            recording.clear()

    def stream(number: int) -> SimpleNamespace:
        return SimpleNamespace(device="cpu", cuda_stream=number, wait_stream=lambda other: None)

    numbers = itertools.count()
    monkeypatch.setattr(lanes, "_streams", {})
    monkeypatch.setattr(lanes, "_mine", threading.local())
    for name, stand_in in {
        "Stream": lambda device: stream(next(numbers)),
        "current_stream": lambda device: stream(-1),
        "current_device": lambda: 0,
        "set_stream": lambda stream: None,
        "stream": lambda stream: contextlib.nullcontext(),
        "synchronize": lambda device: None,
        "CUDAGraph": Graph,
        "graph": graph,
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr(replay, "WARM_UP", 0)
    monkeypatch.setattr(Graph, "replayed", 0)
    return recording


def test_a_recording_that_waited_for_another_is_not_collected_into(cuda: list[str]) -> None:
    started, go, collected = threading.Event(), threading.Event(), []

    def slow(phases: object) -> None:
        started.set()
        go.wait(10)

    first = threading.Thread(target=lambda: Replays("a", {}, "cuda").play([D], slow))
    second = threading.Thread(target=lambda: Replays("b", {}, "cuda").play([D], lambda phases: collected.append(gc.isenabled())))
    first.start()
    started.wait(10)
    second.start()
    time.sleep(0.3)  # until it waits
    go.set()
    first.join()
    second.join()
    assert collected == [False]
    assert gc.isenabled()


def test_after_a_step_that_cannot_be_recorded_none_is_replayed(cuda: list[str]) -> None:
    streams, run = {"latent": [torch.Generator().manual_seed(1)]}, []

    def steps(phases: list[SimpleNamespace]) -> None:
        if R1 in phases and cuda:
            raise RuntimeError("operation not permitted when stream is capturing")
        run.append([phase.name for phase in phases])

    replays, own = Replays("a", streams, "cuda"), streams["latent"][0]
    replays.play([D], steps)
    assert (Graph.replayed, replays.refused) == (1, None)
    replays.play([D, R1], steps)
    replays.play([D], steps)
    # The recorded step draws from the generator that the failed recording spoilt, the others from the one in its place.
    assert streams["latent"][0] is not own
    assert Graph.replayed == 1
    assert run == [["d"], ["d", "r1"], ["d"]]


def test_a_training_ends_with_its_last_holder(cuda: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # Python's collector counts objects, not their bytes: what waits for it holds a device's memory while the next job trains.
    monkeypatch.setattr(Training, "_replayed", True)
    state = training(3, execution=Execution())
    state.advance(3)
    gone = weakref.ref(state)
    gc.collect()
    gc.disable()
    try:
        del state
        assert gone() is None
    finally:
        gc.enable()


def test_steps_that_were_all_watched_are_called_eager(cuda: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Training, "_replayed", True)
    state = training(3, watch_every=1)
    state.advance(3)
    assert state.executed == "eager"


def test_an_estimate_compiles_nothing(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compiles(*_: object, **__: object) -> None:
        raise AssertionError("compiled for an estimate")

    monkeypatch.setattr("ganbench.train.compile_gradients", compiles)
    job = Job("s", "ring-8", "nsgan", "nsgan", (0,), 100, Recipe(batch_size=8), 100, ("fd",), "points", 0, 100)
    setting = Setting(tmp_path, execution=COMPILED)
    assert estimate_seconds(job, setting, load_dataset("ring-8", Location()), probe_seconds=0.1) > 0


def test_a_gradient_of_zero_is_judged() -> None:
    phase, zero = registry.find("variants", "nsgan").load().phases[0], [torch.zeros(1, 3)]
    compiled_is_right(phase, zero, zero, zero)
    with pytest.raises(CompilationError, match="gradients inf away"):
        compiled_is_right(phase, [zero[0] + 1e-9], zero, zero)


def test_a_seed_that_diverged_is_no_verdict_on_the_others() -> None:
    # A training that is resumed compiles again, with the seeds that diverged before it was stopped.
    phase, exact = registry.find("variants", "nsgan").load().phases[0], [torch.tensor([[3.0, 4.0], [torch.nan, 1.0]])]
    compiled_is_right(phase, exact, exact, exact)
    with pytest.raises(CompilationError, match="away"):
        compiled_is_right(phase, [exact[0] + torch.tensor([[0.1, 0.0], [0.0, 0.0]])], exact, exact)


def flags() -> tuple[str, bool]:
    return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32


def test_samples_and_features_are_in_full_float32_beside_any_training() -> None:
    # The flags are the process's: jobs on other threads of it train in tf32, or leave torch's own defaults.
    seen = []

    class Watched(nn.Linear):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            seen.append(flags())
            return super().forward(z)

    def network(images: torch.Tensor) -> tuple[torch.Tensor, None]:
        seen.append(flags())
        return images.flatten(1).float(), None

    with arithmetic(tf32=True):
        draw_samples(Watched(3, 2), Space((2,)), Recipe(latent_size=3), 300, 0)
        describe("made-up", network, torch.zeros(4, 1, 2, 2, dtype=torch.uint8), "cpu", 2)
    assert seen == [("highest", False)] * 4
