"""The training loop: stacked seeds equal seeds alone, resuming is exact, a bad seed ends alone."""

import dataclasses

import pytest
import torch

from ganbench import registry
from ganbench.batches import RealBatches, has_room
from ganbench.checkpoint import load_state, save_state
from ganbench.compiled import CompilationError, compile_gradients
from ganbench.compiled import _check as compiled_is_right
from ganbench.dataset import LoadedDataset, Part
from ganbench.errors import InvalidInputError, UsageError
from ganbench.execution import Execution, arithmetic
from ganbench.generator import draw_latents, draw_samples, load_generator, save_generator, to_uint8
from ganbench.lanes import Lanes
from ganbench.rng import stream
from ganbench.stack import evaluate
from ganbench.train import Training
from ganbench.variant import Control, Phase, Recipe, Space, Variant

VARIANTS = [name for name, entry in registry.entries("variants").items() if not isinstance(entry.load(), Control)]
SEEDS = [0, 3, 5]
COMPILED = Execution(compile=True)


def dataset(shape: tuple[int, ...], count: int = 200) -> LoadedDataset:
    generator = torch.Generator().manual_seed(1)
    if len(shape) == 1:
        items = torch.randn(count, *shape, generator=generator)
    else:
        items = torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % 10
    inputs = 255 - items if len(shape) == 3 else None
    return LoadedDataset("small", Part("train", items, labels, inputs), Part("test", items[:50]), classes=10)


def training(name: str, shape: tuple[int, ...], seeds: list[int], steps: int = 5, **changes: object) -> Training:
    variant = registry.find("variants", name).load()
    if reason := variant.refuses(Space(shape, 10, shape if len(shape) == 3 else None)):
        pytest.skip(reason)
    recipe = dataclasses.replace(variant.recipe_for(Space(shape)), **{"batch_size": 12 if name == "pacgan3" else 8, **changes})
    return Training(variant, recipe, dataset(shape), seeds, steps, watch_every=2, dtype=torch.float64)


def seed_tensors(state: Training, index: int) -> dict[str, torch.Tensor]:
    """One seed's weights, buffers, average and optimiser moments."""
    return {
        name: value[index]
        for name, value in state.tensors().items()
        if not name.startswith("stream/") and not name.endswith("/step")
    }


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8)], ids=["points", "images"])
@pytest.mark.parametrize("name", VARIANTS)
def test_stacked_seeds_equal_seeds_alone(name: str, shape: tuple[int, ...]) -> None:
    # float64: what differs is the order in which sums are added, far under 1e-9 after 5 steps.
    stacked = training(name, shape, SEEDS, ema_decay=0.9)
    stacked.advance(5)
    for index, seed in enumerate(SEEDS):
        alone = training(name, shape, [seed], ema_decay=0.9)
        alone.advance(5)
        ours, theirs = seed_tensors(stacked, index), seed_tensors(alone, 0)
        assert ours.keys() == theirs.keys()
        for key in ours:
            torch.testing.assert_close(ours[key], theirs[key], rtol=0, atol=1e-9, msg=lambda text, key=key: f"{key}: {text}")
        assert stacked.curves["steps"] == alone.curves["steps"] == [1, 2, 4, 5]
        for key in ("steps", *(k for k in alone.curves if k != "steps")):
            if key != "steps":
                assert [row[index] for row in stacked.curves[key]] == pytest.approx([row[0] for row in alone.curves[key]], abs=1e-9)


@pytest.mark.parametrize("name", ["nsgan", "sngan", "wgan-gp", "began", "infogan", "mgan", "ada"])
def test_seeds_computed_one_after_another_equal_seeds_together(name: str) -> None:
    # Buffers of every kind: running statistics, singular vectors, a balance, a probability; and penalties and a third network.
    after_another = training(name, (1, 16, 16), SEEDS, 3, ema_decay=0.9)
    together = training(name, (1, 16, 16), SEEDS, 3, ema_decay=0.9)
    assert after_another._apart is not None
    together._apart = None
    after_another.advance(3)
    together.advance(3)
    for key, value in together.tensors().items():
        torch.testing.assert_close(
            after_another.tensors()[key], value, rtol=0, atol=1e-9, msg=lambda text, key=key: f"{key}: {text}"
        )
    for key, rows in together.curves.items():
        for ours, theirs in zip(after_another.curves[key], rows, strict=True):
            assert ours == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("name", VARIANTS)
def test_seeds_differ_and_every_network_moves(name: str) -> None:
    state = training(name, (1, 8, 8), SEEDS)
    before = {key: value.clone() for key, value in state.tensors().items()}
    state.advance(3)
    for network, net in state.networks.items():
        for key, value in net.frozen.items():
            if value[0].ndim < 2:
                continue  # a critic's last bias has no gradient: its loss is a difference of two means
            assert (value != before[f"{network}/{key}"]).flatten(1).any(1).all(), f"{network}/{key} did not change in some seed"
    weights = state.networks["generator"].frozen
    assert all(not torch.equal(value[0], value[1]) for value in weights.values() if value[0].ndim > 1)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_phase_changes_its_own_networks_alone(name: str) -> None:
    state = training(name, (1, 8, 8), [0, 3])
    state.step = 1
    for phase in state.variant.phases:
        state._prepare([phase])
        before = {network: {k: v.clone() for k, v in net.frozen.items()} for network, net in state.networks.items()}
        state._run([phase])
        for network, net in state.networks.items():
            moved = any(not torch.equal(value, before[network][key]) for key, value in net.frozen.items())
            assert moved == (network in phase.updates and bool(net.frozen)), f"{phase.name} and {network}"


@pytest.mark.parametrize("name", VARIANTS)
def test_a_resumed_training_is_equal_to_the_bit(name: str, tmp_path) -> None:
    whole = training(name, (1, 8, 8), [0, 1], steps=6, ema_decay=0.9)
    whole.advance(6)
    first = training(name, (1, 8, 8), [0, 1], steps=6, ema_decay=0.9)
    first.advance(3)
    save_state(tmp_path, first.tensors(), {**first.facts()})
    found = load_state(tmp_path)
    assert found is not None
    second = training(name, (1, 8, 8), [0, 1], steps=6, ema_decay=0.9)
    second.restore(*found)
    assert second.step == 3
    second.advance(6)
    assert whole.tensors().keys() == second.tensors().keys()
    for key, value in whole.tensors().items():
        assert torch.equal(value, second.tensors()[key]), key
    assert whole.facts() == second.facts()


def test_looking_does_not_change_the_training() -> None:
    looked, left = (training("nsgan", (1, 8, 8), [0, 1], steps=6) for _ in range(2))
    looked.watch_every = 1
    for step in range(1, 7):
        looked.advance(step)
        draw_samples(looked.generator(0), looked.space, looked.recipe, 16, 0)
    left.advance(6)
    for key, value in left.tensors().items():
        assert torch.equal(value, looked.tensors()[key]), key


def poisoned(at_step: int, bad_seed_index: int, seeds: int) -> Variant:
    """nsgan, whose generator's loss becomes NaN for one seed: the one whose first latent of the step is the marked one."""
    base = registry.find("variants", "nsgan").load()
    marks: list[torch.Tensor] = [stream(s, "latent") for s in range(seeds)]
    recipe = base.recipe_for(Space((2,)))
    latents = [draw_latents(8, recipe, marks[bad_seed_index], torch.float64) for _ in range(2 * at_step)]
    mark = latents[-1][0, 0]

    def objective(networks, batch):
        loss, watched = base.phases[1].objective(networks, batch)
        return loss * torch.where(batch.z[0, 0] == mark, float("nan"), 1.0), watched

    return dataclasses.replace(base, name="poisoned", phases=(base.phases[0], Phase("g", ("generator",), objective)))


def test_a_seed_that_is_not_finite_ends_alone() -> None:
    bad = poisoned(at_step=3, bad_seed_index=2, seeds=4)
    good = registry.find("variants", "nsgan").load()
    states = []
    for variant in (bad, good):
        recipe = dataclasses.replace(variant.recipe_for(Space((2,))), batch_size=8)
        state = Training(variant, recipe, dataset((2,)), [0, 1, 2, 3], 8, watch_every=1, dtype=torch.float64)
        state.advance(8)
        states.append(state)
    assert states[0].diverged_at == [None, None, 3, None]
    assert states[0].step == 8
    assert states[0].curves["g.loss"][2][2] is None
    for index in (0, 1, 3):
        for key, value in seed_tensors(states[1], index).items():
            assert torch.equal(value, seed_tensors(states[0], index)[key])


def test_training_ends_when_every_seed_diverged() -> None:
    bad = poisoned(at_step=2, bad_seed_index=0, seeds=1)
    recipe = dataclasses.replace(bad.recipe_for(Space((2,))), batch_size=8)
    state = Training(bad, recipe, dataset((2,)), [0], 100, watch_every=1, dtype=torch.float64)
    state.advance(100)
    assert (state.step, state.finished) == (2, True)


def test_an_epoch_shows_every_sample_once_in_another_order() -> None:
    data = dataset((1, 8, 8), count=40)
    batches = RealBatches(data, [0, 1], 8, "cpu", torch.float64)
    firsts = [torch.cat([batches.take(batches.draw(n))["real"] for n in range(e * 5, e * 5 + 5)], dim=1) for e in range(2)]
    wanted = data.train.items.double() / 127.5 - 1
    for epoch in firsts:
        for seed in range(2):
            assert torch.equal(epoch[seed].flatten(1).sort(0).values, wanted.flatten(1).sort(0).values)
    assert not torch.equal(firsts[0], firsts[1])
    assert not torch.equal(firsts[0][0], firsts[0][1])


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8)])
def test_batches_that_are_read_ahead_are_those_of_data_on_the_device(shape: tuple[int, ...]) -> None:
    data = dataset(shape, count=40)
    here, ahead = (RealBatches(data, [0, 1], 8, "cpu", torch.float64, on_device) for on_device in (True, False))
    for number in (*range(12), 30, 31, 2, 3):  # three epochs, a jump ahead as a resumed training makes, and one back
        wanted, found = (each.take(each.draw(number)) for each in (here, ahead))
        assert wanted.keys() == found.keys() == {"real", "labels", *(["inputs"] if len(shape) == 3 else [])}
        assert all(torch.equal(wanted[name], found[name]) for name in wanted)


@pytest.mark.parametrize(("free", "on_device"), [(10**9, True), (10**3, False)])
def test_data_stay_with_the_host_where_a_gpu_has_no_room(
    free: int, on_device: bool, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    items = {"real": torch.zeros(600, dtype=torch.uint8)}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**12))
    assert has_room(items, "few", "cuda:0") == on_device
    assert ("few takes" in caplog.text) != on_device
    assert has_room(items, "few", "cpu")


def test_a_training_whose_batches_are_read_ahead_is_the_same_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = training("wgan-gp", (2,), [0, 1], steps=7)
    whole.advance(7)
    monkeypatch.setattr("ganbench.batches.has_room", lambda *_: False)
    ahead = training("wgan-gp", (2,), [0, 1], steps=7)
    assert not ahead.batches.on_device
    ahead.advance(7)
    assert all(torch.equal(value, ahead.tensors()[name]) for name, value in whole.tensors().items())


def test_the_average_follows_the_generator_by_its_law() -> None:
    state = training("nsgan", (2,), [0], steps=3, ema_decay=0.5)
    expected = {key: value.clone() for key, value in state.average.items()}
    for step in range(1, 4):
        state.advance(step)
        decay = min(0.5, (1 + step) / (10 + step))
        for key, value in state.networks["generator"].state().items():
            average = decay * expected[key] + (1 - decay) * value
            expected[key] = average if value.is_floating_point() else value.clone()
    for key, value in expected.items():
        torch.testing.assert_close(state.average[key], value, rtol=1e-12, atol=1e-12)


def test_a_batch_larger_than_the_data_is_an_error() -> None:
    with pytest.raises(UsageError, match="batch size 512 is more than the 200 training samples"):
        RealBatches(dataset((2,)), [0], 512, "cpu", torch.float32)


def test_quantisation_is_the_stated_rule() -> None:
    x = torch.tensor([-2.0, -1.0, -1.0 + 1 / 127.5, 0.0, 0.999, 1.0, 3.0])
    # floor(127.5 x + 128) by hand: -127 -> 0; 0.5 -> 0; 1.5 -> 1; 128; 255.37 -> 255; 255.5 -> 255; clamped 255
    assert to_uint8(x).tolist() == [0, 0, 1, 128, 255, 255, 255]


def test_more_samples_begin_with_the_same_ones() -> None:
    state = training("nsgan", (1, 8, 8), [0])
    few, many = (draw_samples(state.generator(0), state.space, state.recipe, count, 7) for count in (300, 700))
    assert torch.equal(few[:256], many[:256])
    # A last batch of another size may take another path through a convolution: at most the last bit before quantisation.
    assert (few.int() - many[:300].int()).abs().max() <= 1


def test_latents_follow_the_law() -> None:
    z = draw_latents(20_000, Recipe(latent_size=5, latent_law="uniform"), stream(0, "test"))
    assert z.min() >= -1
    assert z.max() <= 1
    assert z.var().item() == pytest.approx(1 / 3, abs=0.01)  # of 100,000 draws: the standard error is 0.001
    z = draw_latents(20_000, Recipe(latent_size=5), stream(0, "test"))
    assert z.var().item() == pytest.approx(1.0, abs=0.03)  # the standard error is 0.0045


def checkpoint(tmp_path, name: str = "nsgan"):
    state = training(name, (1, 8, 8), [4], ema_decay=0.9)
    state.advance(2)
    path = tmp_path / "seed-4.safetensors"
    save_generator(path, state.generator_state(0), {"variant": name, "dataset": "digits", "seed": 4}, state.space, state.recipe)
    return state, path


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_checkpoint_gives_the_same_samples(tmp_path, suffix: str) -> None:
    state, path = checkpoint(tmp_path)
    loaded = load_generator(path.with_suffix(suffix))
    wanted = draw_samples(state.generator(0), state.space, state.recipe, 20, 4)
    assert torch.equal(loaded.sample(20, 4), wanted)
    assert (loaded.variant_name, loaded.dataset_name, loaded.recipe) == ("nsgan", "digits", state.recipe)


def test_a_checkpoint_that_was_cut_short_is_an_error(tmp_path) -> None:
    _, path = checkpoint(tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InvalidInputError, match=r"seed-4\.safetensors is not what seed-4\.json describes"):
        load_generator(path)


def test_a_checkpoint_never_runs_code_by_itself(tmp_path) -> None:
    _, path = checkpoint(tmp_path)
    described = path.with_suffix(".json")
    described.write_text(described.read_text().replace('"nsgan"', '"/tmp/evil.py"'))
    with pytest.raises(UsageError, match="pass it with --variant-file if you trust it"):
        load_generator(path)


def test_a_state_that_was_cut_short_is_an_error(tmp_path) -> None:
    save_state(tmp_path, {"a": torch.zeros(3)}, {"step": 1})
    file = tmp_path / "state-000000001.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InvalidInputError, match="was cut short or altered"):
        load_state(tmp_path)


@pytest.mark.parametrize("apart", [None, Lanes("cpu", 2)])
@pytest.mark.parametrize("name", ["nsgan", "wgan-gp", "acgan", "vae"])
def test_traced_gradients_are_the_eager_ones(name: str, apart: Lanes | None) -> None:
    # Traced and run again operation by operation, without a code generator: what is tested is that the trace holds the whole phase.
    state = training(name, (2,), [0, 3])
    state.advance(1)
    for phase in state.variant.phases:
        state._prepare([phase])
        batch = state._draw(phase, state._drawn[0])
        compiled = compile_gradients(phase, state.networks, batch, backend="aot_eager", apart=apart)
        held = [value for net in state.networks.values() for value in net.buffers.values()]
        before = [value.clone() for value in held]
        batch = state._draw(phase, state._drawn[0])  # another one than the trace was made from
        found = compiled(batch)
        moved = [value.clone() for value in held]
        for value, old in zip(held, before, strict=True):
            value.copy_(old)
        losses, _ = evaluate(phase.objective, state.networks, phase.updates, batch)
        leaves = [value for network in phase.updates for value in state.networks[network].parameters.values()]
        wanted = torch.autograd.grad(losses.sum(), leaves, allow_unused=True, materialize_grads=True)
        for ours, theirs in zip(found, wanted, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
        for ours, theirs in zip(moved, held, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_what_cannot_be_compiled_is_trained_eagerly(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(*args: object, apart: object) -> None:
        raise CompilationError("The phase d cannot be compiled (no reason); train without --compile.")

    monkeypatch.setattr("ganbench.train.compile_gradients", refuse)
    plain = training("nsgan", (2,), [0, 3])
    state = Training(plain.variant, plain.recipe, dataset((2,)), [0, 3], 5, watch_every=2, dtype=torch.float64, execution=COMPILED)
    plain.advance(5)
    state.advance(5)
    assert state.executed == "eager"
    assert state.compile_seconds > 0
    assert plain.compile_seconds == 0
    assert "nsgan: The phase d cannot be compiled" in caplog.text
    assert all(torch.equal(value, state.tensors()[key]) for key, value in plain.tensors().items())


def test_compiled_gradients_that_are_others_are_refused() -> None:
    exact = [torch.tensor([[3.0, 4.0]]), torch.tensor([[12.0]])]  # of one seed, a norm of 13
    phase = registry.find("variants", "nsgan").load().phases[0]
    compiled_is_right(phase, [exact[0], exact[1] + 0.0129], exact, exact)  # a thousandth of 13 is allowed
    compiled_is_right(phase, [exact[0], exact[1] + 0.4], [exact[0], exact[1] - 0.1], exact)  # and four times what eager is off by
    with pytest.raises(CompilationError, match=r"gradients 0\.001 away"):
        compiled_is_right(phase, [exact[0], exact[1] + 0.0131], exact, exact)
    with pytest.raises(CompilationError, match="nan away"):
        compiled_is_right(phase, [exact[0], exact[1] * torch.nan], exact, exact)


def test_arithmetic_is_as_before_afterwards() -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    for tf32, expected in ((True, ("high", True)), (False, ("highest", False))):
        with arithmetic(tf32):
            assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == expected
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


def test_a_specification_says_what_changes_rounding() -> None:
    for how in (Execution(), Execution(compile=True), Execution(tf32=True), Execution(compile=True, tf32=True)):
        assert Execution.of(how.specification()) == how
    assert Execution(graphs=False).specification() == Execution().specification() == {}
