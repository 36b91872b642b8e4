"""A GPU's streams: who works on which, and where the seeds of a stack run that are computed one by one.

torch keeps 32 streams of a device and gives them out in turn, so that a 33rd would be somebody's again; and what another thread
puts on a stream that is being recorded would become part of the graph. So streams are lent here, each to one holder.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from ganbench.errors import UsageError

Found = TypeVar("Found")

SIDE_BY_SIDE = 16  # streams that seeds share: more do not fill a GPU better
LENT = 16  # streams of one holder each; so many together are all that torch keeps
JOBS_AT_ONCE = LENT // 2 - 1  # that each work on one and record on another; the main thread may record too

_lending = threading.Lock()
_streams: dict[str, _Streams] = {}  # by device
_mine = threading.local()  # `recorders`: this thread's, by device


class _Streams:
    def __init__(self, device: str) -> None:
        distinct = {stream.cuda_stream: stream for stream in (torch.cuda.Stream(device) for _ in range(SIDE_BY_SIDE + LENT))}
        self.shared = list(distinct.values())[:SIDE_BY_SIDE]
        self.free = list(distinct.values())[SIDE_BY_SIDE:]

    @classmethod
    def of(cls, device: str) -> _Streams:
        device = _numbered(device)
        with _lending:
            if device not in _streams:
                _streams[device] = cls(device)
            return _streams[device]


class Lanes:
    """Runs the same work for every seed: on a CPU one after another, on a CUDA device each on a stream of its own.

    A recorded step (`ganbench.replay`) keeps the streams as branches of its graph. Seeds beyond the 16th follow others. Trainings
    share the streams, since only one thread at a time runs a step that is not a recorded one.
    """

    def __init__(self, device: str, seeds: int) -> None:
        self.streams = _Streams.of(device).shared[:seeds] if device.startswith("cuda") and seeds > 1 else []

    def run(self, work: Callable[[int], Found], seeds: int) -> list[Found]:
        """What `work` gives for each seed; what it read may be changed or freed, and what it gives read, as after any call."""
        if not self.streams:
            return [work(index) for index in range(seeds)]
        current = torch.cuda.current_stream(self.streams[0].device)
        for stream in self.streams:
            stream.wait_stream(current)
        found = []
        try:
            for index in range(seeds):
                with torch.cuda.stream(self.streams[index % len(self.streams)]):
                    found.append(work(index))
        except BaseException:
            with suppress(RuntimeError):  # of a recording that has failed
                self._join(current)
            raise
        self._join(current)
        # Memory that is freed goes back to the stream that it was taken on, for whichever thread works there next: not before
        # `current` has read it. A recording's memory is its own.
        if not torch.cuda.is_current_stream_capturing():
            for tensor in tree_leaves(found):
                if isinstance(tensor, Tensor) and tensor.is_cuda:
                    tensor.record_stream(current)
        return found

    def _join(self, current: torch.cuda.Stream) -> None:
        for stream in self.streams:
            current.wait_stream(stream)


@contextmanager
def working(device: str) -> Iterator[None]:
    """Inside, this thread works on a stream of the device that nobody else has, and records on another one.

    Raises UsageError where no two are left.
    """
    with _lent(device) as stream, _lent(device) as second, torch.cuda.stream(stream):
        _recorders()[device] = second
        try:
            yield
        finally:
            del _recorders()[device]


def recorder(device: str) -> torch.cuda.Stream:
    """The stream on which this thread records steps: `working`'s, elsewhere one that the thread keeps."""
    if device not in _recorders():
        _recorders()[device] = _lend(device)
    return _recorders()[device]


def _recorders() -> dict[str, torch.cuda.Stream]:
    if not hasattr(_mine, "recorders"):
        _mine.recorders = {}
    found: dict[str, torch.cuda.Stream] = _mine.recorders
    return found


@contextmanager
def _lent(device: str) -> Iterator[torch.cuda.Stream]:
    stream = _lend(device)
    try:
        yield stream
    finally:
        _Streams.of(device).free.append(stream)


def _lend(device: str) -> torch.cuda.Stream:
    free = _Streams.of(device).free
    with _lending:
        if not free:
            raise UsageError(f"{device} has no stream left for another job at once; give at most {JOBS_AT_ONCE} --workers.")
        return free.pop()


def _numbered(device: str) -> str:
    return device if ":" in device else f"{device}:{torch.cuda.current_device()}"
