"""Losses as functions of a discriminator's logits, and the two terms of a VAE. Every one is to be minimised.

`real` and `fake` are logits (B,) of real and of generated samples; what comes back is a scalar, the mean over the batch. The
probability that a sample is real is sigmoid(logit), and its logarithm is taken by softplus, so that no logit is too large.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import relu, softplus

if TYPE_CHECKING:
    from torch import Tensor


def minimax_d(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log D(x)] - E[log(1 - D(G(z)))], in nats: 0 for a perfect discriminator, 2 log 2 for one that cannot tell.

    Goodfellow et al. 2014, arXiv:1406.2661, equation 1, which D maximises: hence the sign.
    """
    return softplus(-real).mean() + softplus(fake).mean()


def minimax_g(fake: Tensor) -> Tensor:
    """E[log(1 - D(G(z)))], in nats: 0 while D sees through every sample, -log 2 where it cannot tell.

    Goodfellow et al. 2014, arXiv:1406.2661, equation 1. It saturates: its slope vanishes where D is sure of a fake.
    """
    return -softplus(fake).mean()


def non_saturating_g(fake: Tensor) -> Tensor:
    """-E[log D(G(z))], in nats: log 2 where D cannot tell, large while D sees through.

    Goodfellow et al. 2014, arXiv:1406.2661, section 3: the same fixed point as `minimax_g`, with a slope where that has none.
    """
    return softplus(-fake).mean()


def least_squares_d(real: Tensor, fake: Tensor) -> Tensor:
    """(E[(D(x) - 1)^2] + E[D(G(z))^2]) / 2: 0 for a perfect discriminator, 1/4 for one that says 1/2 of everything.

    Mao et al. 2017, arXiv:1611.04076, equation 9: a = 0 for fakes, b = 1 for real samples. The outputs are no logits here.
    """
    return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()


def least_squares_g(fake: Tensor) -> Tensor:
    """E[(D(G(z)) - 1)^2] / 2: 0 where D takes every sample for real.

    Mao et al. 2017, arXiv:1611.04076, equation 9, with c = 1.
    """
    return 0.5 * (fake - 1).square().mean()


def wasserstein_d(real: Tensor, fake: Tensor) -> Tensor:
    """E[f(G(z))] - E[f(x)]: minus the critic's estimate of the Wasserstein-1 distance, up to its Lipschitz constant.

    Arjovsky et al. 2017, arXiv:1701.07875, equation 3, which the critic maximises: hence the sign.
    """
    return fake.mean() - real.mean()


def wasserstein_g(fake: Tensor) -> Tensor:
    """-E[f(G(z))]: any sign; only its changes mean something.

    Arjovsky et al. 2017, arXiv:1701.07875, theorem 3 and line 10 of algorithm 1.
    """
    return -fake.mean()


def hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]: 0 once every sample lies beyond the margin, 2 where D is 0 everywhere.

    Miyato et al. 2018, arXiv:1802.05957, equation 16 with its sign turned; Lim & Ye 2017, arXiv:1705.02894.
    """
    return relu(1 - real).mean() + relu(1 + fake).mean()


def hinge_g(fake: Tensor) -> Tensor:
    """-E[D(G(z))]: any sign; only its changes mean something.

    Miyato et al. 2018, arXiv:1802.05957, equation 17.
    """
    return -fake.mean()


def gaussian_reconstruction(x: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """-log N(x; mean, sigma^2 I) in nats, summed over a sample's elements, mean over the batch; it may be below 0.

    `x` and `mean` are (B, ...). Kingma & Welling 2014, arXiv:1312.6114, the second term of equation 10, negated, for one draw of z
    and a Gaussian decoder of fixed width (their appendix C.2 learns the width).
    """
    squared = ((x - mean) / sigma).square() + math.log(2 * math.pi * sigma**2)  # (B, ...)
    return 0.5 * squared.flatten(1).sum(dim=1).mean()


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, I)) in nats, summed over latent dimensions, mean over the batch; never below 0.

    `mean` and `log_variance` are (B, latent_size). Kingma & Welling 2014, arXiv:1312.6114, appendix B, negated.
    """
    terms = mean.square() + torch.expm1(log_variance) - log_variance  # (B, latent_size)
    return 0.5 * terms.sum(dim=1).mean()
