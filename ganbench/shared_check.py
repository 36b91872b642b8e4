"""Whether a training may be shared out over processes: looked at before its first step, since any code may stand in a variant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map

from ganbench.bound import Tensors
from ganbench.errors import UsageError
from ganbench.execution import arithmetic
from ganbench.ranks import Ranks
from ganbench.shares import broadcast
from ganbench.stack import Binder, StackedNetwork, evaluate_at
from ganbench.variant import Phase

ROUNDING = 1e-3  # of the norm of all gradients: what float32 may leave. A network that ties samples together is off by percents


def check_batch_shared(batch_size: int, ranks: Ranks, whose: str) -> None:
    """Raise UsageError for a batch of `whose` that cannot be shared out evenly."""
    if batch_size % ranks.count:
        raise UsageError(
            f"The batch size {batch_size} of {whose} cannot be shared out evenly over {ranks.count} processes; set one that "
            f"{ranks.count} divides in the suite's overrides, or start another number of processes."
        )


def check_shared(variant: str, phase: Phase, networks: Mapping[str, StackedNetwork], batch: dict[str, Any]) -> None:
    """Raise UsageError, on every process, where a phase's gradients and buffers over shared rows are not those of whole batches.

    So it is where a network ties the samples of a batch together by a layer that `nets.shared` does not know. The first process
    runs the whole batch by itself for it; where its memory is too small for that, the question stays open, and training goes on.
    """
    ours = _updates(phase, networks, {name: net.bind for name, net in networks.items()}, batch)
    off = torch.zeros((), dtype=torch.float64, device=ours.device)
    if torch.distributed.get_rank() == 0:
        try:
            theirs = _updates(phase, networks, {name: net.alone for name, net in networks.items()}, batch)
            good = theirs.isfinite().all(1)  # a seed that diverged before a training was resumed says nothing
            off.fill_((ours - theirs)[good].norm() / theirs[good].norm().clamp(min=torch.finfo(theirs.dtype).tiny))
        except torch.OutOfMemoryError:
            pass
    broadcast(off)
    if not off <= ROUNDING:
        raise UsageError(
            f"{variant} cannot be trained in several processes: its phase {phase.name} over shared rows of a batch is not what it "
            f"is over the whole batch (off by {off.item():.2g}); a layer of its own ties samples together. Train it in one process."
        )


def _updates(phase: Phase, networks: Mapping[str, StackedNetwork], binders: Mapping[str, Binder], batch: dict[str, Any]) -> Tensor:
    """What a step would do, (S, P): the gradients of all parameters that it updates, and all buffers as it leaves them."""
    buffers: dict[str, Tensors] = tree_map(torch.clone, {name: net.buffers for name, net in networks.items()})
    parameters = {name: net.parameters if name in phase.updates else net.frozen for name, net in networks.items()}
    with arithmetic(tf32=False):
        losses, _ = evaluate_at(phase.objective, binders, parameters, buffers, batch)
        leaves = [value for name in phase.updates for value in parameters[name].values()]
        found = torch.autograd.grad(losses.sum(), leaves, allow_unused=True, materialize_grads=True)
    return torch.cat([each.reshape(len(each), -1).to(losses.dtype) for each in (*found, *tree_flatten(buffers)[0])], 1)
