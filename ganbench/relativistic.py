"""Relativistic losses: D is asked which of two samples is the more realistic. Every one is to be minimised.

`real` and `fake` are outputs (B,) of D, logits save where least squares are named; what comes back is a scalar. All of them see
differences of outputs alone, so that a constant added to D changes nothing. A generator's loss is its discriminator's with the
two swapped, `paired(fake, real)`: its gradient flows through both, since G also makes the real samples look less real.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.functional import softplus

if TYPE_CHECKING:
    from torch import Tensor


def paired(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log sigmoid(C(x) - C(G(z)))] over pairs, in nats: 0 where every real sample beats its fake, log 2 where they are alike.

    Jolicoeur-Martineau 2018, arXiv:1807.00734, section 4.1 (RSGAN). The first real sample meets the first fake one, and so on.
    """
    return softplus(fake - real).mean()


def average(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log D~(x)] - E[log(1 - D~(G(z)))], in nats: 2 log 2 where D cannot tell.

    Jolicoeur-Martineau 2018, arXiv:1807.00734, section 4.3 (RaSGAN): D~(x) = sigmoid(C(x) - E[C(G(z))]) for a real sample, and
    D~(G(z)) = sigmoid(C(G(z)) - E[C(x)]) for a fake one. The means are those of the batch.
    """
    return softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()


def average_least_squares(real: Tensor, fake: Tensor) -> Tensor:
    """E[(C(x) - E[C(G(z))] - 1)^2] + E[(C(G(z)) - E[C(x)] + 1)^2]: 0 where real outputs stand 1 above fake ones, 2 where all agree.

    Jolicoeur-Martineau 2018, arXiv:1807.00734, RaLSGAN. The means are those of the batch.
    """
    return (real - fake.mean() - 1).square().mean() + (fake - real.mean() + 1).square().mean()
