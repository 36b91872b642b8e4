"""Rows of a batch shared out over processes, and what was made of them put together again, so that gradients of any order pass.

A tensor is *whole*, the same on every process, or *shared*: each process holds its own rows of it. Objectives see whole tensors,
networks work on shared ones. Every way between the two is linear, and its gradient is another one of them:

    own      whole -> shared                      gradient: whole
    whole    shared -> whole                      gradient: own
    lend     whole, to be read with shared rows   gradient: the sum of what each process found for its rows
    _sum     parts -> whole                       gradient: as it is, to every part

These are the pairs of conjugate operators of tensor parallelism (Shoeybi et al. 2019, arXiv:1909.08053, section 3). They work
under `torch.func`: for stacked seeds one collective carries all seeds.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function

from ganbench.errors import UsageError
from ganbench.ranks import lost


def own(x: Tensor, dim: int = 0) -> Tensor:
    """This process's rows of a whole tensor. Raises UsageError for rows that cannot be shared out evenly."""
    if x.is_floating_point():
        shared: Tensor = _Own.apply(x, dim)
        return shared
    return _rows(x, dim)


def whole(x: Tensor, dim: int = 0) -> Tensor:
    """The rows of every process, those of the first process first; all hold equally many."""
    together: Tensor = _Whole.apply(x, dim)
    return together


def lend(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The same tensors, for use with shared rows. Their gradients are summed over the processes, in one message."""
    lent: tuple[Tensor, ...] = _Lend.apply(*tensors) if tensors else ()
    return lent


def broadcast(*tensors: Tensor) -> None:
    """Overwrite the tensors, in place, with those of the first process: one message for each type of number."""
    for dtype in {tensor.dtype: None for tensor in tensors}:
        alike = [tensor for tensor in tensors if tensor.dtype == dtype]
        flat = torch.cat([tensor.reshape(-1) for tensor in alike])
        with lost():
            dist.broadcast(flat, 0)
        for tensor, part in zip(alike, flat.split([tensor.numel() for tensor in alike]), strict=True):
            tensor.copy_(part.view(tensor.shape))


def _rows(x: Tensor, dim: int) -> Tensor:
    count, size = dist.get_world_size(), x.shape[dim]
    if size % count:
        raise UsageError(
            f"{size} samples cannot be shared out evenly over {count} processes; choose a batch size that {count} divides."
        )
    return x.narrow(dim, dist.get_rank() * (size // count), size // count).contiguous()


class _Own(Function):
    @staticmethod
    def forward(x: Tensor, dim: int) -> Tensor:
        return _rows(x, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return whole(gradient, ctx.dim), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, None], x: Tensor, dim: int) -> tuple[Tensor, int | None]:
        return _behind_seeds(own, in_dims[0], x, dim)


class _Whole(Function):
    @staticmethod
    def forward(x: Tensor, dim: int) -> Tensor:
        parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        with lost():
            dist.all_gather(parts, x.contiguous())
        return torch.cat(parts, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return own(gradient, ctx.dim), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, None], x: Tensor, dim: int) -> tuple[Tensor, int | None]:
        return _behind_seeds(whole, in_dims[0], x, dim)


class _Lend(Function):
    @staticmethod
    def forward(*tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        summed: tuple[Tensor, ...] = _Sum.apply(*gradients)
        return summed

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *tensors: Tensor) -> tuple[tuple[Tensor, ...], tuple[int | None, ...]]:
        return _Lend.apply(*tensors), in_dims


class _Sum(Function):
    @staticmethod
    def forward(*parts: Tensor) -> tuple[Tensor, ...]:
        flat = torch.cat([part.reshape(-1) for part in parts])
        with lost():
            dist.all_reduce(flat)
        return tuple(some.view(part.shape) for some, part in zip(flat.split([part.numel() for part in parts]), parts, strict=True))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        return lend(*gradients)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *parts: Tensor) -> tuple[tuple[Tensor, ...], tuple[int | None, ...]]:
        return _Sum.apply(*parts), in_dims


def _behind_seeds(way: Any, at: int | None, x: Tensor, dim: int) -> tuple[Tensor, int | None]:
    # The axis of seeds is brought to the front, and the rows lie one axis further in.
    return (way(x, dim), None) if at is None else (way(x.movedim(at, 0), dim + 1), 0)
