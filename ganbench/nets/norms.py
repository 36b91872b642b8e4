"""Normalisations as functions: a layer in, the normalised layer out. A network takes one of them as an argument.

`hidden` is False for a layer that gives a network's output, and for a convolution that sees the images themselves.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
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
