"""On a CUDA device: the same numbers as on the CPU, and a whole run. `make gpu` runs these."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch.utils._pytree import tree_map

from ganbench import registry
from ganbench.compiled import compile_gradients
from ganbench.dataset import LoadedDataset, Location, Part, load_dataset
from ganbench.execution import Execution
from ganbench.extractor import Loading
from ganbench.find_extractor import find_extractor
from ganbench.harness.harness import prepare, run_suite
from ganbench.harness.plan import Setting
from ganbench.harness.suite import parse_suite
from ganbench.harness.timing import Wanted, prepare_times, time_all
from ganbench.harness.workers import Crew
from ganbench.lanes import Lanes, working
from ganbench.leaderboard.validate_times import time_faults
from ganbench.stack import evaluate
from ganbench.times import VariantTimes, place_of
from ganbench.train import Training
from ganbench.variant import Control, Space

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
VARIANTS = [name for name, entry in registry.entries("variants").items() if not isinstance(entry.load(), Control)]


@pytest.mark.parametrize("dataset", ["ring-8", "digits"])
@pytest.mark.parametrize("name", VARIANTS)
def test_an_objective_agrees_with_the_cpu(name: str, dataset: str) -> None:
    # float64 on both: sums are added in another order, which leaves far less than 1e-9.
    data, variant = load_dataset(dataset, Location()), registry.find("variants", name).load()
    if reason := variant.refuses(Space(data.shape, data.classes, data.inputs)):
        pytest.skip(reason)
    recipe = dataclasses.replace(variant.recipe_for(Space(data.shape, data.classes)), batch_size=24)
    states = {where: Training(variant, recipe, data, [0, 1], 1, device=where, dtype=torch.float64) for where in ("cpu", "cuda")}
    for phase in variant.phases:
        states["cpu"]._prepare([phase])
        batch = states["cpu"]._draw(phase, states["cpu"]._drawn[0])
        found = {}
        for where, state in states.items():
            losses, _ = evaluate(
                phase.objective, state.networks, phase.updates, tree_map(lambda value, where=where: value.to(where), batch)
            )
            leaves = [value for network in phase.updates for value in state.networks[network].parameters.values()]
            gradients = torch.autograd.grad(losses.sum(), leaves, allow_unused=True, materialize_grads=True)
            found[where] = [losses.detach().cpu(), *(gradient.cpu() for gradient in gradients)]
        for ours, theirs in zip(found["cuda"], found["cpu"], strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dataset", ["ring-8", "digits"])
@pytest.mark.parametrize("name", VARIANTS)
def test_recorded_steps_are_the_eager_ones(name: str, dataset: str) -> None:
    data, variant = load_dataset(dataset, Location()), registry.find("variants", name).load()
    space = Space(data.shape, data.classes)
    if reason := variant.refuses(space):
        pytest.skip(reason)
    recipe = dataclasses.replace(variant.recipe_for(space), batch_size=24, ema_decay=0.9)
    states = []
    for graphs in (False, True):
        execution = Execution(graphs=graphs)
        state = Training(variant, recipe, data, [0, 1], 40, watch_every=7, device="cuda", dtype=torch.float64, execution=execution)
        state.advance(12)
        states.append(state)
    assert states[1].executed == "graphs", states[1]._replays and states[1]._replays.refused
    assert states[1].diverged_at == states[0].diverged_at == [None, None]
    ours, theirs = states[1].tensors(), states[0].tensors()
    for key, value in theirs.items():
        # Equal to the bit but where kernels add in an order that differs from call to call, such as a convolution's backward.
        torch.testing.assert_close(ours[key], value, rtol=1e-7, atol=1e-9, msg=lambda text, key=key: f"{key}: {text}")


def noise() -> LoadedDataset:
    items = torch.randint(0, 256, (256, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return LoadedDataset("noise", Part("train", items), Part("test", items))


@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("name", ["nsgan", "sngan", "wgan-gp", "r3gan", "unrolled"])
def test_seeds_on_streams_of_their_own_are_the_seeds_together(name: str, graphs: bool) -> None:
    # Images of 28 pixels: of smaller ones seeds are always together.
    data, variant = noise(), registry.find("variants", name).load()
    recipe, states = dataclasses.replace(variant.recipe, batch_size=8), []
    for lanes in (None, Lanes("cuda", 3)):
        how = Execution(graphs=graphs and lanes is not None)
        state = Training(variant, recipe, data, [0, 1, 2], 40, watch_every=7, device="cuda", dtype=torch.float64, execution=how)
        state._apart = lanes
        state.advance(12)
        states.append(state)
    assert states[1].executed == ("graphs" if graphs else "eager"), states[1]._replays and states[1]._replays.refused
    ours, theirs = states[1].tensors(), states[0].tensors()
    for key, value in theirs.items():
        torch.testing.assert_close(ours[key], value, rtol=1e-7, atol=1e-7, msg=lambda text, key=key: f"{key}: {text}")


@pytest.mark.parametrize("pixels", [64, 128])
def test_high_resolution_trains(pixels: int) -> None:
    items = torch.randint(0, 256, (32, 3, pixels, pixels), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data, variant = LoadedDataset("noise", Part("train", items), Part("test", items)), registry.find("variants", "stylegan2").load()
    recipe = dataclasses.replace(variant.recipe_for(Space(data.shape)), batch_size=8)
    state = Training(variant, recipe, data, [0, 1], 40, watch_every=20, device="cuda", execution=Execution(bf16=pixels == 128))
    state.advance(40)  # in which both lazy phases run
    assert state.diverged_at == [None, None]
    assert state.executed == "graphs", state._replays and state._replays.refused
    made = state.generator(1)(torch.randn(2, recipe.latent_size, device="cuda"))
    assert made.shape == (2, 3, pixels, pixels)
    assert made.isfinite().all()


def test_compiled_seeds_side_by_side_train() -> None:
    variant = registry.find("variants", "nsgan").load()
    recipe = dataclasses.replace(variant.recipe, batch_size=16)
    state = Training(variant, recipe, noise(), [0, 1, 2], 40, watch_every=40, device="cuda", execution=Execution(compile=True))
    state.advance(20)
    assert state.executed == "graphs, compiled"  # each phase's gradients were compared with the eager ones
    assert state.diverged_at == [None] * 3


def test_compiled_gradients_are_the_eager_ones() -> None:
    data, variant = load_dataset("ring-8", Location()), registry.find("variants", "pacgan2").load()
    recipe = dataclasses.replace(variant.recipe_for(Space(data.shape)), batch_size=24, architecture="pacgan-toy")
    state = Training(variant, recipe, data, [0, 1, 2], 40, watch_every=40, device="cuda", execution=Execution(compile=True))
    state.advance(1)
    for phase in variant.phases:
        state._prepare([phase])
        batch = state._draw(phase, state._drawn[0])
        losses, _ = evaluate(phase.objective, state.networks, phase.updates, batch)
        leaves = [value for network in phase.updates for value in state.networks[network].parameters.values()]
        wanted = torch.autograd.grad(losses.sum(), leaves, materialize_grads=True, allow_unused=True)
        for ours, theirs in zip(compile_gradients(phase, state.networks, batch)(batch), wanted, strict=True):
            assert (ours - theirs).norm() <= 1e-4 * theirs.norm() + 1e-7
    state.advance(20)
    assert state.executed == "graphs, compiled"
    assert state.diverged_at == [None] * 3


@pytest.mark.parametrize(("extractor", "dataset"), [("points", "ring-8"), ("digits-cnn", "digits")])
def test_features_agree_with_the_cpu(extractor: str, dataset: str) -> None:
    items = load_dataset(dataset, Location()).test.items[:300]
    ours, theirs = (find_extractor(extractor).load(Loading(device=where)).extract(items) for where in ("cuda", "cpu"))
    torch.testing.assert_close(ours.features, theirs.features, rtol=1e-9, atol=1e-9)  # both in float64


def test_a_run_on_the_device(tmp_path: Path) -> None:
    content = {"name": "t", "variants": ["nsgan", "wgan-gp", "real"], "datasets": {"digits": {}}, "seeds": 2, "steps": 20}
    setting = Setting(out=tmp_path, device="cuda")
    records = run_suite(prepare(parse_suite(content, "test"), setting), setting, Crew(0, 1), Console(quiet=True)).records
    assert [record.status for record in records] == ["ok"] * 6
    assert records[0].environment["device"] == "cuda"
    for record in records:
        if not record.variant.control:
            weights = sum(record.parameters.values()) * 4 * record.timing.stacked_seeds
            assert record.timing.peak_memory_bytes > 3 * weights  # float32, of both seeds, with Adam's two averages
            assert record.timing.sample_latency_seconds > 0
            assert record.timing.samples_per_second > 1 / record.timing.sample_latency_seconds
            assert record.timing.flops_per_sample > 0


@pytest.mark.parametrize("images", [False, True])
def test_trainings_at_once_are_the_trainings_in_turn(images: bool) -> None:
    # In float64 and for 12 steps, of which 7 are replays: from there on these games blow rounding up, a million times in 10 steps.
    data = noise() if images else load_dataset("ring-8", Location())  # seeds of images are side by side
    names = ["nsgan", "pacgan2", "wgan-gp"] * 4

    def train(index: int) -> dict[str, torch.Tensor]:
        variant = registry.find("variants", names[index]).load()
        recipe = dataclasses.replace(variant.recipe_for(Space(data.shape)), batch_size=16)
        state = Training(variant, recipe, data, [index, 40], 40, watch_every=7, device="cuda", dtype=torch.float64)
        state.advance(12)
        assert state.executed == "graphs", state._replays and state._replays.refused
        return {key: value.cpu() for key, value in state.tensors().items()}

    def on_a_stream(index: int) -> dict[str, torch.Tensor]:
        with working("cuda"):
            return train(index)

    in_turn = [train(index) for index in range(len(names))]
    with ThreadPoolExecutor(4) as threads:
        at_once = list(threads.map(on_a_stream, range(len(names))))
    for name, ours, theirs in zip(names, at_once, in_turn, strict=True):
        for key, value in theirs.items():
            torch.testing.assert_close(ours[key], value, rtol=1e-6, atol=1e-6, msg=lambda text, at=f"{name} {key}": f"{at}: {text}")


def test_a_suite_whose_jobs_run_at_once(tmp_path: Path) -> None:
    # Every other step is watched, and so is run eagerly; of fewer than 200 steps each one is.
    content = {"name": "t", "variants": ["nsgan", "pacgan2", "wgan-gp"], "datasets": {"ring-8": {}}, "seeds": 2, "steps": 240}
    setting = Setting(out=tmp_path, device="cuda")
    finished = run_suite(prepare(parse_suite(content, "test"), setting), setting, Crew(3, 1), Console(quiet=True))
    assert [(record.status, record.environment["steps"]) for record in finished.records] == [("ok", "graphs")] * 6


def test_times_of_recorded_steps_and_the_memory_that_they_took(tmp_path: Path) -> None:
    setting = Setting(out=tmp_path, device="cuda")
    wanted = Wanted(["ring-8"], ["nsgan"], [1, 4], ["modes"], rounds=2)
    tasks, left = prepare_times(wanted, setting)
    timed = time_all(tasks, left, setting, lambda *_: None)
    assert timed.failures == {}
    for record in timed.records:
        assert list(time_faults(record, tmp_path / place_of(record))) == []
        assert record.device == torch.cuda.get_device_name()
    variants = [record for record in timed.records if isinstance(record, VariantTimes)]
    assert [record.executed for record in variants] == ["graphs", "graphs"]
    assert all(record.peak_memory_bytes > 0 for record in variants)
