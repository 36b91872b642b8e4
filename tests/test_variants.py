"""Every registered variant and control: its networks, its objectives alone and stacked, what it trains, what it draws."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.func import stack_module_state, vmap
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_map

from ganbench import registry
from ganbench.bound import BoundNetwork
from ganbench.dataset import LoadedDataset, Part
from ganbench.errors import UsageError
from ganbench.variant import Batch, Control, Networks, Phase, Space, Variant

ENTRIES = registry.entries("variants")
LOADED = {name: entry.load() for name, entry in ENTRIES.items()}
VARIANTS = [loaded for loaded in LOADED.values() if isinstance(loaded, Variant)]
PHASES = [pytest.param(variant, phase, id=f"{variant.name}-{phase.name}") for variant in VARIANTS for phase in variant.phases]
BY_NAME = {"argnames": "variant", "argvalues": VARIANTS, "ids": [variant.name for variant in VARIANTS]}
CLASSES = 4
SPACES = [
    Space(shape, CLASSES, shape if len(shape) == 3 else None)
    for shape in [(2,), (1, 8, 8), (3, 8, 8), (1, 28, 28), (3, 32, 32), (1, 64, 64)]
]
SMALL = SPACES[:3]  # those whose objectives are run many times over
B = 12  # packs of 2, 3 and 4 divide it


def modules(variant: Variant, space: Space, seed: int = 0) -> dict[str, nn.Module]:
    if variant.refuses(space) is not None:
        pytest.skip("the variant does not apply to the space")
    torch.manual_seed(seed)
    return {name: net.double() for name, net in variant.networks(space, variant.recipe_for(space)).items()}


def a_batch(variant: Variant, phase: Phase, space: Space, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    real = 2 * torch.rand(B, *space.shape, dtype=torch.float64, generator=generator) - 1
    z = torch.randn(B, variant.recipe_for(space).latent_size, dtype=torch.float64, generator=generator)
    labels = torch.randint(0, CLASSES, (B,), generator=generator)
    inputs = 2 * torch.rand(B, *space.shape, dtype=torch.float64, generator=generator) - 1
    batch = {
        "real": real,
        "z": z,
        "labels": labels,
        "inputs": inputs,
        "progress": torch.tensor(0.25, dtype=torch.float64),
        "noise": {},
    }
    for name, noise in phase.noise.items():
        drawn = torch.empty(B, *noise.shape(space, variant.recipe_for(space)), dtype=torch.float64)
        batch["noise"][name] = drawn.normal_(generator=generator) if noise.law == "normal" else drawn.uniform_(generator=generator)
    return batch


def bound(networks: dict[str, nn.Module]) -> Networks:
    """Plain modules as an objective sees them."""
    return Networks({n: BoundNetwork(net, dict(net.named_parameters()), dict(net.named_buffers())) for n, net in networks.items()})


def grads(
    phase: Phase, networks: dict[str, nn.Module], batch: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss of one seed, and its gradients in the updated networks' parameters, by plain modules and plain autograd."""
    for name, net in networks.items():
        net.requires_grad_(name in phase.updates)
    loss, _ = phase.objective(bound(networks), Batch(**batch))
    leaves = {f"{name}/{key}": p for name in phase.updates for key, p in networks[name].named_parameters()}
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return loss, {key: torch.zeros_like(leaves[key]) if g is None else g for key, g in zip(leaves, found, strict=True)}


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize(**BY_NAME)
def test_generator_gives_samples_of_the_space(variant, space):
    generator = modules(variant, space)["generator"]
    z = torch.randn(3, variant.recipe_for(space).latent_size, dtype=torch.float64)
    given = torch.rand(3, *space.shape, dtype=torch.float64) if variant.translates else torch.tensor([0, 1, 2])
    inputs = (z, given) if variant.conditional or variant.translates else (z,)
    for net in (generator.train(), generator.eval()):
        samples = net(*inputs)
        assert samples.shape == (3, *space.shape)
        assert torch.isfinite(samples).all()
        assert space.is_points or samples.abs().max() <= 1


@pytest.mark.parametrize(**BY_NAME)
def test_spaces_without_a_network_are_refused_in_a_sentence(variant):
    for space in [Space((1, 30, 30)), Space((3, 32, 64)), Space((1, 4, 4))]:
        problem = variant.supports(space)
        if problem is None:
            assert modules(variant, space)
        else:
            assert problem.endswith(".")
            assert "\n" not in problem


@pytest.mark.parametrize("name", ["gan", "nsgan", "lsgan", "wgan", "wgan-gp", "sngan", "pacgan2", "vae"])
def test_our_own_variants_apply_to_every_space(name):
    assert [LOADED[name].supports(space) for space in SPACES] == [None] * len(SPACES)


@pytest.mark.parametrize("space", [SPACES[0], SPACES[3], SPACES[4]], ids=str)
@pytest.mark.parametrize(("variant", "phase"), PHASES)
def test_objective_is_a_finite_scalar(variant, phase, space):
    loss, watched = phase.objective(bound(modules(variant, space)), Batch(**a_batch(variant, phase, space)))
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert watched
    assert all(value.shape == () and torch.isfinite(value) and not value.requires_grad for value in watched.values())


@pytest.mark.parametrize("space", SMALL, ids=str)
@pytest.mark.parametrize(("variant", "phase"), PHASES)
def test_stacked_seeds_equal_each_seed_alone(variant, phase, space):
    seeds = [0, 1, 2]
    alone = [modules(variant, space, seed) for seed in seeds]
    batches = [a_batch(variant, phase, space, seed) for seed in seeds]
    states = {name: stack_module_state([each[name] for each in alone]) for name in alone[0]}
    states = {
        name: ({k: v.detach() for k, v in p.items()}, {k: v.clone() for k, v in b.items()}) for name, (p, b) in states.items()
    }
    leaves = {f"{name}/{key}": p.requires_grad_() for name in phase.updates for key, p in states[name][0].items()}

    def objective(states, batch):
        return phase.objective(Networks({name: BoundNetwork(alone[0][name], *states[name]) for name in states}), Batch(**batch))

    template = {name: {k: v.clone() for k, v in net.state_dict().items()} for name, net in alone[0].items()}
    batch = tree_map(lambda *each: torch.stack(each), *batches)
    losses, watched = vmap(objective, randomness="error")(states, batch)
    stacked = torch.autograd.grad(losses.sum(), list(leaves.values()), allow_unused=True, materialize_grads=True)
    for name, net in alone[0].items():  # the template module's own state stays as it was
        assert all(torch.equal(value, template[name][key]) for key, value in net.state_dict().items())

    # float64: sums are taken in another order. 1e-9 is far above that and far below any seed that reads another's numbers.
    for index in range(len(seeds)):
        loss, gradients = grads(phase, alone[index], batches[index])
        torch.testing.assert_close(losses[index], loss, rtol=1e-9, atol=1e-9)
        for (key, expected), value in zip(gradients.items(), stacked, strict=True):
            torch.testing.assert_close(value[index], expected, rtol=1e-9, atol=1e-9, msg=lambda m, key=key: f"{key}: {m}")
        for name, net in alone[index].items():
            for key, value in net.named_buffers():  # running statistics and singular vectors moved alike
                torch.testing.assert_close(states[name][1][key][index], value, rtol=1e-9, atol=1e-9)
    assert all(value.shape == (len(seeds),) for value in watched.values())


@pytest.mark.parametrize("space", SMALL, ids=str)
@pytest.mark.parametrize(("variant", "phase"), PHASES)
def test_every_parameter_of_the_updated_networks_gets_a_gradient(variant, phase, space):
    networks = modules(variant, space)
    _, gradients = grads(phase, networks, a_batch(variant, phase, space))
    assert gradients
    for key, gradient in gradients.items():
        # A bias on D's one output shifts all logits alike, which Wasserstein and hinge losses (inside the margin) do not see.
        if key.startswith("discriminator/") and gradient.shape == (1,):
            continue
        assert gradient.abs().max() > 0, key
    for name, net in networks.items():
        if name not in phase.updates:
            assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize("space", [SPACES[0], SPACES[4]], ids=str)
@pytest.mark.parametrize(**BY_NAME)
def test_no_bias_before_a_normalisation(variant, space):
    for net in modules(variant, space).values():
        leaves = [module for module in net.modules() if not list(module.children())]
        for layer, following in pairwise(leaves):
            if isinstance(following, _BatchNorm):
                assert layer.bias is None


def test_the_wasserstein_penalty_has_a_critic_that_takes_samples_one_by_one():
    critic = modules(LOADED["wgan-gp"], Space((1, 8, 8)))["discriminator"]
    x = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(critic(x)[:1], critic(x[:1]), rtol=1e-12, atol=1e-12)  # batch norm would tie them together


def test_wgan_clips_the_stacked_critic_in_place():
    (phase,) = [phase for phase in LOADED["wgan"].phases if phase.name == "d"]
    for shape, bound in [((2,), 0.1), ((1, 8, 8), 0.01)]:
        critics = [LOADED["wgan"].networks(Space(shape), LOADED["wgan"].recipe)["discriminator"] for _ in range(2)]
        stacked = {f"discriminator/{key}": 10 * value.detach() for key, value in stack_module_state(critics)[0].items()}
        before = {key: value.clone() for key, value in stacked.items()}
        phase.constrain(stacked)
        for key, value in stacked.items():
            assert torch.equal(value, before[key].clip(-bound, bound))
        assert any(not torch.equal(value, before[key]) for key, value in stacked.items())


def test_the_packed_discriminator_sees_two_samples_for_one_logit():
    networks = modules(LOADED["pacgan2"], Space((3, 8, 8)))
    first = next(m for m in networks["discriminator"].modules() if isinstance(m, nn.Conv2d))
    assert first.in_channels == 6
    assert networks["discriminator"](torch.zeros(B, 3, 8, 8, dtype=torch.float64)).shape == (B // 2,)
    assert modules(LOADED["pacgan2"], Space((2,)))["discriminator"](torch.zeros(B, 2, dtype=torch.float64)).shape == (B // 2,)


@pytest.mark.parametrize("space", [Space((2,)), Space((1, 8, 8))], ids=str)
def test_the_vae_minimises_minus_the_evidence_lower_bound(space):
    variant = LOADED["vae"]
    (phase,) = variant.phases
    batch = a_batch(variant, phase, space)
    networks = {name: net.eval() for name, net in modules(variant, space).items()}
    loss, watched = phase.objective(Networks(networks), Batch(**batch))
    mean, log_variance = networks["encoder"](batch["real"]).chunk(2, 1)
    posterior = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
    z = posterior.mean + posterior.stddev * batch["z"]
    sigma = {1: 0.15, 3: 0.3}[len(space.shape)]
    likelihood = torch.distributions.Normal(networks["generator"](z), sigma).log_prob(batch["real"]).flatten(1).sum(1)
    kl = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(loss, (kl - likelihood).mean(), rtol=1e-12, atol=1e-12)  # float64 roundings
    torch.testing.assert_close(watched["reconstruction"], -likelihood.mean(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(watched["kl"], kl.mean(), rtol=1e-12, atol=1e-12)


def images() -> LoadedDataset:
    items = torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(20, 1, 8, 8).contiguous()  # each item its own grey
    return LoadedDataset("greys", Part("train", items[:12]), Part("test", items[12:]))


def draw(name: str, dataset: LoadedDataset, count: int, seed: int = 0) -> torch.Tensor:
    return LOADED[name].draw(dataset, count, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("name", "own"), [("real", range(12, 20)), ("memorizer", range(12))])
def test_controls_draw_different_items_of_their_part(name, own):
    drawn = draw(name, images(), 5)
    assert drawn.shape == (5, 1, 8, 8)
    assert drawn.dtype == torch.uint8
    greys = drawn[:, 0, 0, 0].tolist()
    assert len(set(greys)) == 5
    assert set(greys) <= set(own)
    assert torch.equal(drawn, draw(name, images(), 5))
    assert sorted(draw(name, images(), len(own))[:, 0, 0, 0].tolist()) == list(own)
    assert any(draw(name, images(), 5, seed)[:, 0, 0, 0].tolist() != greys for seed in range(1, 4))


@pytest.mark.parametrize(("name", "count"), [("real", 8), ("memorizer", 12)])
def test_controls_refuse_to_draw_more_than_there_are(name, count):
    with pytest.raises(UsageError, match=rf"\b{count + 1}\b.*\b{count}\b"):
        draw(name, images(), count + 1)


def test_noise_images_are_uniform_bytes():
    drawn = draw("noise", images(), 2000)
    assert drawn.shape == (2000, 1, 8, 8)
    assert drawn.dtype == torch.uint8
    counts = torch.bincount(drawn.flatten().long(), minlength=256).double()
    expected = drawn.numel() / 256
    chi_squared = ((counts - expected) ** 2 / expected).sum().item()
    assert abs(chi_squared - 255) < 5 * math.sqrt(2 * 255)  # five standard deviations of chi squared with 255 degrees


def test_noise_points_fill_a_box_of_twice_the_extent():
    items = torch.tensor([[-1.0, 0.0], [1.0, 4.0], [0.0, 1.0]])
    dataset = LoadedDataset("corners", Part("train", items), Part("test", items))
    drawn = draw("noise", dataset, 20_000)
    low, high = torch.tensor([-2.0, -2.0]), torch.tensor([2.0, 6.0])
    assert (drawn >= low).all()
    assert (drawn <= high).all()
    # The chance that none of 20,000 falls within 0.1 % of an edge is exp(-20); a mean's standard error is width / sqrt(12 n).
    assert torch.allclose(drawn.amin(0), low, atol=0.008)
    assert torch.allclose(drawn.amax(0), high, atol=0.008)
    assert torch.allclose(drawn.mean(0), (low + high) / 2, atol=5 * 8 / math.sqrt(12 * 20_000))


def test_controls_and_variants_say_what_they_are():
    controls = {name for name, loaded in LOADED.items() if isinstance(loaded, Control)}
    assert {"real", "memorizer", "noise"} <= controls
    for name, entry in ENTRIES.items():
        assert entry.facts["family"] == LOADED[name].family
        assert entry.doc
        assert name in controls or entry.facts["paper"]
