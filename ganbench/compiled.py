"""A phase's gradients, traced once and compiled: what torch runs as a thousand small kernels becomes about a hundred.

The trace is of plain tensor operations, backward pass and stacked seeds included, so that the compiler sees the whole of it. Fused
kernels round elsewhere than the ones they replace: a compiled training is another run than an uncompiled one, seed for seed, and
its record says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from ganbench.errors import GanbenchError
from ganbench.stack import StackedNetwork, evaluate_at
from ganbench.variant import Phase

Batched = dict[str, Any]  # the fields of a Batch, each (S, B, ...)
ALLOWED = 1e-2  # relative: far above what rounding and tf32 leave, far under what a wrong kernel leaves


class CompilationError(GanbenchError):
    """A phase cannot be compiled, or what was compiled gives other gradients."""


def compile_gradients(
    phase: Phase, networks: Mapping[str, StackedNetwork], example: Batched, backend: str = "inductor"
) -> Callable[[Batched], list[Tensor]]:
    """A function from a batch shaped like `example` to the gradients of the phase's parameters, (S, ...) each, in their order.

    It updates the networks' buffers in place, as the objective does. Raises CompilationError where the phase cannot be traced or
    compiled, or where a gradient of the example is further than 1e-2 (of its norm) from the uncompiled one.
    """
    from torch.fx.experimental.proxy_tensor import make_fx  # a second to import, and few need it

    modules = {name: net.module for name, net in networks.items()}
    parameters = {name: net.frozen for name, net in networks.items()}
    buffers = {name: net.buffers for name, net in networks.items()}

    def gradients(*flat: Tensor) -> list[Tensor]:
        frozen, held, batch = tree_unflatten(list(flat), form)
        moving = {
            name: {key: value.detach().requires_grad_() for key, value in frozen[name].items()} if name in phase.updates else each
            for name, each in frozen.items()
        }
        losses, _ = evaluate_at(phase.objective, modules, moving, held, batch)
        leaves = [value for name in phase.updates for value in moving[name].values()]
        found = torch.autograd.grad(losses.sum(), leaves, allow_unused=True, materialize_grads=True)
        return [each.contiguous() for each in found]

    state, form = tree_flatten((parameters, buffers, example))
    try:
        # Without cuDNN a batch norm is traced as arithmetic that can be fused; what convolutions run on is chosen later.
        with torch.backends.cudnn.flags(enabled=False):
            traced = make_fx(gradients)(*_copies(state))
        run = torch.compile(traced, fullgraph=True, dynamic=False, backend=backend)
        with torch.no_grad():
            found = run(*_copies(state))
    except Exception as error:  # the tracer and the compiler raise what they like
        raise CompilationError(
            f"The phase {phase.name} cannot be compiled ({_first_line(error)}); train without --compile."
        ) from error
    for ours, theirs in zip(found, gradients(*_copies(state)), strict=True):
        rounding = torch.finfo(theirs.dtype).eps * theirs.numel() ** 0.5
        if not (ours - theirs).norm() <= ALLOWED * theirs.norm() + rounding:
            raise CompilationError(f"The phase {phase.name} compiles to other gradients; train without --compile.")

    @torch.no_grad()
    def compiled(batch: Batched) -> list[Tensor]:
        found: list[Tensor] = run(*tree_flatten((parameters, buffers, batch))[0])
        return found

    return compiled


def _copies(tensors: list[Tensor]) -> list[Tensor]:
    copies: list[Tensor] = tree_map(torch.clone, tensors)
    return copies


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
