"""Rounds: the same work timed again and again, after a burn-in that is not counted.

Timings are generators that stop after each round, so that several can take turns: what slows a machine for some seconds then slows
all of them alike, and their ratios keep what they mean.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import TypeVar

import torch

import ganbench
from ganbench.clock import Stopwatch

ROUNDS = 20  # where the user does not say how many
ENOUGH = 1.0  # seconds of rounds after which he gets no more of them than the fewest
FEWEST = 3

K = TypeVar("K")
T = TypeVar("T")
Timing = Generator[None, None, T]  # stops after each round, and returns what came of them


def time_rounds(setup: Callable[[], T], work: Callable[[T], object], device: str, count: int | None = None) -> Timing[list[float]]:
    """The wall seconds of each round of `work(setup())`; setting up is not counted. It stops after each.

    A first round burns in. `count` rounds follow, or where it is None at most `ROUNDS`, and from the `FEWEST` on none that begins
    after `ENOUGH` seconds of them.
    """
    _timed(setup, work, device)
    rounds: list[float] = []
    while len(rounds) < (ROUNDS if count is None else count):
        if count is None and len(rounds) >= FEWEST and sum(rounds) > ENOUGH:
            break
        rounds.append(_timed(setup, work, device))
        yield
    return rounds


def in_turns(timings: Mapping[K, Timing[T]]) -> Iterator[tuple[K, T | Exception]]:
    """What each of the timings returns, or raises, as soon as it is known; until then they take turns, round by round."""
    left = dict(timings)
    while left:
        for key, timing in list(left.items()):
            try:
                next(timing)
            except StopIteration as done:
                del left[key]
                yield key, done.value
            except Exception as error:  # a variant or a metric of anybody's
                del left[key]
                yield key, error


def alone(timing: Timing[T]) -> T:
    """What one timing returns. Raises what it raises."""
    while True:
        try:
            next(timing)
        except StopIteration as done:
            found: T = done.value
            return found


def _timed(setup: Callable[[], T], work: Callable[[T], object], device: str) -> float:
    ready = setup()
    with Stopwatch(device) as watch:
        work(ready)
    return watch.seconds


def surroundings() -> dict[str, str | int]:
    """What decides speed beside the machine and what is asked for: versions and threads. It is part of every specification."""
    return {"ganbench": ganbench.__version__, "torch": torch.__version__, "threads": torch.get_num_threads()}
