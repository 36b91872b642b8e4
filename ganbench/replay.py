"""Training steps as CUDA graphs: the kernels of a step are recorded once and launched together.

What changes from step to step stands in tensors that are filled before a replay: which samples are drawn, and how far the training
is. Random numbers come from the seeds' own generators, registered with the graph, so that a replayed step runs the kernels of the
eager one on the same numbers.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from ganbench.execution import one_thread
from ganbench.lanes import recorder
from ganbench.variant import Phase

log = logging.getLogger(__name__)
WARM_UP = 2  # eager steps on the graph's stream before it is recorded: libraries set themselves up in them

Run = Callable[[Sequence[Phase]], object]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's collector: what it would free may hold a graph, whose end would spoil a recording."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class Replays:
    """The steps of one training: one graph for each set of phases that a step runs.

    Where a step cannot be recorded, all are run eagerly from then on, with one line of log. `streams` holds every generator that
    steps draw from; those that a failed recording spoilt are replaced in it, as they were.
    """

    def __init__(self, name: str, streams: Mapping[str, list[torch.Generator]], device: str) -> None:
        self.name, self.streams = name, streams
        self.stream = recorder(device)
        self.seen: dict[tuple[str, ...], int] = {}
        self.graphs: dict[tuple[str, ...], torch.cuda.CUDAGraph] = {}
        self.refused: str | None = None  # why steps are not recorded, in one line

    def play(self, phases: Sequence[Phase], run: Run) -> None:
        """Run one step of these phases: by its graph, recorded at the third time, where it can be.

        `run(phases)` runs them eagerly, reads only tensors that stay where they are, and never waits for the device. It is not
        kept: a training that is held by what it holds would keep its device's memory when its job is over.
        """
        key = tuple(phase.name for phase in phases)
        if self.refused is None and key not in self.graphs:
            if self.seen.get(key, 0) < WARM_UP:
                self._warm_up(key, phases, run)
                return
            self._record(key, phases, run)
        if key in self.graphs:
            self.graphs[key].replay()
        else:
            run(phases)

    def _warm_up(self, key: tuple[str, ...], phases: Sequence[Phase], run: Run) -> None:
        current = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            run(phases)
        current.wait_stream(self.stream)
        self.seen[key] = self.seen.get(key, 0) + 1

    def _record(self, key: tuple[str, ...], phases: Sequence[Phase], run: Run) -> None:
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self.stream.device)
        states = {purpose: [each.get_state() for each in streams] for purpose, streams in self.streams.items()}
        # Recording waits for the device and empties the allocator's cache, which other recordings of the process must not see; and
        # streams that seeds run on are in the recording until its end, where another thread's step would use them too.
        with one_thread:
            try:
                self._capture(graph, phases, run)
            except RuntimeError as error:
                torch.cuda.set_stream(current)  # a recording that failed leaves its own
                self._refuse((str(error).strip().splitlines() or ["no message"])[0], states)
                return
        # Recording filled the generators' places on its own stream, where a late fill would undo that of the first replay.
        current.wait_stream(self.stream)
        self.graphs[key] = graph

    def _capture(self, graph: torch.cuda.CUDAGraph, phases: Sequence[Phase], run: Run) -> None:
        with _uncollected():
            for streams in self.streams.values():
                for each in streams:
                    graph.register_generator_state(each)
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                run(phases)

    def _refuse(self, why: str, states: Mapping[str, list[torch.Tensor]]) -> None:
        self.refused = why
        log.warning("%s: its steps are not recorded as a CUDA graph (%s); they run one kernel at a time.", self.name, why)
        torch.cuda.synchronize(self.stream.device)
        for purpose, streams in self.streams.items():
            streams[:] = [torch.Generator(self.stream.device).set_state(state) for state in states[purpose]]
        self.graphs.clear()  # of other steps: they would draw from the generators that were replaced
