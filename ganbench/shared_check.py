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
from ganbench.stack import Binder, StackedNetwork, evaluate_at, in_full
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
    ours = _updates(phase, networks, {name: in_full(net.bind) for name, net in networks.items()}, batch)
    off = torch.zeros((), dtype=torch.float64, device=ours[0].device)
    if torch.distributed.get_rank() == 0:
        try:
            theirs = _updates(phase, networks, {name: in_full(net.alone) for name, net in networks.items()}, batch)
            off.copy_(torch.stack([_distance(one, other) for one, other in zip(ours, theirs, strict=True)]).amax())
        except torch.OutOfMemoryError:
            pass
    broadcast(off)
    if not off <= ROUNDING:
        raise UsageError(
            f"{variant} cannot be trained in several processes: its phase {phase.name} over shared rows of a batch is not what it "
            f"is over the whole batch (off by {off.item():.2g}); derive the layer that ties samples together from "
            "ganbench.nets.minibatch.ComparesBatch, or train it in one process."
        )


def _updates(
    phase: Phase, networks: Mapping[str, StackedNetwork], binders: Mapping[str, Binder], batch: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    """What a step would do: the gradients of all parameters that it updates, (S, P), and what it adds to the buffers, (S, Q)."""
    before = {name: net.buffers for name, net in networks.items()}
    buffers: dict[str, Tensors] = tree_map(torch.clone, before)
    parameters = {name: net.parameters if name in phase.updates else net.frozen for name, net in networks.items()}
    with arithmetic(tf32=False):
        losses, _ = evaluate_at(phase.objective, binders, parameters, buffers, batch)
        leaves = [value for name in phase.updates for value in parameters[name].values()]
        found = torch.autograd.grad(losses.sum(), leaves, allow_unused=True, materialize_grads=True)
    states = zip(tree_flatten(buffers)[0], tree_flatten(before)[0], strict=True)
    added = [after.to(losses.dtype) - old.to(losses.dtype) for after, old in states]
    return _side_by_side(list(found), losses), _side_by_side(added, losses)


def _side_by_side(tensors: list[Tensor], like: Tensor) -> Tensor:
    return torch.cat([like.new_zeros(len(like), 0), *(each.reshape(len(each), -1) for each in tensors)], 1)


def _distance(ours: Tensor, theirs: Tensor) -> Tensor:
    """How far apart two (S, P) are, as a share of the second's norm; nothing where that is less than the rounding of 1."""
    good = theirs.isfinite().all(1)  # a seed that diverged before a training was resumed says nothing
    least = torch.finfo(theirs.dtype).eps / ROUNDING
    share: Tensor = (ours - theirs)[good].norm() / theirs[good].norm().clamp(min=least)
    return share.double()
