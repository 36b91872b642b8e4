"""Frozen networks of images, run over a batch in pieces."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganbench.errors import UsageError
from ganbench.execution import arithmetic

Network = Callable[[Tensor], tuple[Tensor, Tensor | None]]  # images (B, 1 or 3, H, W) uint8 -> features (B, F) and logits


def describe(name: str, network: Network, images: Tensor, device: str, piece: int | None) -> tuple[Tensor, Tensor | None]:
    """What `network` says of uint8 images (B, 1 or 3, H, W): features (B, F) and, where it has them, logits, on the CPU.

    It gets `piece` images at a time, or all of them, on the device, without gradients and without TF32, which keeps 10 bits of a
    feature. `name` is the extractor's, for the error. Raises UsageError for images of another type or number of channels.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        got = f"{'x'.join(map(str, images.shape[1:]))} {str(images.dtype).removeprefix('torch.')}"
        raise UsageError(f"{name} takes uint8 images of 1 or 3 channels, and these are {got}; choose another extractor.")
    pieces = []
    for some in images.split(piece or len(images)):
        with (
            torch.no_grad(),
            arithmetic(tf32=False),
        ):  # piece by piece, so that the steps of a training on another thread come between
            pieces.append(network(some.to(device)))
    logits = [each for _, each in pieces if each is not None]
    return torch.cat([each.cpu() for each, _ in pieces]), torch.cat([each.cpu() for each in logits]) if logits else None


def piece_on(device: str, exact: bool, on_one_thread: int) -> int | None:
    """How many images a network is given at once: on a CPU `on_one_thread` a thread, on a GPU 64.

    All of them (None) where it is exact, for a convolution may round differently in batches of another size.
    """
    if exact:
        return None
    return on_one_thread * torch.get_num_threads() if torch.device(device).type == "cpu" else 64
