"""Relativistic losses, penalties on a slope and normalisation by it, where they have closed forms."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.func import vmap

from ganbench import penalties, registry, relativistic
from ganbench.bound import BoundNetwork
from ganbench.errors import UsageError
from ganbench.nets.spectral_norm import SpectralNorm
from ganbench.variant import Batch, Networks, Space, Variant

EXACT = 1e-12  # relative: float64 roundings
NAMES = ["rgan", "ragan", "ragan-ls", "r3gan", "dragan", "r1", "r2", "gngan"]
LOG_1_PLUS_EXP_MINUS_3 = 0.04858735157374196  # log(1 + e^-3): -log sigmoid(3)
LOG_1_PLUS_EXP_3 = 3.04858735157374196  # log(1 + e^3): -log sigmoid(-3)


def variant(name: str) -> Variant:
    loaded = registry.find("variants", name).load()
    assert isinstance(loaded, Variant)
    return loaded


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def a_batch(*shape: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    real, fake, noise = torch.randn(3, *shape, dtype=torch.float64, generator=generator)
    return Batch(real=real, z=torch.zeros(shape[0], 1), fake=fake, noise={"around": noise})


def play(name: str, phase: str, D: Callable[[torch.Tensor], torch.Tensor], batch: Batch) -> torch.Tensor:
    """A phase's loss in a game whose generator gives the batch's fake samples, whatever it is asked."""
    (objective,) = [each.objective for each in variant(name).phases if each.name == phase]
    loss, _ = objective(Networks({"generator": lambda z: batch.fake, "discriminator": D}), batch)
    return loss


# D is 2 on real and -1 on fake samples: real - fake = 3.
@pytest.mark.parametrize(
    ("loss", "for_d", "for_g"),
    [
        (relativistic.paired, LOG_1_PLUS_EXP_MINUS_3, LOG_1_PLUS_EXP_3),  # -log sigmoid(3), -log sigmoid(-3)
        (relativistic.average, 2 * LOG_1_PLUS_EXP_MINUS_3, 2 * LOG_1_PLUS_EXP_3),  # for either kind the same
        (relativistic.average_least_squares, 8.0, 32.0),  # (3 - 1)^2 + (-3 + 1)^2, and (-3 - 1)^2 + (3 + 1)^2
    ],
)
def test_relativistic_losses_of_constant_outputs(loss, for_d, for_g):
    real, fake = tensor(2, 2, 2), tensor(-1, -1, -1)
    assert loss(real, fake).item() == pytest.approx(for_d, rel=EXACT)
    assert loss(fake, real).item() == pytest.approx(for_g, rel=EXACT)


def test_pairs_are_compared_one_by_one_and_averages_all_together():
    # Differences 2 - 0 and 0 - 2 within pairs; the averages of both kinds are 1, so that the others see 1 and -1 twice.
    real, fake = tensor(2, 0), tensor(0, 2)
    in_pairs = (math.log1p(math.exp(-2)) + math.log1p(math.exp(2))) / 2
    assert relativistic.paired(real, fake).item() == pytest.approx(in_pairs, rel=EXACT)
    # real: -log sigmoid(1), -log sigmoid(-1); fake: -log(1 - sigmoid(-1)), -log(1 - sigmoid(1)): the same two, twice.
    on_average = math.log1p(math.exp(-1)) + math.log1p(math.exp(1))
    assert relativistic.average(real, fake).item() == pytest.approx(on_average, rel=EXACT)
    # real: (1 - 1)^2, (-1 - 1)^2; fake: (-1 + 1)^2, (1 + 1)^2: means 2 and 2.
    assert relativistic.average_least_squares(real, fake).item() == 4.0


@pytest.mark.parametrize("loss", [relativistic.paired, relativistic.average, relativistic.average_least_squares])
def test_relativistic_losses_see_differences_alone_and_are_finite_far_out(loss):
    real, fake = tensor(0.5, -1, 2), tensor(1, 0, -0.25)
    assert loss(real + 7, fake + 7).item() == pytest.approx(loss(real, fake).item(), rel=EXACT)
    assert math.isfinite(loss(tensor(-1e4, -1e4), tensor(1e4, 1e4)).item())


@pytest.mark.parametrize("shape", [(6, 2), (6, 3, 4, 4)])
def test_penalties_of_a_linear_critic(shape):
    # D(x) = w.x + b has the slope w everywhere: |w|^2 / 2 about zero, (|w| - 1)^2 about one.
    weight = torch.randn(*shape[1:], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    length = weight.norm().item()
    batch = a_batch(*shape)

    def critic(x: torch.Tensor) -> torch.Tensor:
        return (x * weight).flatten(1).sum(1) + 3

    for x in (batch.real, batch.fake):
        assert penalties.zero_centred(critic, x).item() == pytest.approx(length**2 / 2, rel=EXACT)
    assert penalties.around_data(critic, batch, 0.7).item() == pytest.approx((length - 1) ** 2, rel=EXACT)


def test_penalties_of_a_quadratic_critic_show_where_the_slope_is_taken():
    # D(x) = |x|^2 / 2 has the slope x. Half of |x|^2: (9 + 16) / 2 and (1 + 0) / 2, mean 6.5.
    def critic(x: torch.Tensor) -> torch.Tensor:
        return 0.5 * x.square().sum(1)

    real = torch.stack([tensor(3, 4), tensor(1, 0)])
    assert penalties.zero_centred(critic, real).item() == pytest.approx(6.5, rel=EXACT)
    # Pushed by 2 * noise: (3, 4) + 2 (1.5, 2) = (6, 8), length 10; (1, 0) + 2 (0, 0) stays, length 1. (81 + 0) / 2.
    batch = Batch(real=real, z=torch.zeros(2, 1), noise={"around": torch.stack([tensor(1.5, 2), tensor(0, 0)])})
    assert penalties.around_data(critic, batch, 2.0).item() == pytest.approx(40.5, rel=EXACT)


def test_gradient_of_the_zero_centred_penalty_stacked():
    # |w|^2 / 2 has the gradient w, also at w = 0, where a length has none.
    weights = torch.stack([tensor(3, 4), tensor(0, 0), tensor(-1, 2)]).requires_grad_()
    x = a_batch(5, 2).real
    stacked = vmap(lambda w: penalties.zero_centred(lambda x: x @ w, x), randomness="error")(weights)
    (slopes,) = torch.autograd.grad(stacked.sum(), weights)
    torch.testing.assert_close(stacked, tensor(12.5, 0, 2.5), rtol=EXACT, atol=0)
    torch.testing.assert_close(slopes, weights.detach(), rtol=EXACT, atol=0)


def test_missing_noise_around_the_data_is_named():
    batch = Batch(real=torch.zeros(2, 2), z=torch.zeros(2, 1))
    with pytest.raises(UsageError, match="per_element"):
        penalties.around_data(lambda x: x.sum(1), batch, 1.0)


# Points, D(x) = |x|^2: the slope is 2x, |grad|^2 / 2 = 2 |x|^2. Real (1, 0): D = 1, 2. Fake (0, 2): D = 4, 8.
REAL, FAKE = (1.0, 0.0), (0.0, 2.0)
MINIMAX = math.log1p(math.exp(-1)) + math.log1p(math.exp(4))  # -log sigmoid(1) - log(1 - sigmoid(4))
NON_SATURATING = math.log1p(math.exp(-4))  # -log sigmoid(4)


@pytest.mark.parametrize(
    ("name", "phase", "expected"),
    [
        ("rgan", "d", LOG_1_PLUS_EXP_3),  # real - fake = -3
        ("rgan", "g", LOG_1_PLUS_EXP_MINUS_3),
        ("ragan", "d", 2 * LOG_1_PLUS_EXP_3),
        ("ragan", "g", 2 * LOG_1_PLUS_EXP_MINUS_3),
        ("ragan-ls", "d", 32.0),  # (-3 - 1)^2 + (3 + 1)^2
        ("ragan-ls", "g", 8.0),  # (3 - 1)^2 + (-3 + 1)^2
        ("r1", "d", MINIMAX + 0.1 * 2),
        ("r1", "g", NON_SATURATING),
        ("r2", "d", MINIMAX + 0.1 * 8),
        ("r2", "g", NON_SATURATING),
        ("r3gan", "d", LOG_1_PLUS_EXP_3 + 0.1 * (2 + 8)),
        ("r3gan", "g", LOG_1_PLUS_EXP_MINUS_3),
        # The elements 1, 0, 1, 0 have the standard deviation sqrt(1/3), by n - 1. The noise is (3, 0): x + delta =
        # (1 + 1.5 sqrt(1/3), 0), of slope 2 + 3 sqrt(1/3) = 2 + sqrt(3), so that the penalty is (1 + sqrt(3))^2.
        ("dragan", "d", MINIMAX + 0.1 * (1 + math.sqrt(3)) ** 2),
        ("dragan", "g", NON_SATURATING),
    ],
)
def test_losses_of_variants_by_hand(name, phase, expected):
    real, fake, noise = (torch.stack([tensor(*value)] * 2) for value in (REAL, FAKE, (3.0, 0.0)))
    batch = Batch(real=real, z=torch.zeros(2, 2), fake=fake, noise={"around": noise})
    assert play(name, phase, lambda x: x.square().sum(1), batch).item() == pytest.approx(expected, rel=EXACT)


@pytest.mark.parametrize(
    ("name", "weighted"),
    # Images of two pixels, D(x) = w.x with |w|^2 = 25: gamma / 2 * 25, for R3GAN twice; lambda (5 - 1)^2 for DRAGAN.
    [("r1", 10 * 12.5), ("r2", 10 * 12.5), ("r3gan", 2 * 12.5), ("dragan", 10 * 16.0)],
)
def test_weights_of_penalties_on_images(name, weighted):
    batch = Batch(
        real=tensor(1, 0, 0, 1).reshape(2, 1, 1, 2),
        z=torch.zeros(2, 1),
        fake=tensor(1, 0, 0, 1).reshape(2, 1, 1, 2),
        noise={"around": tensor(0.5, 0, 0, 1).reshape(2, 1, 1, 2)},
    )
    loss = play(name, "d", lambda x: x.flatten(1) @ tensor(3, 4), batch)
    flat = play({"r3gan": "rgan"}.get(name, "nsgan"), "d", lambda x: x.flatten(1) @ tensor(3, 4), batch)
    assert (loss - flat).item() == pytest.approx(weighted, rel=EXACT)


@pytest.mark.parametrize("name", ["rgan", "ragan", "ragan-ls", "r3gan"])
def test_a_relativistic_generator_makes_real_samples_look_less_real(name):
    # D(x) = a.x: the generator's loss has a slope in D's answer to the real samples too.
    real = tensor(1, 2).reshape(2, 1).requires_grad_()
    batch = Batch(real=real, z=torch.zeros(2, 1), fake=tensor(0, 1).reshape(2, 1))
    (slope,) = torch.autograd.grad(play(name, "g", lambda x: x.sum(1), batch), real)
    assert (slope > 0).all()


def normalised(f: nn.Module) -> nn.Module:
    """The discriminator of `gngan` with another function in place of its network."""
    discriminator = variant("gngan").networks(Space((2,)), variant("gngan").recipe_for(Space((2,))))["discriminator"]
    discriminator.f = f
    return discriminator


class Quadratic(nn.Module):
    """f(x) = a |x|^2, of slope 2 a x."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.a * x.square().sum(1)


def test_gradient_normalisation_of_a_linear_critic():
    # f(x) = 3 x + 4 y - 1: |grad f| = 5. At (1, 0) f = 2, 2 / (5 + 2); at (0, -1) f = -5, -5 / (5 + 5).
    linear = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0)).double()
    with torch.no_grad():
        linear[0].weight.copy_(torch.stack([tensor(3, 4)]))
        linear[0].bias.fill_(-1)
    outputs = normalised(linear)(torch.stack([tensor(1, 0), tensor(0, -1)]))
    torch.testing.assert_close(outputs, tensor(2 / 7, -0.5), rtol=EXACT, atol=0)


def test_gradient_normalisation_of_a_quadratic_critic_and_its_own_slopes():
    # f = a r^2 and |grad f| = 2 a r give r / (2 + r), free of a: no slope in a, and 2 / (2 + r)^2 along x. At r = 3: 3/5, 2/25.
    x = torch.stack([tensor(3, 0)]).requires_grad_()
    network = normalised(Quadratic())
    output = network(x).sum()
    slope, of_a = torch.autograd.grad(output, [x, network.f.a])
    assert output.item() == pytest.approx(0.6, rel=EXACT)
    torch.testing.assert_close(slope, torch.stack([tensor(0.08, 0)]), rtol=EXACT, atol=EXACT)
    assert of_a.item() == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8)])
def test_gngan_is_lipschitz_and_stays_between_minus_one_and_one(shape):
    torch.manual_seed(0)
    recipe = variant("gngan").recipe_for(Space(shape))
    D = variant("gngan").networks(Space(shape), recipe)["discriminator"].double()
    with torch.no_grad():
        for parameter in D.parameters():
            parameter.mul_(5)  # far from how it starts: without the normalisation its slope would be large
    x = torch.randn(50, *shape, dtype=torch.float64, requires_grad=True)
    outputs = D(x)
    (slope,) = torch.autograd.grad(outputs.sum(), x)
    assert outputs.abs().max() < 1
    assert slope.flatten(1).norm(dim=1).max() <= 1 + EXACT  # theorem: leaky ReLUs have no curvature
    plain = D.f(x)
    (steep,) = torch.autograd.grad(plain.sum(), x)
    expected = plain / (steep.flatten(1).norm(dim=1) + plain.abs())  # the definition, by plain autograd
    torch.testing.assert_close(outputs, expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("name", ["r3gan", "dragan", "r1", "r2", "gngan"])
def test_discriminators_with_a_slope_take_samples_one_by_one(name):
    space = Space((1, 8, 8))
    D = variant(name).networks(space, variant(name).recipe_for(space))["discriminator"].double()
    x = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(D(x)[:1], D(x[:1]), rtol=1e-10, atol=1e-12)  # batch norm would tie them together


@pytest.mark.parametrize("size", [8, 28, 32, 64])
def test_r3gan_starts_with_a_signal_of_its_own_size(size):
    # Without He's variance some 9 times is lost a layer: DCGAN's N(0, 0.02) leaves 1e-4 and less of a signal after four.
    torch.manual_seed(0)
    space = Space((3, size, size))
    networks = variant("r3gan").networks(space, variant("r3gan").recipe_for(space))
    samples = networks["generator"](torch.randn(8, 100))
    logits = networks["discriminator"](torch.rand(64, *space.shape) * 2 - 1)
    assert 0.2 < samples.std() < 0.95  # tanh of a signal of variance 2
    assert 0.02 < logits.std() < 5
    assert not [module for net in networks.values() for module in net.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize("name", NAMES)
def test_every_variant_applies_to_points_and_square_images(name):
    for shape in [(2,), *((3, size, size) for size in (8, 16, 28, 32, 64))]:
        assert variant(name).refuses(Space(shape)) is None


def test_sngan_keeps_spectral_norm_on_every_layer_and_no_penalty():
    space = Space((1, 8, 8))
    D = variant("sngan").networks(space, variant("sngan").recipe_for(space))["discriminator"]
    weighted = [module for module in D.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    assert len([module for module in D.modules() if isinstance(module, SpectralNorm)]) == len(weighted) > 1
    batch = a_batch(4, 1, 8, 8)
    bound = BoundNetwork(D.double(), dict(D.named_parameters()), {key: value.clone() for key, value in D.named_buffers()})
    again = BoundNetwork(D, dict(D.named_parameters()), {key: value.clone() for key, value in D.named_buffers()})
    hinge = torch.relu(1 - again(batch.real)).mean() + torch.relu(1 + again(batch.fake)).mean()
    assert play("sngan", "d", bound, batch).item() == pytest.approx(hinge.item(), rel=EXACT)
