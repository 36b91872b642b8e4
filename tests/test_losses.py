"""Each loss by hand at constant logits, against torch's own cross-entropy and distributions, and far out, where exp overflows."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

from ganbench import losses

REAL, FAKE = 2.0, -1.0  # the two constant outputs of D in the table below
LOG_1_PLUS_EXP_MINUS_2 = 0.1269280110429726  # log(1 + e^-2): -log sigmoid(2)
LOG_1_PLUS_EXP_MINUS_1 = 0.3132616875182228  # log(1 + e^-1): -log(1 - sigmoid(-1))
LOG_1_PLUS_EXP_1 = 1.3132616875182228  # log(1 + e): -log sigmoid(-1)


def constant(value: float) -> torch.Tensor:
    return torch.full((5,), value, dtype=torch.float64)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (losses.minimax_d, LOG_1_PLUS_EXP_MINUS_2 + LOG_1_PLUS_EXP_MINUS_1),
        (losses.least_squares_d, 0.5 * 1 + 0.5 * 1),  # (2 - 1)^2 / 2 + (-1)^2 / 2
        (losses.wasserstein_d, -3.0),  # -1 - 2
        (losses.hinge_d, 0.0),  # max(0, 1 - 2) + max(0, 1 - 1)
    ],
)
def test_discriminator_loss_by_hand(loss, expected):
    assert loss(constant(REAL), constant(FAKE)).item() == pytest.approx(expected, abs=1e-15)  # a few float64 roundings


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (losses.minimax_g, -LOG_1_PLUS_EXP_MINUS_1),
        (losses.non_saturating_g, LOG_1_PLUS_EXP_1),
        (losses.least_squares_g, 2.0),  # (-1 - 1)^2 / 2
        (losses.wasserstein_g, 1.0),
        (losses.hinge_g, 1.0),
    ],
)
def test_generator_loss_by_hand(loss, expected):
    assert loss(constant(FAKE)).item() == pytest.approx(expected, abs=1e-15)  # a few float64 roundings


def test_hinge_inside_the_margin():
    # real 0.25: 1 - 0.25 = 0.75; fake 0.5: 1 + 0.5 = 1.5
    assert losses.hinge_d(constant(0.25), constant(0.5)).item() == 2.25


def test_values_where_the_discriminator_cannot_tell():
    undecided = constant(0.0)
    assert losses.minimax_d(undecided, undecided).item() == pytest.approx(2 * math.log(2), abs=1e-15)
    assert losses.minimax_g(undecided).item() == pytest.approx(-math.log(2), abs=1e-15)
    assert losses.non_saturating_g(undecided).item() == pytest.approx(math.log(2), abs=1e-15)
    assert losses.least_squares_d(constant(0.5), constant(0.5)).item() == 0.25
    assert losses.hinge_d(undecided, undecided).item() == 2.0


def test_minimax_is_cross_entropy_and_the_generator_minimises_what_the_discriminator_maximises():
    real, fake = torch.randn(2, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    real_part = binary_cross_entropy_with_logits(real, torch.ones_like(real))
    fake_part = binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    assert losses.minimax_d(real, fake).item() == pytest.approx((real_part + fake_part).item(), abs=1e-14)  # float64 sums of 64
    assert losses.minimax_g(fake).item() == pytest.approx(-fake_part.item(), abs=1e-14)
    assert losses.non_saturating_g(fake).item() == pytest.approx(
        binary_cross_entropy_with_logits(fake, torch.ones_like(fake)).item(), abs=1e-14
    )


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_far_logits_give_finite_losses_and_slopes(size):
    real, fake = torch.tensor([size], requires_grad=True), torch.tensor([-size], requires_grad=True)
    total = losses.minimax_d(real, fake) + losses.minimax_g(fake) + losses.non_saturating_g(fake)
    slopes = torch.autograd.grad(total, (real, fake))
    assert torch.isfinite(total)
    assert all(torch.isfinite(slope).all() for slope in slopes)


def test_the_minimax_generator_saturates_where_the_other_does_not():
    fake = torch.tensor([-30.0], requires_grad=True)  # D is sure: sigmoid(-30) is 1e-13
    (saturated,) = torch.autograd.grad(losses.minimax_g(fake), fake)
    (steep,) = torch.autograd.grad(losses.non_saturating_g(fake), fake)
    assert abs(saturated.item()) < 1e-12
    assert steep.item() == pytest.approx(-1.0, abs=1e-6)  # -(1 - sigmoid(-30)), in float32


def test_kl_by_hand():
    # One sample, two latent dimensions: (1 + e - 1 - 1) / 2 = (e - 1) / 2 for (mean 1, log variance 1), 0 for the standard normal.
    mean, log_variance = torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    assert losses.kl_to_standard_normal(mean, log_variance).item() == pytest.approx((math.e - 1) / 2, abs=1e-15)


def test_vae_terms_are_those_of_torch_distributions():
    generator = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(2, 7, 3, dtype=torch.float64, generator=generator)
    posterior = Normal(mean, torch.exp(0.5 * log_variance))
    kl = kl_divergence(posterior, Normal(torch.zeros_like(mean), torch.ones_like(mean))).sum(1).mean()
    assert losses.kl_to_standard_normal(mean, log_variance).item() == pytest.approx(kl.item(), rel=1e-13)  # float64 sums of 21
    x, decoded = torch.randn(2, 7, 2, 4, 4, dtype=torch.float64, generator=generator)
    likelihood = Normal(decoded, 0.3).log_prob(x).flatten(1).sum(1).mean()
    assert losses.gaussian_reconstruction(x, decoded, 0.3).item() == pytest.approx(-likelihood.item(), rel=1e-13)
