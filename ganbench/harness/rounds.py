"""Rounds: the same work timed again and again, after a burn-in that is not counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

import ganbench
from ganbench.clock import Stopwatch

ROUNDS = 20  # where the user does not say how many
ENOUGH = 1.0  # seconds of rounds after which he gets no more of them than the fewest
FEWEST = 3

T = TypeVar("T")


def time_rounds(setup: Callable[[], T], work: Callable[[T], object], device: str, count: int | None = None) -> list[float]:
    """The wall seconds of each round of `work(setup())`; setting up is not counted.

    A first round burns in. `count` rounds follow, or where it is None at most `ROUNDS`, and from the `FEWEST` on none that begins
    after `ENOUGH` seconds of them.
    """
    _timed(setup, work, device)
    rounds: list[float] = []
    while len(rounds) < (ROUNDS if count is None else count):
        if count is None and len(rounds) >= FEWEST and sum(rounds) > ENOUGH:
            break
        rounds.append(_timed(setup, work, device))
    return rounds


def _timed(setup: Callable[[], T], work: Callable[[T], object], device: str) -> float:
    ready = setup()
    with Stopwatch(device) as watch:
        work(ready)
    return watch.seconds


def surroundings() -> dict[str, str | int]:
    """What decides speed beside the machine and what is asked for: versions and threads. It is part of every specification."""
    return {"ganbench": ganbench.__version__, "torch": torch.__version__, "threads": torch.get_num_threads()}
