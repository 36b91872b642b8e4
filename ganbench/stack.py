"""Networks of several seeds stacked: one module as the template, parameters and buffers with a leading axis of S seeds.

Under `torch.func.vmap` an objective written for one seed runs for all of them; the gradient of the summed losses gives each seed
its own gradient, since no seed's loss reads another seed's parameters. A stack of one seed skips vmap, and so do seeds that are
computed apart: convolutions of large networks with several sets of weights at once are slower (`ganbench.execution.apart`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.utils._pytree import tree_map

from ganbench.bound import BoundNetwork, SharedNetwork, Tensors
from ganbench.errors import UsageError
from ganbench.execution import channels_last
from ganbench.lanes import Lanes
from ganbench.nets.norms import take_statistics_in_full
from ganbench.nets.shared import share
from ganbench.rng import seeded_globally, stream_seed
from ganbench.variant import Batch, Networks, Objective, Phase, Recipe, Space, Variant

# What torch says of an objective that cannot be computed for stacked seeds, by words of its message.
RANDOM = "called random operation"
NOT_STACKED = {
    RANDOM: "An objective draws random numbers of its own; ask for them in its phase's `noise`.",
    ".item()": "An objective makes a number of a tensor, by .item() or float(); keep it a tensor, also in what it watches.",
    "data-dependent control flow": "An objective's code branches on a tensor's values; use torch.where.",
}


class Binder(Protocol):
    """Parameters and buffers of one seed -> the network that has them."""

    def __call__(self, parameters: Tensors, buffers: Tensors, /, *, bf16: bool = ...) -> BoundNetwork:
        """The network."""


class StackedNetwork:
    """One network of S seeds. Every tensor in `parameters` and `buffers` is (S, *shape of the module's own).

    With `channels_last` each seed's weights of convolutions lie in that order in memory, and so do the maps that they give.
    `bind` makes the network of one seed, whose rows several processes share where it is `shared`; `alone` one that they do not.
    """

    def __init__(
        self,
        modules: list[nn.Module],
        device: str,
        dtype: torch.dtype,
        shared: bool = False,
        channels_last: bool = False,
        bf16: bool = False,
    ) -> None:
        self.module = modules[0].to(device=device, dtype=dtype).train()
        if bf16:
            take_statistics_in_full(self.module)
        self.alone: Binder = partial(BoundNetwork, self.module, bf16=bf16)
        self.bind: Binder = partial(SharedNetwork, share(copy.deepcopy(self.module)), bf16=bf16) if shared else self.alone
        own = [module.to(device=device, dtype=dtype) for module in modules]
        names = [dict(module.named_parameters()) for module in own]
        held = [dict(module.named_buffers()) for module in own]
        stacked = {key: torch.stack([each[key].detach() for each in names]) for key in names[0]}  # (S, ...)
        if channels_last:
            stacked = {key: _channels_innermost(value) for key, value in stacked.items()}
        self.parameters: Tensors = {key: value.requires_grad_() for key, value in stacked.items()}
        self.buffers: Tensors = {key: torch.stack([each[key] for each in held]) for key in held[0]}  # (S, ...)
        self.frozen: Tensors = {key: value.detach() for key, value in self.parameters.items()}  # the same storage

    def state(self) -> Tensors:
        """Parameters and buffers by name, without gradients, sharing storage."""
        return {**self.frozen, **self.buffers}

    def seed_state(self, index: int) -> Tensors:
        """A copy of one seed's parameters and buffers on the CPU: a state dict of the module."""
        return {key: value[index].detach().to("cpu", copy=True) for key, value in self.state().items()}

    def only(self, index: int) -> StackedNetwork:
        """The network of one of the seeds, as a stack of one that shares storage with this one; its parameters are leaves."""
        one = copy.copy(self)
        one.frozen = {key: value[index : index + 1] for key, value in self.frozen.items()}
        one.parameters = {key: value.detach().requires_grad_() for key, value in one.frozen.items()}
        one.buffers = {key: value[index : index + 1] for key, value in self.buffers.items()}
        return one


def build(
    variant: Variant,
    space: Space,
    recipe: Recipe,
    seeds: list[int],
    device: str,
    dtype: torch.dtype,
    shared: bool = False,
    bf16: bool = False,
) -> dict[str, StackedNetwork]:
    """The variant's networks for every seed. Weights are drawn on the CPU, so that a seed starts alike on every device.

    `shared`: several processes share the rows of a batch out. `bf16`: networks compute in bfloat16.
    """
    built: list[dict[str, nn.Module]] = []
    for seed in seeds:
        with seeded_globally(stream_seed(seed, "init")):
            built.append(variant.networks(space, recipe))
    wanted = {"generator", *(name for phase in variant.phases for name in phase.updates)}
    if missing := wanted - built[0].keys():
        raise UsageError(f"{variant.name} builds no network called {missing.pop()!r}; its networks are {', '.join(built[0])}.")
    innermost = channels_last(device, space.shape)
    return {name: StackedNetwork([each[name] for each in built], device, dtype, shared, innermost, bf16) for name in built[0]}


def differentiate(
    objective: Objective,
    networks: Mapping[str, StackedNetwork],
    updated: tuple[str, ...],
    batch: dict[str, Any],
    apart: Lanes | None = None,
) -> tuple[Tensor, Tensors, list[Tensor]]:
    """As `evaluate`, and the gradients of the `updated` networks' parameters: (S, ...) each, in their order, contiguous.

    With lanes each seed is computed `apart`, which changes nothing but rounding.
    """
    count = len(batch["real"])
    leaves = [value for name in updated for value in networks[name].parameters.values()]
    if apart and count > 1:

        def one(index: int) -> tuple[Tensor, Tensors, list[Tensor]]:
            alone = {name: net.only(index) for name, net in networks.items()}
            return differentiate(objective, alone, updated, only(batch, index))

        alone = apart.run(one, count)
        losses, watched, gradients = zip(*alone, strict=True)
        together = {key: torch.cat([each[key] for each in watched]) for key in watched[0]}
        return torch.cat(losses), together, joined(leaves, gradients)
    loss, seen = evaluate(objective, networks, updated, batch)
    if not loss.requires_grad:
        raise UsageError(
            f"An objective's loss does not depend, in this step, on what its phase updates ({', '.join(updated)}); make it so."
        )
    found = torch.autograd.grad(loss.sum(), leaves, allow_unused=True, materialize_grads=True)
    return loss.detach(), seen, [laid_out_like(leaf, each) for leaf, each in zip(leaves, found, strict=True)]


def only(batch: dict[str, Any], index: int) -> dict[str, Any]:
    """What one of the seeds has of a batch, as a batch of one seed: (1, B, ...) each."""
    found: dict[str, Any] = tree_map(lambda value: value[index : index + 1], batch)
    return found


def joined(leaves: Sequence[Tensor], gradients: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The gradients (1, ...) of each seed in turn, as (S, ...) each, laid out as the leaves."""
    parts = zip(leaves, zip(*gradients, strict=True), strict=True)
    return [torch.cat(each, out=torch.empty_like(leaf)) for leaf, each in parts]


def laid_out_like(leaf: Tensor, tensor: Tensor) -> Tensor:
    """The same numbers, in memory in the order of `leaf`, whose shape they have.

    Fused Adam on a CPU (torch 2.15) reads a gradient's and a moment's memory in order, whatever their strides.
    """
    strides = zip(leaf.stride(), tensor.stride(), leaf.shape, strict=True)
    alike = all(one == other for one, other, size in strides if size > 1)
    return tensor if alike else torch.empty_like(leaf).copy_(tensor)


def in_full(binder: Binder) -> Binder:
    """The same binder, of networks that compute in full float32."""
    return partial(binder, bf16=False)


def evaluate(
    objective: Objective, networks: Mapping[str, StackedNetwork], updated: tuple[str, ...], batch: dict[str, Any]
) -> tuple[Tensor, Tensors]:
    """Losses (S,) and watched values (S,) of an objective; gradients flow to the parameters of the `updated` networks alone.

    `batch` holds the fields of a Batch, each (S, B, ...), `noise` a dict of such. Buffers are updated in place.
    """
    parameters = {name: net.parameters if name in updated else net.frozen for name, net in networks.items()}
    buffers = {name: net.buffers for name, net in networks.items()}
    return evaluate_at(objective, {name: net.bind for name, net in networks.items()}, parameters, buffers, batch)


def evaluate_at(
    objective: Objective,
    binders: Mapping[str, Binder],
    parameters: dict[str, Tensors],
    buffers: dict[str, Tensors],
    batch: dict[str, Any],
    stacked: bool = False,
) -> tuple[Tensor, Tensors]:
    """As `evaluate`, with what makes each network, and its parameters and buffers, (S, ...) each, given one by one.

    With `stacked` one seed goes through vmap too.
    """

    def one_seed(parameters: dict[str, Tensors], buffers: dict[str, Tensors], batch: dict[str, Any]) -> tuple[Tensor, Tensors]:
        functions = {name: bind(parameters[name], buffers[name]) for name, bind in binders.items()}
        given = objective(Networks(functions), Batch(**batch))
        if not (isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], Tensor) and given[0].ndim == 0):
            raise UsageError("An objective gives something else than a scalar loss and what it watches; return (loss, {}) from it.")
        return given

    if stacked or len(batch["real"]) > 1:
        try:
            losses, watched = vmap(one_seed, randomness="error")(parameters, buffers, batch)
        except RuntimeError as error:
            for words, sentence in NOT_STACKED.items():
                if str(error).startswith("vmap: ") and words in str(error):
                    raise UsageError(sentence) from error
            raise
        return losses, watched
    loss, watched = one_seed(_first(parameters), _first(buffers), tree_map(lambda value: value[0], batch))
    return loss[None], {key: value[None] for key, value in watched.items()}


def check_draws_nothing(objective: Objective, networks: Mapping[str, StackedNetwork], batch: dict[str, Any]) -> None:
    """Raise UsageError where an objective draws random numbers of its own: the same seed would give other numbers each time.

    vmap refuses that; this asks it of the first of seeds that skip it. Whatever else may be wrong the step itself tells.
    """
    first = {name: net.only(0) for name, net in networks.items()}
    buffers: dict[str, Tensors] = tree_map(torch.clone, {name: net.buffers for name, net in first.items()})
    parameters = {name: net.parameters for name, net in first.items()}
    binders = {name: net.alone for name, net in first.items()}
    try:
        evaluate_at(objective, binders, parameters, buffers, only(batch, 0), stacked=True)
    except Exception as error:  # anybody's objective
        if str(error) == NOT_STACKED[RANDOM]:
            raise


def _channels_innermost(stacked: Tensor) -> Tensor:
    # Weights (S, O, I, kH, kW), each seed's in torch.channels_last: the kernels of 4 and 5 of DCGAN's layers alone. torch's
    # slow convolution, of float64 at least, refuses some gradients of smaller ones in this order.
    if stacked.ndim != 5 or min(stacked.shape[3:]) < 4:
        return stacked
    return stacked.movedim(2, -1).contiguous().movedim(-1, 2)


def _first(stacked: dict[str, Tensors]) -> dict[str, Tensors]:
    # A view, not an index: its backward is a reshape, where that of an index fills a tensor with zeros.
    return {name: {key: value.view(value.shape[1:]) for key, value in each.items()} for name, each in stacked.items()}


def build_optimizer(phase: Phase, recipe: Recipe, networks: Mapping[str, StackedNetwork]) -> torch.optim.Optimizer:
    """Adam or RMSProp on the stacked parameters: elementwise, so one of them steps every seed."""
    leaves = [value for name in phase.updates for value in networks[name].parameters.values()]
    on_cuda = leaves[0].is_cuda  # its count of steps then lies on the device, where a recorded step can move it
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(leaves, lr=phase.lr(recipe), alpha=recipe.betas[1], capturable=on_cuda)
    return torch.optim.Adam(leaves, lr=phase.lr(recipe), betas=recipe.betas, fused=True, capturable=on_cuda)
