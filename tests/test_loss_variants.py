"""The losses of wgan-lp, wgan-div, f-GAN and Fisher GAN against their papers' formulas, worked out by hand or integrated."""

import math
from collections.abc import Callable

import pytest
import torch
from scipy import integrate
from scipy.stats import norm

from ganbench import divergences, games, penalties, registry
from ganbench.divergences import Divergence
from ganbench.variant import Batch, Networks
from ganbench.variants import fgan, fisher_gan, softmax_gan, wgan_div, wgan_lp

REAL = torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
FAKE = torch.tensor([[-1.0, 0.0], [3.0, -2.0]], dtype=torch.float64)


def batch() -> Batch:
    share = torch.tensor([[0.25], [0.75]], dtype=torch.float64)
    return Batch(real=REAL, z=FAKE, fake=FAKE, noise={"between": share})


def linear(a: float, b: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """D(x) = a x_1 + b x_2, whose slope is (a, b) everywhere."""
    return lambda x: a * x[:, 0] + b * x[:, 1]


@pytest.mark.parametrize(
    ("slope", "from_above", "sixth"),
    [
        ((3.0, 4.0), 16.0, 5.0**6),  # length 5: (5 - 1)^2, and 5^6
        ((0.6, 0.8), 0.0, 1.0),  # length 1
        ((0.3, 0.4), 0.0, 0.5**6),  # length 1/2: below 1, which wgan-lp leaves alone
    ],
)
def test_penalties_of_a_linear_critic(slope: tuple[float, float], from_above: float, sixth: float) -> None:
    assert penalties.interpolated_from_above(linear(*slope), batch()).item() == pytest.approx(from_above, abs=1e-12)
    assert penalties.wasserstein_divergence(linear(*slope), batch(), 6.0).item() == pytest.approx(sixth, rel=1e-12)


def test_penalties_are_taken_between_real_and_fake() -> None:
    # D(x) = |x|^2 / 2 has the slope x. The points between: 0.25 (1, 0) + 0.75 (-1, 0) = (-0.5, 0), of length 0.5, and
    # 0.75 (0, 2) + 0.25 (3, -2) = (0.75, 1), of length 1.25.
    def half_square(x: torch.Tensor) -> torch.Tensor:
        return 0.5 * x.square().sum(dim=1)

    assert penalties.interpolated_from_above(half_square, batch()).item() == pytest.approx((0 + 0.25**2) / 2, abs=1e-12)
    assert penalties.wasserstein_divergence(half_square, batch(), 2.0).item() == pytest.approx((0.25 + 1.5625) / 2, abs=1e-12)


def test_wgan_lp_and_wgan_div_add_their_penalty_to_wgan() -> None:
    # D = 3 x_1 + 4 x_2: E[D(real)] = (3 + 8) / 2 = 5.5, E[D(fake)] = (-3 + 9 - 8) / 2 = -1, so WGAN's loss is -6.5.
    assert wgan_lp.d_loss(linear(3.0, 4.0), batch()).item() == pytest.approx(-6.5 + 5 * 16)
    assert wgan_div.d_loss(linear(3.0, 4.0), batch()).item() == pytest.approx(-6.5 + 2 * 5**6)


DIVERGENCES = {
    "kl": divergences.KL,
    "reverse-kl": divergences.REVERSE_KL,
    "pearson": divergences.PEARSON,
    "jensen-shannon": divergences.JENSEN_SHANNON,
}
# P = N(0, 1) and Q = N(0.7, s^2); Pearson's has a closed form for equal deviations, and is infinite where Q's tails are light.
MEAN = 0.7


def exact(name: str, deviation: float) -> float:
    """The divergence of N(0, 1) from N(MEAN, deviation^2), without the code under test."""
    if name == "kl":
        return math.log(deviation) + (1 + MEAN**2) / (2 * deviation**2) - 0.5
    if name == "reverse-kl":
        return -math.log(deviation) + (deviation**2 + MEAN**2) / 2 - 0.5
    if name == "pearson":
        assert deviation == 1
        return math.exp(MEAN**2) - 1

    def half(density: Callable[[float], float], x: float) -> float:
        mixed = (norm.pdf(x) + norm.pdf(x, MEAN, deviation)) / 2
        return density(x) * math.log(density(x) / mixed)

    first = integrate.quad(lambda x: half(norm.pdf, x), -8, 8)[0]
    return first + integrate.quad(lambda x: half(lambda y: norm.pdf(y, MEAN, deviation), x), -8, 8)[0]


# The output V whose activation is f'(u) of the density ratio u = p / q.
BEST = {
    "kl": lambda u: 1 + torch.log(u),  # f' = 1 + log u, T = V
    "reverse-kl": torch.log,  # f' = -1 / u = -exp(-log u)
    "pearson": lambda u: 2 * (u - 1),  # f' = 2 (u - 1), T = V
    "jensen-shannon": torch.log,  # f' = log(2 u / (1 + u)) = log 2 - log(1 + exp(-log u))
}


CASES = [(name, deviation) for name in DIVERGENCES for deviation in (1.0, 1.5) if (name, deviation) != ("pearson", 1.5)]


@pytest.mark.parametrize(("name", "deviation"), CASES)
def test_the_bound_at_the_best_output_is_the_divergence_of_two_gaussians(name: str, deviation: float) -> None:
    divergence = DIVERGENCES[name]
    x = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    p = torch.exp(torch.distributions.Normal(0.0, 1.0).log_prob(x))
    q = torch.exp(torch.distributions.Normal(MEAN, deviation).log_prob(x))
    u = torch.exp(torch.distributions.Normal(0.0, 1.0).log_prob(x) - torch.distributions.Normal(MEAN, deviation).log_prob(x))
    best = divergence.activation(BEST[name](u))
    bound = torch.trapezoid(p * best - q * divergence.conjugate(best), x).item()
    assert bound == pytest.approx(exact(name, deviation), abs=1e-3)
    worse = divergence.activation(BEST[name](u) + 0.5)  # any other output gives less
    assert torch.trapezoid(p * worse - q * divergence.conjugate(worse), x).item() < bound - 1e-3


@pytest.mark.parametrize("name", sorted(DIVERGENCES))
def test_the_conjugate_of_an_output_is_that_of_its_activation(name: str) -> None:
    divergence = DIVERGENCES[name]
    v = torch.linspace(-10, 10, 401, dtype=torch.float64)
    torch.testing.assert_close(divergence.conjugate_at(v), divergence.conjugate(divergence.activation(v)), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["reverse-kl", "jensen-shannon"])
def test_conjugates_stay_finite_where_d_is_sure(name: str) -> None:
    # Both tend to V + constant: T reaches the end of its domain, 0 or log 2, within float32 from V = 18 (and 104) on.
    v = torch.tensor([18.0, 50.0, 200.0], requires_grad=True)
    value = DIVERGENCES[name].conjugate_at(v)
    (slope,) = torch.autograd.grad(value.sum(), v)
    assert torch.isfinite(value).all()
    torch.testing.assert_close(slope, torch.ones(3))


@pytest.mark.parametrize(
    ("divergence", "real", "fake", "bound"),
    [
        (divergences.KL, 2.0, 1.0, 2 - 1),  # T - exp(T - 1)
        (divergences.REVERSE_KL, 0.0, 0.0, -1 + 1),  # T = -1; f*(-1) = -1 - log 1 = -1
        (divergences.PEARSON, 3.0, 2.0, 3 - 3),  # T - (T^2 / 4 + T)
        (divergences.JENSEN_SHANNON, 0.0, 0.0, 0.0),  # T = log 2 - log 2 = 0; f*(0) = -log 1 = 0
    ],
)
def test_bounds_by_hand(divergence: Divergence, real: float, fake: float, bound: float) -> None:
    assert divergence.bound(torch.tensor([real]), torch.tensor([fake])).item() == pytest.approx(bound, abs=1e-6)


def test_f_gan_generators_by_hand() -> None:
    v = torch.tensor([0.5], dtype=torch.float64)
    assert fgan.alternative(divergences.PEARSON, v).item() == pytest.approx(-0.5)
    # The reverse KL's minimax term: -f*(T) = 1 + log(exp(-V)) = 1 - V.
    assert fgan.minimax(divergences.REVERSE_KL, v).item() == pytest.approx(0.5)


def test_every_f_gan_is_registered() -> None:
    assert {name for name in registry.entries("variants") if name.startswith("f-gan-")} == {f"f-gan-{name}" for name in DIVERGENCES}


def test_fisher_gan_by_hand() -> None:
    # D gives 3 and 1 on real, -1 and 1 on fakes: means 2 and 0, Omega = ((9 + 1) / 2 + (1 + 1) / 2) / 2 = 3. lambda starts at 0:
    # -(2 - 0 + 0 - 0.01 / 2 * 4) = -1.98, and lambda becomes 0.01 * (3 - 1) = 0.02; the next step has 0.02 * (1 - 3) = -0.04 more.
    multiplier = fisher_gan.Multiplier().double()
    values = {1.0: 3.0, 0.0: 1.0, -1.0: -1.0, 3.0: 1.0}  # by the first coordinate
    networks = Networks(
        {
            "generator": lambda z: z,
            "discriminator": lambda x: torch.tensor([values[v] for v in x[:, 0].tolist()], dtype=torch.float64),
            "multiplier": multiplier,
        }
    )
    first, watched = fisher_gan.d_objective(networks, batch())
    assert first.item() == pytest.approx(-1.98)
    assert watched["omega"].item() == pytest.approx(3.0)
    assert multiplier.value.item() == pytest.approx(0.02)
    assert fisher_gan.d_objective(networks, batch())[0].item() == pytest.approx(-1.94)


def test_games_are_the_losses_of_their_names() -> None:
    D = linear(1.0, 0.0)  # real: 1 and 0, fake: -1 and 3
    softplus = [math.log1p(math.exp(v)) for v in (-1, 0, -1, 3, 1, -3)]
    assert games.minimax_d(D, batch()).item() == pytest.approx((softplus[0] + softplus[1]) / 2 + (softplus[2] + softplus[3]) / 2)
    assert games.non_saturating_g(D, batch()).item() == pytest.approx((softplus[4] + softplus[5]) / 2)
    assert games.hinge_d(D, batch()).item() == pytest.approx((0 + 1) / 2 + (0 + 4) / 2)
    assert games.wasserstein_d(D, batch()).item() == pytest.approx(1 - 0.5)
    assert games.minus_output_g(D, batch()).item() == pytest.approx(-1)


def test_softmax_gan_is_a_cross_entropy_over_the_batch() -> None:
    # D = 3 on the two real samples and 1 on the three generated: Z = 2 e^3 + 3 e. D: -3 + log Z. G: -(2 * 3 + 3 * 1) / 5 + log Z.
    real, fake = torch.full((2,), 3.0, dtype=torch.float64), torch.full((3,), 1.0, dtype=torch.float64)
    played = Batch(real=real, z=fake, fake=fake)
    log_z = math.log(2 * math.e**3 + 3 * math.e)
    assert softmax_gan.d_loss(lambda x: x, played).item() == pytest.approx(log_z - 3, rel=1e-14)
    assert softmax_gan.g_loss(lambda x: x, played).item() == pytest.approx(log_z - 9 / 5, rel=1e-14)


def test_softmax_gan_at_its_targets() -> None:
    # Five equal outputs: G's target, evenly on all, whose cross-entropy is its entropy, log 5. D sure of its two: log 2.
    real, fake = torch.zeros(2, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    assert softmax_gan.g_loss(lambda x: x, Batch(real=real, z=fake, fake=fake)).item() == pytest.approx(math.log(5), rel=1e-14)
    sure = Batch(real=real, z=fake, fake=fake - 800)
    assert softmax_gan.d_loss(lambda x: x, sure).item() == pytest.approx(math.log(2), rel=1e-14)
