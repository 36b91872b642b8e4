"""Training in bfloat16: networks alone compute in it, by choice."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from ganbench import registry
from ganbench.bound import BoundNetwork
from ganbench.checkpoint import load_state, save_state
from ganbench.compiled import compile_gradients
from ganbench.dataset import LoadedDataset, Part
from ganbench.errors import UsageError
from ganbench.execution import Execution
from ganbench.train import Training
from ganbench.variant import Space

BF16 = Execution(bf16=True)
SHAPE = (1, 8, 8)


def training(name: str, seeds: list[int], execution: Execution = BF16) -> Training:
    variant = registry.find("variants", name).load()
    items = torch.randint(0, 256, (64, *SHAPE), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    data = LoadedDataset("small", Part("train", items), Part("test", items[:8]))
    recipe = dataclasses.replace(variant.recipe_for(Space(SHAPE)), batch_size=16, ema_decay=0.9)
    return Training(variant, recipe, data, seeds, 4, watch_every=2, execution=execution)


@pytest.mark.parametrize("seeds", [[0], [0, 3, 5]], ids=["one", "three"])
@pytest.mark.parametrize("name", ["wgan-gp", "nsgan", "sngan", "unrolled"])  # a penalty, batch norm, spectral norm, steps inside
def test_networks_alone_compute_in_it(name: str, seeds: list[int]) -> None:
    ours, full = training(name, seeds), training(name, seeds, Execution())
    for each in (ours, full):
        each.advance(4)
    assert ours.diverged_at == [None] * len(seeds)
    differs = False
    for key, value in full.tensors().items():
        other = ours.tensors()[key]
        assert (other.dtype, other.shape) == (value.dtype, value.shape)
        if value.is_floating_point():
            assert other.dtype == torch.float32
            assert other.isfinite().all(), key
            differs = differs or not torch.equal(other, value)
    assert differs
    # Adam moves every weight by its step size at most, however roughly a gradient is rounded.
    for network, net in full.networks.items():
        for key, value in net.frozen.items():
            most = 2 * 2 * 4 * max(full.recipe.lr, full.recipe.d_lr or 0) * full.recipe.d_steps
            assert (ours.networks[network].frozen[key] - value).abs().max() < most, key


def test_a_network_gives_float32_of_products_in_bfloat16() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(40, 5)
    x = torch.randn(7, 40)
    given = BoundNetwork(layer, dict(layer.named_parameters()), {}, bf16=True)(x)
    assert given.dtype == torch.float32
    rounded = nn.functional.linear(x.bfloat16(), layer.weight.bfloat16(), layer.bias.bfloat16())
    assert torch.equal(given, rounded.float())
    assert torch.equal(BoundNetwork(layer, dict(layer.named_parameters()), {})(x), layer(x))


def test_the_singular_vector_is_found_in_full() -> None:
    vectors = []
    for execution in (BF16, Execution()):
        state = training("sngan", [0], execution)
        state._prepare(state.variant.phases)
        state._run([phase for phase in state.variant.phases if phase.name == "d"][:1])
        vectors.append([value for key, value in state.networks["discriminator"].buffers.items() if key.endswith("u")])
    assert vectors[0]
    for ours, full in zip(*vectors, strict=True):  # before the first update of the weights
        assert torch.equal(ours, full)


@pytest.mark.parametrize("name", ["nsgan", "wgan-gp"])
def test_a_resumed_training_is_equal_to_the_bit(name: str, tmp_path: Path) -> None:
    whole, first, second = (training(name, [0, 1]) for _ in range(3))
    whole.advance(4)
    first.advance(2)
    save_state(tmp_path, first.tensors(), first.facts())
    found = load_state(tmp_path)
    assert found is not None
    second.restore(*found)
    second.advance(4)
    for key, value in whole.tensors().items():
        assert torch.equal(value, second.tensors()[key]), key
    assert whole.facts() == second.facts()


def test_traced_gradients_are_judged_by_full_float32() -> None:
    state = training("nsgan", [0, 3])
    phase = state.variant.phases[0]
    state._prepare(state.variant.phases)
    batch = state._draw(phase, state._drawn[0])
    leaves = [value for name in phase.updates for value in state.networks[name].parameters.values()]
    for each, leaf in zip(compile_gradients(phase, state.networks, batch, backend="eager")(batch), leaves, strict=True):
        assert (each.dtype, each.shape) == (torch.float32, leaf.shape)


def test_the_specification_says_so() -> None:
    assert BF16.specification() == {"precision": "bf16"}
    assert Execution.of(BF16.specification()) == BF16
    assert Execution.of(Execution(compile=True, bf16=True).specification()) == Execution(compile=True, bf16=True)


def test_two_precisions_are_refused() -> None:
    with pytest.raises(UsageError, match="--tf32 and --bf16 exclude each other"):
        Execution(tf32=True, bf16=True)
