"""A network with its parameters and buffers given from outside, as objectives see it."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.func import functional_call

Tensors = dict[str, Tensor]


class BoundNetwork:
    """A module as a function of its inputs, with one seed's `parameters` and `buffers` (which it updates in place)."""

    def __init__(self, module: nn.Module, parameters: Tensors, buffers: Tensors) -> None:
        self.module, self.parameters, self.buffers = module, parameters, buffers

    def __call__(self, *inputs: Any) -> Tensor:
        """What the module gives."""
        output: Tensor = functional_call(self.module, {**self.parameters, **self.buffers}, inputs)
        return output

    def at(self, parameters: Tensors) -> BoundNetwork:
        """The same network with other parameters: an objective that steps a network inside itself (unrolled GAN) reads this."""
        return BoundNetwork(self.module, parameters, self.buffers)
