"""Convolutions by patches against torch's own."""

import pytest
import torch
from torch import nn
from torch.func import vmap

from ganbench.nets.patches import PatchConv2d, PatchConvTranspose2d

PAIRS = [(PatchConv2d, nn.Conv2d), (PatchConvTranspose2d, nn.ConvTranspose2d)]


@pytest.mark.parametrize(("channels", "side"), [((1, 5), 8), ((3, 2), 4), ((5, 1), 2), ((2, 2), 14)])
@pytest.mark.parametrize(("ours", "torchs"), PAIRS)
def test_values_and_gradients_are_those_of_torch(ours: type, torchs: type, channels: tuple[int, int], side: int) -> None:
    layer, other = ours(*channels).double(), torchs(*channels, 4, 2, 1).double()
    other.load_state_dict(layer.state_dict())
    x = torch.randn(6, channels[0], side, side, dtype=torch.float64, requires_grad=True)
    weights = torch.randn_like(other(x))
    found = []
    for each in (layer, other):
        y = each(x)
        inputs = torch.autograd.grad((y * weights).sum(), [x, *each.parameters()], create_graph=True)
        second = torch.autograd.grad((inputs[0] ** 2).sum(), [each.weight])  # as in a gradient penalty
        found.append([y, *inputs, *second])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)  # float64: sums in another order


@pytest.mark.parametrize("ours", [PatchConv2d, PatchConvTranspose2d])
def test_stacked_over_seeds(ours: type) -> None:
    layer = ours(2, 3).double()
    weights = torch.randn(4, *layer.weight.shape, dtype=torch.float64)
    x = torch.randn(4, 6, 2, 8, 8, dtype=torch.float64)
    stacked = vmap(lambda w, each: torch.func.functional_call(layer, {"weight": w}, (each,)))(weights, x)
    for index in range(4):
        layer.load_state_dict({"weight": weights[index], "bias": layer.bias})
        torch.testing.assert_close(stacked[index], layer(x[index]), rtol=1e-12, atol=1e-12)
