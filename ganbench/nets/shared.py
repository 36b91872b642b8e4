"""Networks that are run on a share of a batch: layers that tie the samples of a batch together are made to see all of it."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganbench.nets.minibatch import ComparesBatch
from ganbench.shares import lend, own, whole

BATCH_NORM = "synchronised"  # the form that batch norm has in several processes: its statistics are those of the whole batch


def share(module: nn.Module) -> nn.Module:
    """The module itself, with its layers changed in place: names of parameters and buffers stay, and so do all values.

    Batch norm takes its statistics over the rows of all processes. Layers that compare a batch are shown all rows, by every
    process; the names of their parameters are left in `seen_whole`, since each process finds their whole gradient.
    """
    found = []
    for name, layer in module.named_modules():
        if isinstance(layer, _BatchNorm):
            layer.forward = partial(synchronised, layer)  # type: ignore[method-assign]
        elif isinstance(layer, ComparesBatch):
            layer.forward = partial(_on_all_rows, layer.forward)
            found += [f"{name}.{each}" if name else each for each, _ in layer.named_parameters()]
    module.seen_whole = frozenset(found)  # type: ignore[assignment]
    return module


def synchronised(layer: _BatchNorm, x: Tensor) -> Tensor:
    """Batch norm (Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1) of this process's rows x (B, C, ...), in training mode.

    Means and variances are those of all rows: each process's own, all in one message, joined as Chan et al. 1979 join two samples,
    so that none is lost to cancellation. The running statistics move by them, with N - 1, as torch's do.
    """
    others = [axis for axis in range(x.ndim) if axis != 1]
    variance, mean = torch.var_mean(x, dim=others, correction=0)  # (C,) each
    # Every process reads the statistics for its own rows: lent, so that their gradients are summed before they go back.
    (parts,) = lend(whole(torch.stack([mean, variance])[None]))  # (processes, 2, C)
    means, variances = parts.unbind(1)
    mean, variance = means.mean(0), variances.mean(0) + means.var(0, correction=0)
    if layer.track_running_stats:
        _follow(layer, mean.detach(), variance.detach(), len(parts) * (x.numel() // x.shape[1]))
    shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
    normalised = (x - mean.view(shape)) * torch.rsqrt(variance + layer.eps).view(shape)
    if layer.affine:
        normalised = normalised * layer.weight.view(shape) + layer.bias.view(shape)
    return normalised


@torch.no_grad()
def _follow(layer: _BatchNorm, mean: Tensor, variance: Tensor, count: int) -> None:
    assert layer.running_mean is not None
    assert layer.running_var is not None
    assert layer.num_batches_tracked is not None
    layer.num_batches_tracked.add_(1)
    share = 1 / layer.num_batches_tracked if layer.momentum is None else layer.momentum
    layer.running_mean.add_(share * (mean - layer.running_mean))
    layer.running_var.add_(share * (variance * count / (count - 1) - layer.running_var))


def _on_all_rows(forward: Any, x: Tensor) -> Tensor:
    return own(forward(whole(x)))
