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
    if "between" not in batch.noise or batch.fake is None:
        raise UsageError('The penalty needs generated samples and noise; give the variant d_noise={"between": Noise(per_sample)}.')
    share = batch.noise["between"]
    between = share * batch.real + (1 - share) * batch.fake  # (B, ...)
    slope: Tensor = torch.func.grad(lambda x: D(x).sum())(between)  # (B, ...)
    length: Tensor = torch.linalg.vector_norm(slope.flatten(1), dim=1)  # (B,)
    return (length - 1).square().mean()
