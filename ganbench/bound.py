"""A network with its parameters and buffers given from outside, as objectives see it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_map

from ganbench.errors import UsageError
from ganbench.shares import lend, own, whole

Tensors = dict[str, Tensor]


class BoundNetwork:
    """A module as a function of its inputs, with one seed's `parameters` and `buffers` (which it updates in place).

    With `bf16` its matrix products and convolutions are in bfloat16, by autocast, and what it gives is float32 again.
    """

    def __init__(self, module: nn.Module, parameters: Tensors, buffers: Tensors, bf16: bool = False) -> None:
        self.module, self.parameters, self.buffers, self.bf16 = module, parameters, buffers, bf16

    def __call__(self, *inputs: Any) -> Tensor:
        """What the module gives."""
        return self._run(self.parameters, inputs)

    def _run(self, parameters: Tensors, inputs: tuple[Any, ...]) -> Tensor:
        output: Tensor
        if not (self.bf16 and parameters):
            output = functional_call(self.module, {**parameters, **self.buffers}, inputs)
            return output
        device = next(iter(parameters.values())).device.type
        # Casts that are kept from call to call would be another recording's, or another seed's, tensors.
        with torch.autocast(device, dtype=torch.bfloat16, cache_enabled=False):
            output = functional_call(self.module, {**parameters, **self.buffers}, inputs)
        output = tree_map(_in_full, output)
        return output

    def at(self, parameters: Tensors) -> BoundNetwork:
        """The same network with other parameters: an objective that steps a network inside itself (unrolled GAN) reads this."""
        return type(self)(self.module, parameters, self.buffers, self.bf16)


class SharedNetwork(BoundNetwork):
    """The same function of a whole batch, of which each process runs the module on its own rows: so a loss sees all samples.

    A network without parameters only holds numbers from step to step; it is small, and every process runs it on all rows.
    """

    def __init__(self, module: nn.Module, parameters: Tensors, buffers: Tensors, bf16: bool = False) -> None:
        super().__init__(module, parameters, buffers, bf16)
        seen_whole: frozenset[str] = getattr(
            module, "seen_whole", frozenset()
        )  # by layers that are shown all rows: see `nets.shared`
        names = [name for name in parameters if name not in seen_whole]
        self._lent = {**parameters, **dict(zip(names, lend(*(parameters[name] for name in names)), strict=True))}

    def __call__(self, *inputs: Any) -> Tensor:
        """What the module gives for all rows. Raises UsageError where that is one number for all of them."""
        if not self.parameters:
            return super().__call__(*inputs)
        rows = tuple(own(each) if isinstance(each, Tensor) and each.ndim else each for each in inputs)
        output: Tensor = tree_map(_gathered, self._run(self._lent, rows))
        return output


def _in_full(output: Any) -> Any:
    return output.float() if isinstance(output, Tensor) and output.dtype == torch.bfloat16 else output


def _gathered(output: Any) -> Any:
    if isinstance(output, Tensor) and output.ndim == 0:
        raise UsageError("A network gives one number for its whole batch, which cannot be shared out; train it in one process.")
    return whole(output) if isinstance(output, Tensor) else output
