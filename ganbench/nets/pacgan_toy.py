"""PacGAN's networks for points, as its code has them: Lin et al. 2018, arXiv:1712.04086, section 4.1 and its appendix.

Generator: four hidden layers of 400 with batch norm and ReLU, no bias in them. Discriminator: three maxout layers of 200 with 5
pieces. All weights start at N(0, 0.02). They take no other normalisation. Batch norm's constants are torch's: 1e-5, and statistics
that move by a tenth, where PacGAN's code has 1e-4 and a twentieth.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ganbench.errors import UsageError
from ganbench.nets import norms

HIDDEN = 400
LAYERS = 4
MAXOUT = 200
MAXOUT_LAYERS = 3
PIECES = 5


class Maxout(nn.Module):
    """The largest of `PIECES` linear maps, unit by unit. Goodfellow et al. 2013, arXiv:1302.4389, section 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = _started(nn.Linear(inputs, outputs * PIECES))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs)."""
        # max(a, b) = a + relu(b - a), within a rounding: the slope of `amax` counts ties, which took a quarter of a step on a CPU.
        largest: Tensor
        largest, *others = self.linear(x).chunk(PIECES, dim=1)  # (B, outputs) each
        for piece in others:
            largest = largest + torch.relu(piece - largest)
        return largest


def generator(shape: tuple[int, ...], latent_size: int, norm: norms.Norm | None) -> nn.Module:
    """z (B, latent_size) -> points (B, D). Raises UsageError where a normalisation is named."""
    _no_other(norm)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((latent_size, *[HIDDEN] * LAYERS)):
        layers += [_started(nn.Linear(inputs, outputs, bias=False)), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, _started(nn.Linear(HIDDEN, shape[0])))


def trunk(shape: tuple[int, ...], outputs: int, norm: norms.Norm | None, pack: int) -> nn.Module:
    """Points (B, pack * D) -> (B, outputs). It has no normalisation: raises UsageError where one but `norms.none` is named."""
    if norm is not norms.none:
        _no_other(norm)
    layers = [Maxout(inputs, MAXOUT) for inputs in (pack * shape[0], *[MAXOUT] * (MAXOUT_LAYERS - 1))]
    return nn.Sequential(*layers, _started(nn.Linear(MAXOUT, outputs)))


def _no_other(norm: norms.Norm | None) -> None:
    if norm is not None:
        raise UsageError("The architecture pacgan-toy has its own normalisation; choose another architecture for this variant.")


def _started(layer: nn.Linear) -> nn.Linear:
    nn.init.normal_(layer.weight, 0.0, 0.02)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
