"""Training steps as CUDA graphs: the kernels of a step are recorded once and launched together.

What changes from step to step stands in tensors that are filled before a replay: which samples are drawn, and how far the training
is. Random numbers come from the seeds' own generators, registered with the graph, so that a replayed step is the eager one to the
bit.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

import torch

from ganbench.variant import Phase

log = logging.getLogger(__name__)
WARM_UP = 2  # eager steps on the graph's stream before it is recorded: libraries set themselves up in them
_one_at_a_time = threading.Lock()  # recording empties the allocator's cache, which other recordings of the process must not see

Run = Callable[[Sequence[Phase]], object]


class Replays:
    """The steps of one training: one graph for each set of phases that a step runs.

    `run(phases)` runs a step's phases eagerly, reads only tensors that stay where they are, and never waits for the device. A step
    that cannot be recorded is run eagerly from then on, with one line of log. `streams` holds every generator that steps draw from;
    those that a failed recording spoilt are replaced in it, as they were.
    """

    def __init__(self, name: str, run: Run, streams: Mapping[str, list[torch.Generator]], device: str) -> None:
        self.name, self.run, self.streams = name, run, streams
        self.stream = torch.cuda.Stream(device)
        self.seen: dict[tuple[str, ...], int] = {}
        self.graphs: dict[tuple[str, ...], torch.cuda.CUDAGraph] = {}
        self.refused: str | None = None  # why steps are not recorded, in one line

    def play(self, phases: Sequence[Phase]) -> None:
        """Run one step of these phases: by its graph, recorded at the third time, where it can be."""
        key = tuple(phase.name for phase in phases)
        if self.refused is None and key not in self.graphs:
            if self.seen.get(key, 0) < WARM_UP:
                self._warm_up(key, phases)
                return
            self._record(key, phases)
        if key in self.graphs:
            self.graphs[key].replay()
        else:
            self.run(phases)

    def _warm_up(self, key: tuple[str, ...], phases: Sequence[Phase]) -> None:
        current = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            self.run(phases)
        current.wait_stream(self.stream)
        self.seen[key] = self.seen.get(key, 0) + 1

    def _record(self, key: tuple[str, ...], phases: Sequence[Phase]) -> None:
        graph = torch.cuda.CUDAGraph()
        states = {purpose: [each.get_state() for each in streams] for purpose, streams in self.streams.items()}
        try:
            with _one_at_a_time:
                for streams in self.streams.values():
                    for each in streams:
                        graph.register_generator_state(each)
                with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                    self.run(phases)
        except RuntimeError as error:
            self.refused = (str(error).strip().splitlines() or ["no message"])[0]
            log.warning(
                "%s: its steps are not recorded as a CUDA graph (%s); they run one kernel at a time.", self.name, self.refused
            )
            torch.cuda.synchronize(self.stream.device)
            for purpose, streams in self.streams.items():
                streams[:] = [torch.Generator(self.stream.device).set_state(state) for state in states[purpose]]
            return
        self.graphs[key] = graph
