"""f-divergences in the form that a discriminator bounds from below. Nowozin et al. 2016, arXiv:1606.00709, tables 1, 2 and 6.

D_f(P || Q) = sup_T E_P[T(x)] - E_Q[f*(T(x))], equation 4, with T = activation(V), so that any output V of a network gives a
T in the domain of the conjugate f*. The supremum is reached at T = f'(p / q).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import softplus

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Divergence:
    """One f-divergence: how an output V becomes T, and f*(T).

    `conjugate_at(V)` is f*(activation(V)) as one function of V. In float32 the two in turn lose digits where T nears the end of its
    domain, and are infinite beyond.
    """

    activation: Callable[[Tensor], Tensor]
    conjugate: Callable[[Tensor], Tensor]
    conjugate_at: Callable[[Tensor], Tensor]

    def bound(self, real: Tensor, fake: Tensor) -> Tensor:
        """E[T(x)] - E[f*(T(G(z)))], a scalar, for outputs V (B,): its mean is never above the divergence."""
        return self.activation(real).mean() - self.conjugate_at(fake).mean()


def _identity(v: Tensor) -> Tensor:
    return v


def _kl_conjugate(t: Tensor) -> Tensor:
    return torch.exp(t - 1)


def _minus_exponential(v: Tensor) -> Tensor:
    return -torch.exp(-v)


def _reverse_kl_conjugate(t: Tensor) -> Tensor:
    return -1 - torch.log(-t)


def _reverse_kl_at(v: Tensor) -> Tensor:
    return v - 1


def _pearson_conjugate(t: Tensor) -> Tensor:
    return 0.25 * t.square() + t


def _below_log_2(v: Tensor) -> Tensor:
    return math.log(2) - softplus(-v)


def _jensen_shannon_conjugate(t: Tensor) -> Tensor:
    return -torch.log(2 - torch.exp(t))


def _jensen_shannon_at(v: Tensor) -> Tensor:
    return softplus(v) - math.log(2)


KL = Divergence(_identity, _kl_conjugate, _kl_conjugate)  # f(u) = u log u
REVERSE_KL = Divergence(_minus_exponential, _reverse_kl_conjugate, _reverse_kl_at)  # f(u) = -log u
PEARSON = Divergence(_identity, _pearson_conjugate, _pearson_conjugate)  # f(u) = (u - 1)^2
# f(u) = u log u - (u + 1) log((u + 1) / 2), twice the usual Jensen-Shannon divergence
JENSEN_SHANNON = Divergence(_below_log_2, _jensen_shannon_conjugate, _jensen_shannon_at)
