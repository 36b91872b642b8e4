"""Variants with encoders, several generators or a second discriminator, and diffusion: their losses by hand."""

import math

import pytest
import torch

from ganbench import registry
from ganbench.nets import diffusion, many
from ganbench.variant import Batch, Networks
from ganbench.variants import ali, beta_vae, d2gan, ddpm, mad_gan, mgan, vae_gan, veegan


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_d2gan_is_equation_1_by_hand():
    # softplus(log(e^a - 1)) = a, so that D1(x) = 2, D1(G) = 3, D2(x) = 5, D2(G) = 7: 0.2 log 2 - 3 - 5 + 0.1 log 7.
    raw = [torch.tensor([math.log(math.expm1(a))], dtype=torch.float64) for a in (2, 3, 5, 7)]
    assert d2gan.game(*raw).item() == pytest.approx(0.2 * math.log(2) - 8 + 0.1 * math.log(7), abs=1e-12)
    x = torch.tensor([-1e4, -30.0], dtype=torch.float64, requires_grad=True)
    low = d2gan.log_softplus(x)
    torch.testing.assert_close(low, x, rtol=0, atol=1e-9)  # log softplus(x) -> x for very negative x
    assert torch.autograd.grad(low.sum(), x)[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("exact", [True, False])
def test_the_bound_of_a_linear_gaussian_model_is_the_exact_one(exact):
    # p(z) = N(0, 1), p(x | z) = N(w z, s^2): p(x) = N(0, w^2 + s^2), posterior N(w x / (w^2 + s^2), s^2 / (w^2 + s^2)).
    # For q = N(m, v): E log p(x|z) = -log(2 pi s^2)/2 - ((x - w m)^2 + w^2 v) / (2 s^2), KL = (m^2 + v - 1 - log v) / 2.
    # The loss is quadratic in epsilon, so that its mean over epsilon = +1 and -1 is its expectation.
    x, w, s = 0.7, 0.4, 0.15
    total = w**2 + s**2
    m, v = (w * x / total, s**2 / total) if exact else (0.3, 0.5)
    networks = Networks(
        {
            "encoder": lambda real: column(m, m) * column(1, 0).T + column(0, 0) + column(0, 1).T * math.log(v),
            "generator": lambda z: w * z,
        }
    )
    batch = Batch(real=column(x, x), z=column(1, -1))
    likelihood = -0.5 * math.log(2 * math.pi * s**2) - ((x - w * m) ** 2 + w**2 * v) / (2 * s**2)
    kl = 0.5 * (m**2 + v - 1 - math.log(v))
    assert -beta_vae.negative_bound(networks, batch, 1.0)[0].item() == pytest.approx(likelihood - kl, abs=1e-12)
    assert -beta_vae.objective(networks, batch)[0].item() == pytest.approx(likelihood - 4 * kl, abs=1e-12)
    evidence = -0.5 * math.log(2 * math.pi * total) - x**2 / (2 * total)
    assert (abs(likelihood - kl - evidence) < 1e-12) == exact
    assert likelihood - kl <= evidence + 1e-12


@pytest.mark.parametrize("spread", [0.25, 0.5, 2.0])
def test_ddim_of_the_exact_noise_gives_the_datas_variance(spread):
    # x_t = sqrt(a) x_0 + sqrt(1 - a) e with x_0 from N(0, s^2): E[e | x_t] = sqrt(1 - a) x_t / (a s^2 + 1 - a), linear, and the
    # ODE that DDIM steps along keeps x_t / sqrt(a s^2 + 1 - a): N(0, 1) becomes N(0, s^2). Its error falls with the steps.
    def predict(x, time):
        share = diffusion.kept(x)[time][:, None]
        return (1 - share).sqrt() * x / (share * spread**2 + 1 - share)

    def error(steps):
        return abs(diffusion.ddim(predict, column(1.0), steps).item() / spread - 1)

    assert error(1000) < 0.01
    assert error(1000) < error(100) < error(20)


def test_the_choice_is_even_over_generators():
    edges = torch.special.ndtri((torch.arange(1000, dtype=torch.float64) + 0.5) / 1000)  # quantiles of N(0, 1)
    chosen = many.one_of(edges, 4)
    assert chosen.sum(dim=0).tolist() == [250.0] * 4
    assert (chosen.sum(dim=1) == 1).all()
    assert many.one_of(column(-40.0, 40.0).flatten(), 4).argmax(dim=1).tolist() == [0, 3]
    assert many.in_turn(torch.zeros(8, 3), 4).sum(dim=0).tolist() == [2.0] * 4


@pytest.mark.parametrize("own_first", [True, False])
def test_a_sample_is_that_of_the_chosen_generator(own_first):
    torch.manual_seed(0)
    chains = [torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3), torch.nn.Tanh()) for _ in range(4)]
    mixture = many.ManyGenerators(chains, own_first)
    z = torch.randn(4, 3)
    out = mixture(z, many.in_turn(z, 4))
    for k, chain in enumerate(chains):
        layers = [chain[0], chains[0][2]] if own_first else [chains[0][0], chain[2]]
        torch.testing.assert_close(out[k], torch.tanh(layers[1](torch.relu(layers[0](z[k, :2])))))


def test_whose_a_sample_is_by_hand():
    choice = many.in_turn(column(0, 0, 0, 0), 4)
    assert mgan.whose(torch.zeros(4, 4, dtype=torch.float64), choice).item() == pytest.approx(math.log(4), abs=1e-12)
    # MAD-GAN with equal logits: D says 1/5 of everything: log 5 for the real ones and for each of four generators, and log 5 for G.
    even = Networks({"generator": lambda z, c: z, "discriminator": lambda x: torch.zeros(len(x), 5, dtype=torch.float64)})
    batch = Batch(real=column(0, 0, 0, 0), z=column(0, 0, 0, 0))
    assert mad_gan.d_objective(even, batch)[0].item() == pytest.approx(5 * math.log(5), abs=1e-12)  # one of "real", four of fakes
    assert mad_gan.g_objective(even, batch)[0].item() == pytest.approx(math.log(5), abs=1e-12)


def test_losses_of_pairs_by_hand():
    # G(z) = 2 z, E(x) = x + 1, D(x, z) = x - z: D(x, E(x)) = -1, and D(G(z), z) = z = 3.
    nets = {"generator": lambda z: 2 * z, "encoder": lambda x: x + 1, "discriminator": lambda x, z: (x - z).flatten()}
    batch = Batch(real=column(0.5, 4), z=column(3, 3))
    plus = lambda x: math.log1p(math.exp(x))  # noqa: E731
    assert ali.d_objective(Networks(nets), batch)[0].item() == pytest.approx(plus(1) + plus(3), abs=1e-12)
    assert ali.g_objective(Networks(nets), batch)[0].item() == pytest.approx(plus(-1) + plus(-3), abs=1e-12)
    nets["reconstructor"] = nets["encoder"]
    # Real pairs are the low class: softplus(-1) + softplus(-3). F(G(z)) = 7, so that the loss of G and F is
    # 3 - (-1) + (3 - 7)^2 = 20.
    assert veegan.d_objective(Networks(nets), batch)[0].item() == pytest.approx(plus(-1) + plus(-3), abs=1e-12)
    assert veegan.g_objective(Networks(nets), batch)[0].item() == pytest.approx(20, abs=1e-12)


def test_families():
    families = {name: entry.load().family for name, entry in registry.entries("variants").items()}
    for name in ("d2gan", "veegan", "ali", "bigan", "mgan", "mad-gan"):
        assert families[name] == "mode-collapse"
    for name in ("beta-vae", "vae-gan", "ddpm"):
        assert families[name] == "vae"


def test_the_losses_of_vae_gan_by_hand():
    # The encoder gives mean 0.5 and log variance 0; epsilon = 1, so that z = 1.5, G(z) = 2 z = 3; the prior's z = 0.25 gives 0.5.
    # D gives the logit x and the feature 10 x. Real x = 1: feature error (10 - 30)^2 / 2 = 200; KL = 0.5^2 / 2 = 0.125.
    networks = Networks(
        {
            "encoder": lambda x: torch.cat([torch.full_like(x, 0.5), torch.zeros_like(x)], dim=1),
            "generator": lambda z: 2 * z,
            "discriminator": lambda x: torch.cat([x, 10 * x], dim=1),
        }
    )
    batch = Batch(real=column(1), z=column(0.25), noise={"code": column(1)})
    assert vae_gan.encoder_objective(networks, batch)[0].item() == pytest.approx(200.125)
    fooled = math.log1p(math.exp(-0.5)) + math.log1p(math.exp(-3))
    assert vae_gan.decoder_objective(networks, batch)[0].item() == pytest.approx(0.1 * 200 + fooled)
    judged = math.log1p(math.exp(-1)) + math.log1p(math.exp(0.5)) + math.log1p(math.exp(3))
    assert vae_gan.d_objective(networks, batch)[0].item() == pytest.approx(judged)


@pytest.mark.parametrize(("uniform", "time"), [(0.0, 0), (0.4995, 499), (0.9999, 999)])
def test_the_loss_of_ddpm_by_hand(uniform, time):
    # The predictor says 2 x_t: (2 (sqrt(a) x + sqrt(1 - a) e) - e)^2, a the product of 1 - beta up to the time.
    share = math.prod(1 - (1e-4 + (0.02 - 1e-4) * i / 999) for i in range(time + 1))
    seen = []

    def predict(x, times):
        seen.append(times.tolist())
        return 2 * x

    batch = Batch(real=column(0.3), z=column(-1.2), noise={"time": torch.tensor([uniform], dtype=torch.float64)})
    loss, _ = ddpm.objective(Networks({"generator": predict}), batch)
    noisy = math.sqrt(share) * 0.3 + math.sqrt(1 - share) * -1.2
    assert loss.item() == pytest.approx((2 * noisy + 1.2) ** 2, rel=1e-9)
    assert seen == [[time]]
