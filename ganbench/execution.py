"""How training steps are executed: what changes their speed, and with tf32, bf16 or a compiler also their rounding."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from ganbench.errors import UsageError

APART_FROM = 16  # pixels

# Held where a step is run but for its replay: the flags below are of the process, and other threads must not see them change.
one_thread = threading.RLock()


@dataclass(frozen=True)
class Execution:
    """Choices that leave a training's method alone.

    `graphs`: on a CUDA device whole steps are recorded and replayed: the kernels of eager steps, launched together. `compile`: a
    phase's gradients are compiled. `tf32`: on a CUDA device matrix products and convolutions round their inputs to 10 bits. `bf16`:
    on any device networks compute in bfloat16, to 8 bits; weights, losses, penalties and averages stay float32. The last three
    change numbers, so that they stand in a record's specification. Raises UsageError for tf32 and bf16 together.
    """

    graphs: bool = True
    compile: bool = False
    tf32: bool = False
    bf16: bool = False

    def __post_init__(self) -> None:
        """Raise UsageError for two precisions."""
        if self.tf32 and self.bf16:
            raise UsageError("--tf32 and --bf16 exclude each other; give one of them.")

    @classmethod
    def of(cls, specification: Mapping[str, Any]) -> Execution:
        """What a record's specification says of it."""
        precision = specification.get("precision")
        return cls(compile=specification.get("compile") is True, tf32=precision == "tf32", bf16=precision == "bf16")

    def specification(self) -> dict[str, bool | str]:
        """What a record's specification says of it: only what differs from full float32 without a compiler."""
        said: dict[str, bool | str] = {"compile": True} if self.compile else {}
        return said | ({"precision": "tf32"} if self.tf32 else {"precision": "bf16"} if self.bf16 else {})


def apart(shape: tuple[int, ...]) -> bool:
    """Whether the seeds of a stack are computed one by one, for data of this shape; else vmap computes them together.

    One by one is in turn on a CPU, and side by side on a GPU (`ganbench.lanes`). Chosen by measurement, since convolutions in
    groups are slow ones. On one core (`benchmarks/test_stacks.py`) four seeds of DCGAN take 2.6 times as long as one for images of
    8 pixels, and for 16, 28 and 32 pixels 4.4, 5.1 and 4.9 times together, but 4.0 to 4.2 in turn. On an H200
    (`benchmarks/test_steps_on_a_gpu.py`) eight seeds for 28 pixels take 8.0 times as long as one together, and 4.6 side by side.
    """
    return not is_small(shape)


def channels_last(device: str, shape: tuple[int, ...]) -> bool:
    """Whether weights of DCGAN's convolutions, and so the maps between them, lie in memory with their channels innermost.

    Measured on one idle core with AVX2: a step of DCGAN for 32 pixels is then 1.07 to 1.11 times as fast; on an H200 it takes 1.09
    to 1.20 times as long in full float32, as long in tf32, and 0.93 to 0.94 times as long in bfloat16, but eight seeds side by side
    for 28 pixels take 1.08 to 1.21 times as long in all three (docs/performance.md).
    """
    return not device.startswith("cuda") and not is_small(shape)


def is_small(shape: tuple[int, ...]) -> bool:
    """Whether networks for data of this shape are too small for two threads: points, and images below 16 pixels.

    Threads wait for each other after each of a step's thousand kernels; on a busy machine that took a hundred times as long.
    """
    return len(shape) < 3 or min(shape[1:]) < APART_FROM


@contextmanager
def arithmetic(tf32: bool) -> Iterator[None]:
    """Inside, matrix products and convolutions on CUDA devices are in tf32, or in full float32. One thread at a time."""
    with one_thread:
        before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before[0])
            torch.backends.cudnn.allow_tf32 = before[1]
