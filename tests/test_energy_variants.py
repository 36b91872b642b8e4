"""EBGAN, BEGAN, MMD GAN, MSGAN and top-k training: their losses and states against numbers worked out by hand."""

import math

import pytest
import torch

from ganbench.nets.autoencoder import autoencoder
from ganbench.variant import Batch, Networks, Recipe, Space
from ganbench.variants import began, ebgan, mmd_gan, msgan, top_k

EXACT = {"rtol": 1e-12, "atol": 1e-12}  # float64 roundings


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def halves(x):
    """An autoencoder that gives back half of what it is shown."""
    return x / 2


def batch(real, fake=None, **fields):
    return Batch(real=real, z=torch.zeros(len(real), 2, dtype=torch.float64), fake=fake, **fields)


@pytest.mark.parametrize(
    ("shape", "expected"),
    # The energy of (a, a) under `halves` is a^2 / 4: 1/4 and 1 of real samples 1 and 2, so 5/8; 9/4 and 1/16 of fakes 3 and 1/2.
    # Points, m = 1: the hinge is 0 and 15/16, so 15/32. Images, m = 1/5: it is 0 and 11/80, so 11/160.
    [((2,), 5 / 8 + 15 / 32), ((1, 8, 8), 5 / 8 + 11 / 160)],
)
def test_ebgan_by_hand(shape, expected):
    def filled(*values):
        return torch.stack([torch.full(shape, value, dtype=torch.float64) for value in values])

    networks = Networks({"generator": lambda z: filled(3.0, 0.5), "discriminator": halves})
    loss, watched = ebgan.d_objective(networks, batch(filled(1.0, 2.0)))
    torch.testing.assert_close(loss, tensor(expected)[0], **EXACT)
    assert (watched["d_real"].item(), watched["d_fake"].item()) == (5 / 8, 37 / 32)
    torch.testing.assert_close(ebgan.g_objective(networks, batch(filled(1.0, 2.0)))[0], tensor((9 / 4 + 1 / 16) / 2)[0], **EXACT)


@pytest.fixture
def a_gamma_below_1(monkeypatch):
    """Began's own gamma is 1, with which no test would see where it stands in the formulas."""
    monkeypatch.setattr(began, "GAMMA", 0.9)
    monkeypatch.setattr(began, "RATE", 0.01)


@pytest.mark.usefixtures("a_gamma_below_1")
def test_the_step_of_began_s_k_by_hand():
    k = began.Balance().double()
    # gamma L(x) - L(G(z)) = 0.9 * 4 - 1 = 2.6, and k rises by lambda = 0.01 times that; then by 0.9 * 2 - 0.4 = 1.4.
    assert k(*tensor(4.0, 1.0)) == 0
    torch.testing.assert_close(k.value, tensor(0.026)[0], **EXACT)
    torch.testing.assert_close(k(*tensor(2.0, 0.4)), tensor(0.026)[0], **EXACT)
    torch.testing.assert_close(k.value, tensor(0.04)[0], **EXACT)
    k(*tensor(0.0, 5.0))
    assert k.value == 0  # 0.04 - 0.05, held at 0
    k(*tensor(1e6, 0.0))
    assert k.value == 1


@pytest.mark.usefixtures("a_gamma_below_1")
def test_began_s_losses_by_hand():
    balance = began.Balance().double()
    balance.value.fill_(0.25)
    networks = Networks({"generator": lambda z: torch.full_like(z, 3.0), "discriminator": halves, "balance": balance})
    shown = batch(torch.ones(2, 2, dtype=torch.float64))
    # L(v) is half of |v|: 1/2 of real ones, 3/2 of fakes of 3. M = 1/2 + |0.45 - 3/2| = 1.55.
    loss, watched = began.d_objective(networks, shown)
    torch.testing.assert_close(loss, tensor(0.5 - 0.25 * 1.5)[0], **EXACT)
    torch.testing.assert_close(watched["convergence"], tensor(1.55)[0], **EXACT)
    torch.testing.assert_close(watched["k"], tensor(0.25)[0], **EXACT)
    torch.testing.assert_close(balance.value, tensor(0.25 + 0.01 * (0.45 - 1.5))[0], **EXACT)
    torch.testing.assert_close(began.g_objective(networks, shown)[0], tensor(1.5)[0], **EXACT)


def test_an_autoencoder_gives_the_shape_that_it_is_shown():
    for shape in [(2,), (1, 8, 8), (3, 28, 28), (3, 64, 64)]:
        assert autoencoder(Space(shape), Recipe())(torch.zeros(3, *shape)).shape == (3, *shape)


def test_the_kernel_of_mmd_gan_by_hand():
    # At 0 every alpha gives 1: five in all. At |x - y|^2 = 25, (1 + 25 / (2 alpha))^-alpha: 63.5, 26, 13.5, 7.25 and 3.5 to -alpha.
    values = mmd_gan.kernel(tensor([3.0, 0.0]), tensor([3.0, 0.0], [0.0, 4.0]))
    far = 63.5**-0.2 + 26**-0.5 + 1 / 13.5 + 1 / 7.25**2 + 1 / 3.5**5
    torch.testing.assert_close(values, tensor([5.0, far]), **EXACT)


def test_the_mmd_of_two_tiny_sets_by_hand():
    def k(squared):  # the kernel at a squared distance
        return sum((1 + squared / (2 * alpha)) ** -alpha for alpha in (0.2, 0.5, 1, 2, 5))

    # {0, 1} and {0, 3}: squared distances 1 within the first, 9 within the second, and 0, 9, 1, 4 across. A sample's pair with
    # itself is left out of a set's mean, so one distance is all that stands there.
    expected = k(1) + k(9) - 2 * (k(0) + k(9) + k(1) + k(4)) / 4
    torch.testing.assert_close(mmd_gan.squared_mmd(tensor([0.0], [1.0]), tensor([0.0], [3.0])), tensor(expected)[0], **EXACT)


def test_the_losses_of_mmd_gan_by_hand():
    def linear(x):  # one feature, 3 x_1 + 4 x_2
        return x @ tensor([3.0], [4.0])

    # All real samples have the feature 3 and all fakes -3, so that half way the feature is 0 and the witness, k(f - 3) - k(f + 3),
    # has slope -2 k'(3) in f, where k'(d) = -sum d (1 + d^2 / (2 alpha))^(-alpha - 1). In x it is 5 times that.
    real = tensor([1.0, 0.0], [1.0, 0.0])
    slope = 5 * 2 * sum(3 * (1 + 9 / (2 * alpha)) ** (-alpha - 1) for alpha in (0.2, 0.5, 1, 2, 5))
    distance = 5 + 5 - 2 * sum((1 + 36 / (2 * alpha)) ** -alpha for alpha in (0.2, 0.5, 1, 2, 5))
    networks = Networks({"generator": lambda z: -real, "discriminator": linear})
    shown = batch(real, noise={"between": torch.full((2, 1), 0.5, dtype=torch.float64)})
    torch.testing.assert_close(mmd_gan.g_objective(networks, shown)[0], tensor(distance)[0], **EXACT)
    loss, watched = mmd_gan.d_objective(networks, shown)
    torch.testing.assert_close(loss, tensor((slope - 1) ** 2 - distance)[0], **EXACT)
    torch.testing.assert_close(watched["mmd"], tensor(distance)[0], **EXACT)


@pytest.mark.parametrize("extra", [0, 1])
def test_the_mode_seeking_ratio_by_hand(extra):
    # Of four, the first is set against the third and the second against the fourth: latents differ by 1 and 2, 3 / 2 in the mean,
    # samples by 4 and 2, so 3. A fifth has no partner.
    z, fake = tensor([0.0], [0.0], [1.0], [2.0], [9.0])[: 4 + extra], tensor([0.0], [5.0], [4.0], [3.0], [9.0])[: 4 + extra]
    torch.testing.assert_close(msgan.inverse_ratio(fake, z), tensor(1.5 / (3 + 1e-5))[0], **EXACT)
    torch.testing.assert_close(msgan.inverse_ratio(torch.zeros_like(fake), z), tensor(1.5 / 1e-5)[0], **EXACT)


@pytest.mark.parametrize(("shape", "weight"), [((2,), 0.02), ((1, 8, 8), 1.0)])
def test_msgan_s_generator_adds_the_term_to_the_non_saturating_loss(shape, weight):
    z = tensor([0.0, 0.0], [1.0, 1.0])

    def generator(z):
        return 4 * z[:, :1].reshape(-1, *[1] * len(shape)).expand(-1, *shape)

    def undecided(x):
        return torch.zeros(len(x), dtype=torch.float64)

    shown = Batch(real=torch.zeros(2, *shape), z=z)
    loss, watched = msgan.g_objective(Networks({"generator": generator, "discriminator": undecided}), shown)
    torch.testing.assert_close(loss, tensor(math.log(2) + weight / (4 + 1e-5))[0], **EXACT)
    torch.testing.assert_close(watched["inverse_ratio"], tensor(1 / (4 + 1e-5))[0], **EXACT)


@pytest.mark.parametrize(
    ("k", "expected"),
    # Of 1, 8, 4 and 2. Two and a half: (8 + 4 + 2 / 2) / 2.5.
    [(4.0, 15 / 4), (3.0, 14 / 3), (2.5, 13 / 2.5), (2.0, 6.0), (1.0, 8.0)],
)
def test_the_mean_of_the_k_best_by_hand(k, expected):
    torch.testing.assert_close(top_k.mean_of_best(tensor(1.0, 8.0, 4.0, 2.0), tensor(k)[0]), tensor(expected)[0], **EXACT)


@pytest.mark.parametrize(
    ("progress", "weights"),
    # Of logits -2, 3, 0, 1. k of 4 samples falls to 2 at half of the training: 4, then 3, then 2.5, then 2, and stays.
    [
        (0.0, (1 / 4, 1 / 4, 1 / 4, 1 / 4)),
        (0.25, (0, 1 / 3, 1 / 3, 1 / 3)),
        (0.375, (0, 0.4, 0.2, 0.4)),
        (0.5, (0, 0.5, 0, 0.5)),
        (0.9, (0, 0.5, 0, 0.5)),
    ],
)
def test_top_k_s_generator_learns_from_the_samples_that_d_likes_best(progress, weights):
    logits = tensor(-2.0, 3.0, 0.0, 1.0).requires_grad_()
    loss = top_k.g_loss(lambda x: logits, batch(torch.zeros(4, 2), torch.zeros(4, 2), progress=tensor(progress)[0]))
    each = [math.log1p(math.exp(-logit)) for logit in (-2, 3, 0, 1)]  # -log D(G(z))
    torch.testing.assert_close(loss, tensor(sum(w * value for w, value in zip(weights, each, strict=True)))[0], **EXACT)
    (slope,) = torch.autograd.grad(loss, logits)
    expected = [-weight / (1 + math.exp(logit)) for weight, logit in zip(weights, (-2, 3, 0, 1), strict=True)]
    torch.testing.assert_close(slope, tensor(*expected), **EXACT)
