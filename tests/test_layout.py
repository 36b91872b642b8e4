"""On a CPU large images are trained with channels innermost in memory: other places, the same numbers."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ganbench import registry, stack
from ganbench.checkpoint import load_state, save_state
from ganbench.compiled import compile_gradients
from ganbench.dataset import LoadedDataset, Part
from ganbench.execution import channels_last
from ganbench.generator import save_generator
from ganbench.lanes import Lanes
from ganbench.stack import differentiate
from ganbench.train import Training
from ganbench.variant import Space

# Every architecture, and what is done with weights and images beside convolving: penalties, packs, norms of a batch, augmentation.
VARIANTS = ["nsgan", "sngan", "wgan-gp", "vae", "pacgan2", "sngan-resnet", "sagan", "biggan", "stylegan2", "ddpm", "pix2pix"]
VARIANTS += ["minibatch-stddev", "infogan", "mgan", "ada", "r3gan"]
SIDE = 16


def training(name: str, seeds: list[int], dtype: torch.dtype = torch.float64, side: int = SIDE) -> Training:
    variant = registry.find("variants", name).load()
    shape = (1, side, side)
    if reason := variant.refuses(Space(shape, 10, shape)):
        pytest.skip(reason)
    items = torch.randint(0, 256, (64, *shape), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    data = LoadedDataset("small", Part("train", items, torch.arange(64) % 10, 255 - items), Part("test", items[:8]), classes=10)
    recipe = dataclasses.replace(variant.recipe_for(Space(shape)), batch_size=12 if name == "pacgan3" else 8, ema_decay=0.9)
    return Training(variant, recipe, data, seeds, 4, watch_every=2, dtype=dtype)


def in_channels_last(kernels: torch.Tensor) -> bool:
    return all(each.is_contiguous(memory_format=torch.channels_last) for each in kernels)


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Training]:
    """Trainings whose weights lie in torch's usual order."""

    def made(*given: object) -> Training:
        with monkeypatch.context() as patch:
            patch.setattr(stack, "channels_last", lambda *_: False)
            return training(*given)

    return made


def test_it_is_chosen_for_large_images_on_a_cpu() -> None:
    assert [channels_last("cpu", shape) for shape in ((2,), (1, 8, 8), (1, 16, 16), (3, 64, 64))] == [False, False, True, True]
    assert not channels_last("cuda:0", (3, 64, 64))


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_trained_as_in_the_usual_order(name: str, usual: Callable[..., Training]) -> None:
    # float64: convolutions add in another order, far under 1e-9 after 2 steps.
    ours, theirs = training(name, [3]), usual(name, [3])
    for each in (ours, theirs):
        each.advance(2)
    for key, value in theirs.tensors().items():
        torch.testing.assert_close(ours.tensors()[key], value, rtol=0, atol=1e-9, msg=lambda text, key=key: f"{key}: {text}")


def test_gradients_in_float32_are_those_of_float64() -> None:
    # A processor's library has other kernels for float32, and for channels-last ones others again.
    found = []
    for dtype in (torch.float32, torch.float64):
        state = training("nsgan", [0], dtype)
        state._prepare(state.variant.phases)
        phase = state.variant.phases[0]
        batch = state._draw(phase, state._drawn[0])
        batch["z"] = torch.linspace(-1, 1, batch["z"].numel(), dtype=dtype).view_as(batch["z"])
        gradients = differentiate(phase.objective, state.networks, phase.updates, batch)[2]
        found.append(torch.cat([each.flatten() for each in gradients]))
    assert (found[0] - found[1]).norm() < 1e-4 * found[1].norm()


@pytest.mark.parametrize("seeds", [[0], [0, 3]])
def test_weights_gradients_moments_and_averages_lie_alike(seeds: list[int]) -> None:
    state = training("nsgan", seeds)
    state.advance(2)
    assert state.average is not None
    kernels = {name: [value for value in net.parameters.values() if value.ndim == 5] for name, net in state.networks.items()}
    for leaf in [leaf for leaves in kernels.values() for leaf in leaves]:
        moments = [kept[leaf] for kept in (o.state for o in state.optimizers.values()) if leaf in kept]
        assert len(moments) == 1
        assert leaf.grad is not None
        for each in (leaf, leaf.grad, moments[0]["exp_avg"], moments[0]["exp_avg_sq"]):
            assert in_channels_last(each)
    assert all(in_channels_last(value) for value in state.average.values() if value.ndim == 5)


@pytest.mark.parametrize("name", ["nsgan", "sngan", "wgan-gp", "wgan"])  # the last by RMSProp
def test_a_resumed_training_is_equal_to_the_bit(name: str, tmp_path: Path) -> None:
    whole, first, second = (training(name, [0, 1], torch.float32) for _ in range(3))
    whole.advance(4)
    first.advance(2)
    save_state(tmp_path, first.tensors(), first.facts())
    found = load_state(tmp_path)
    assert found is not None
    assert all(value.is_contiguous() for value in found[0].values())
    second.restore(*found)
    second.advance(4)
    for key, value in whole.tensors().items():
        assert torch.equal(value, second.tensors()[key]), key
    assert whole.facts() == second.facts()


def test_what_was_saved_in_the_usual_order_goes_on_with_channels_innermost(usual: Callable[..., Training], tmp_path: Path) -> None:
    first, second = usual("nsgan", [0]), training("nsgan", [0])
    first.advance(2)
    save_state(tmp_path, first.tensors(), first.facts())
    found = load_state(tmp_path)
    assert found is not None
    second.restore(*found)
    for each in (first, second):
        each.advance(4)
    for key, value in first.tensors().items():
        torch.testing.assert_close(second.tensors()[key], value, rtol=0, atol=1e-9)


def test_a_checkpoint_has_the_bytes_that_the_usual_order_has(tmp_path: Path) -> None:
    state = training("nsgan", [0, 3], torch.float32)
    state.advance(2)
    ours = state.generator_state(1)
    usual = {key: torch.tensor(value.tolist(), dtype=value.dtype) for key, value in ours.items()}
    assert not all(value.is_contiguous() for value in ours.values())
    facts = {"variant": "nsgan", "dataset": "small", "seed": 3, "step": 2}
    hashes = [
        save_generator(tmp_path / f"{name}.safetensors", each, facts, state.space, state.recipe)
        for name, each in {"ours": ours, "usual": usual}.items()
    ]
    assert hashes[0] == hashes[1]
    assert all(value.is_contiguous() for value in state.generator(1).state_dict().values())


@pytest.mark.parametrize("apart", [None, Lanes("cpu", 2)])
def test_compiled_gradients_lie_as_their_weights(apart: Lanes | None) -> None:
    state = training("nsgan", [0, 3])
    phase = state.variant.phases[0]
    state._prepare(state.variant.phases)
    batch = state._draw(phase, state._drawn[0])
    compiled = compile_gradients(phase, state.networks, batch, backend="eager", apart=apart)(batch)
    leaves = [value for name in phase.updates for value in state.networks[name].parameters.values()]
    for leaf, each in zip(leaves, compiled, strict=True):
        assert each.shape == leaf.shape
        assert leaf.ndim < 5 or in_channels_last(each)
