"""Normalisations as functions: a layer in, the normalised layer out. A network takes one of them as an argument.

`hidden` is False for a layer that gives a network's output, and for a convolution that sees the images themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganbench.nets.spectral_norm import SpectralNorm

Layer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d
Norm = Callable[[Layer, bool], nn.Module]


def none(layer: Layer, hidden: bool) -> nn.Module:
    """The layer as it is."""
    return layer


def batch(layer: Layer, hidden: bool) -> nn.Module:
    """Batch norm after a hidden layer, which loses its bias; a layer at an end stays as it is.

    Radford et al. 2016, arXiv:1511.06434, section 3: batch norm everywhere but in the generator's output and the discriminator's
    input. A bias before it would get a gradient of rounding noise, which Adam blows up. Scales start at N(1, 0.02), as in its code.
    """
    if not hidden:
        return layer
    layer.register_parameter("bias", None)
    if isinstance(layer, nn.Linear):
        norm: nn.BatchNorm1d | nn.BatchNorm2d = nn.BatchNorm1d(layer.out_features)
    else:
        norm = nn.BatchNorm2d(layer.out_channels)
    nn.init.normal_(norm.weight, 1.0, 0.02)
    return nn.Sequential(layer, norm)


def spectral(layer: Layer, hidden: bool) -> nn.Module:
    """Spectral norm of a linear or convolution layer, at the ends too. Miyato et al. 2018, arXiv:1802.05957.

    It is for discriminators: a transposed convolution raises TypeError.
    """
    if isinstance(layer, nn.ConvTranspose2d):
        raise TypeError("spectral norm takes linear and convolution layers, not a transposed convolution")
    return SpectralNorm(layer)


def take_statistics_in_full(module: nn.Module) -> None:
    """Make the module's batch norms, in place, read maps of bfloat16 as float32: so means and variances are not rounded."""
    for layer in module.modules():
        if isinstance(layer, _BatchNorm):
            layer.register_forward_pre_hook(lambda _, inputs: tuple(each.float() for each in inputs))


def keep_no_statistics(module: nn.Module) -> None:
    """Make the module's batch norms, in place, keep no running statistics and normalise by those of each batch, in evaluation too.

    In training mode they are the function that they were, by plain operations, which can be differentiated inside an objective.
    """
    # torch's own (2.14) is wrong where plain autograd differentiates through torch.func.grad under vmap, by 2 % of the slope in a
    # small network. It agrees outside vmap, and with one torch.func.grad inside another.
    for layer in module.modules():
        if isinstance(layer, _BatchNorm):
            layer.track_running_stats = False
            layer.running_mean = layer.running_var = layer.num_batches_tracked = None
            layer.forward = partial(_normalised, layer)  # type: ignore[method-assign]


def _normalised(layer: _BatchNorm, x: Tensor) -> Tensor:
    # x (B, C, ...): Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1.
    others = [axis for axis in range(x.ndim) if axis != 1]
    shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
    centred = x - x.mean(others, keepdim=True)
    scale = torch.rsqrt(centred.square().mean(others, keepdim=True) + layer.eps)  # (1, C, ...)
    if not layer.affine:
        return centred * scale
    return centred * (scale * layer.weight.view(shape)) + layer.bias.view(shape)
