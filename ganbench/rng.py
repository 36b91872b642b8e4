"""Random streams. Every draw in ganbench comes from a stream named by a seed, a purpose and a position.

Streams of different names are independent, so that stacking seeds, resuming a run or drawing samples while it trains
changes no other draw.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_global_generator = threading.RLock()


def stream_seed(seed: int, purpose: str, *position: int) -> int:
    """A 63-bit seed for the stream `(seed, purpose, *position)`: the head of its sha256, equal on every machine."""
    name = ":".join([str(seed), purpose, *map(str, position)])
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def stream(seed: int, purpose: str, *position: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh torch generator on `device` for the stream `(seed, purpose, *position)`."""
    import torch

    return torch.Generator(device=device).manual_seed(stream_seed(seed, purpose, *position))


@contextmanager
def seeded_globally(seed: int) -> Iterator[None]:
    """Inside, torch's global CPU generator starts from `seed`, for code that draws from no other; afterwards it is as it was.

    One thread at a time: the generator is of the whole process.
    """
    import torch

    with _global_generator, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
