"""A phase's gradients, traced once and compiled: what torch runs as a thousand small kernels becomes about a hundred.

The trace is of plain tensor operations, backward pass and stacked seeds included, so that the compiler sees the whole of it. Fused
kernels round elsewhere than the ones they replace: a compiled training is another run than an uncompiled one, seed for seed, and
its record says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from ganbench.bound import Tensors
from ganbench.errors import GanbenchError
from ganbench.execution import arithmetic
from ganbench.lanes import Lanes
from ganbench.stack import Binder, StackedNetwork, evaluate_at, in_full, joined, laid_out_like, only
from ganbench.variant import Phase

Batched = dict[str, Any]  # the fields of a Batch, each (S, B, ...)
ROUNDING, TIMES = 1e-3, 4.0  # what a compiled gradient may be off by: of its norm, and as often as the eager one is off in tf32


class CompilationError(GanbenchError):
    """A phase cannot be compiled, or what was compiled gives other gradients."""


def compile_gradients(
    phase: Phase,
    networks: Mapping[str, StackedNetwork],
    example: Batched,
    backend: str = "inductor",
    apart: Lanes | None = None,
) -> Callable[[Batched], list[Tensor]]:
    """A function from a batch shaped like `example` to the gradients of the phase's parameters, (S, ...) each, in their order
    and laid out as they are.

    It updates the networks' buffers in place, as the objective does. With lanes one seed's gradients are compiled, and computed
    for each seed `apart`. Raises CompilationError where the phase cannot be traced or compiled, or where the example's gradient is
    further from that in full float32 than 4 times the eager one and 1e-3 of its norm.
    """
    count = len(example["real"])
    if apart is None or count == 1:
        return partial(_compile(phase, networks, example, backend), networks)
    ones = [{name: net.only(index) for name, net in networks.items()} for index in range(count)]
    run = _compile(phase, ones[0], only(example, 0), backend)
    leaves = [value for name in phase.updates for value in networks[name].frozen.values()]

    def compiled(batch: Batched) -> list[Tensor]:
        return joined(leaves, apart.run(lambda index: run(ones[index], only(batch, index)), count))

    return compiled


def _compile(
    phase: Phase, networks: Mapping[str, StackedNetwork], example: Batched, backend: str
) -> Callable[[Mapping[str, StackedNetwork], Batched], list[Tensor]]:
    """A function of networks and a batch, shaped like these, to the gradients."""
    from torch.fx.experimental.proxy_tensor import make_fx  # a second to import, and few need it

    binders = {name: net.alone for name, net in networks.items()}

    def gradients(binders: Mapping[str, Binder], *flat: Tensor) -> list[Tensor]:
        frozen, held, batch = tree_unflatten(list(flat), form)
        moving = {
            name: {key: value.detach().requires_grad_() for key, value in frozen[name].items()} if name in phase.updates else each
            for name, each in frozen.items()
        }
        losses, _ = evaluate_at(phase.objective, binders, moving, held, batch)
        leaves = [value for name in phase.updates for value in moving[name].values()]
        found = torch.autograd.grad(losses.sum(), leaves, allow_unused=True, materialize_grads=True)
        return [each.contiguous() for each in found]

    state, form = tree_flatten(_held(networks, example))
    try:
        # Without cuDNN a batch norm is traced as arithmetic that can be fused; what convolutions run on is chosen later.
        with torch.backends.cudnn.flags(enabled=False):
            traced = make_fx(partial(gradients, binders))(*_copies(state))
        run = torch.compile(traced, fullgraph=True, dynamic=False, backend=backend)
        with torch.no_grad():
            found = run(*_copies(state))
    except Exception as error:  # the tracer and the compiler raise what they like
        raise CompilationError(
            f"The phase {phase.name} cannot be compiled ({_first_line(error)}); train without --compile."
        ) from error
    exact = partial(gradients, {name: in_full(binder) for name, binder in binders.items()})
    _check(phase, found, gradients(binders, *_copies(state)), _precisely(exact, state))

    @torch.no_grad()
    def compiled(networks: Mapping[str, StackedNetwork], batch: Batched) -> list[Tensor]:
        found: list[Tensor] = run(*tree_flatten(_held(networks, batch))[0])
        leaves = [value for name in phase.updates for value in networks[name].frozen.values()]
        return [laid_out_like(leaf, each) for leaf, each in zip(leaves, found, strict=True)]

    return compiled


def _held(networks: Mapping[str, StackedNetwork], batch: Batched) -> tuple[dict[str, Tensors], dict[str, Tensors], Batched]:
    return {name: net.frozen for name, net in networks.items()}, {name: net.buffers for name, net in networks.items()}, batch


def _copies(tensors: list[Tensor]) -> list[Tensor]:
    copies: list[Tensor] = tree_map(torch.clone, tensors)
    return copies


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")


def _precisely(gradients: Callable[..., list[Tensor]], state: list[Tensor]) -> list[Tensor]:
    with arithmetic(tf32=False):
        return gradients(*_copies(state))


def _check(phase: Phase, compiled: list[Tensor], eager: list[Tensor], precise: list[Tensor]) -> None:
    # Of all parameters together: where slopes on real and fake samples cancel, as they do in the first steps, tf32 leaves percents.
    ours, theirs, exact = (torch.cat([each.flatten(1) for each in some], 1) for some in (compiled, eager, precise))  # (S, P) each
    # A seed that diverged before a training was resumed says nothing of the others.
    ours, theirs, exact = (each[exact.isfinite().all(1)] for each in (ours, theirs, exact))
    off, size = (ours - exact).norm().item(), exact.norm().item()
    if not off <= TIMES * (theirs - exact).norm().item() + ROUNDING * size:
        away = off / size if size else math.inf
        raise CompilationError(f"The phase {phase.name} compiles to gradients {away:.2g} away; train without --compile.")
