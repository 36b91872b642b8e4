"""Penalties on the slope of a discriminator. They differentiate with `torch.func`, so that they work for stacked seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ganbench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from ganbench.variant import Batch, Network


def interpolated(D: Network, batch: Batch) -> Tensor:
    """E[(|grad_x D(x)| - 1)^2] on straight lines between real and generated samples: 0 for a critic of slope 1, never below 0.

    Gulrajani et al. 2017, arXiv:1704.00028, equation 3, without its factor lambda; x = eps * real + (1 - eps) * fake with eps from
    `batch.noise["between"]` (B, 1, ...), one number a sample. `D` must neither tie samples of a batch together nor change its
    buffers: no batch norm, as in the paper's section 4. Raises UsageError when the phase did not ask for the noise.
    """
    return (_length(_slope(D, _between(batch))) - 1).square().mean()


def interpolated_from_above(D: Network, batch: Batch) -> Tensor:
    """E[max(0, |grad_x D(x)| - 1)^2] on the lines of `interpolated`, which says what it needs: 0 for a critic of slope 1 or less.

    Petzka et al. 2018, arXiv:1709.08894, without its factor lambda: a critic's slope need not be 1 everywhere, only not above.
    """
    return (_length(_slope(D, _between(batch))) - 1).clamp(min=0).square().mean()


def wasserstein_divergence(D: Network, batch: Batch, power: float) -> Tensor:
    """E[|grad_x D(x)|^p] on the lines of `interpolated`, which says what it needs: 0 for a flat critic, never below 0.

    Wu et al. 2018, arXiv:1712.01026, without its factor k; p is `power`.
    """
    return _slope(D, _between(batch)).flatten(1).square().sum(dim=1).pow(power / 2).mean()


def around_data(D: Network, batch: Batch, spread: Tensor | float) -> Tensor:
    """E[(|grad_x D(x + delta)| - 1)^2] at real samples pushed off the data: 0 for a D of slope 1 there, never below 0.

    Kodali et al. 2017, arXiv:1705.07215, algorithm 1 with k = 1, without its factor lambda: delta is `spread` times N(0, 1) noise
    from `batch.noise["around"]` (B, ...), one number an element. `D` is as for `interpolated`. Raises UsageError when the phase
    did not ask for the noise.
    """
    if "around" not in batch.noise:
        raise UsageError('The penalty needs noise; give the variant d_noise={"around": Noise(per_element, "normal")}.')
    around = batch.real + spread * batch.noise["around"]  # (B, ...)
    return (_length(_slope(D, around)) - 1).square().mean()


def zero_centred(D: Network, x: Tensor) -> Tensor:
    """E[|grad_x D(x)|^2] / 2 over the samples x (B, ...): 0 for a D that is flat there, never below 0.

    Mescheder et al. 2018, arXiv:1801.04406, section 4.1, without the factor gamma: R1 where x are real samples, R2 where they are
    fake ones. Unlike a length, the square has a slope everywhere. `D` is as for `interpolated`.
    """
    return 0.5 * _slope(D, x).flatten(1).square().sum(dim=1).mean()


def _between(batch: Batch) -> Tensor:
    if "between" not in batch.noise or batch.fake is None:
        raise UsageError('The penalty needs fakes and per-sample noise; give the variant d_noise={"between": Noise(per_sample)}.')
    share = batch.noise["between"]
    return share * batch.real + (1 - share) * batch.fake  # (B, ...)


def _slope(D: Network, x: Tensor) -> Tensor:
    # The sum's gradient is each sample's own, since D takes them one by one.
    slope: Tensor = torch.func.grad(lambda x: D(x).sum())(x)  # (B, ...)
    return slope


def _length(slope: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(slope.flatten(1), dim=1)  # (B,)
    return length
