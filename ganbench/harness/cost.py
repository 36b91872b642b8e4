"""What a generator costs: seconds and operations a sample, and the memory that its training took.

Seconds are wall seconds on the threads of this process, beside whatever else the machine runs: compare them on one device.
"""

from __future__ import annotations

import logging
import statistics
import threading
from dataclasses import dataclass
from types import TracebackType

import torch
from torch import Tensor, nn

from ganbench.clock import Stopwatch
from ganbench.generator import condition, draw_latents
from ganbench.record import SAMPLING_BATCH
from ganbench.rng import seeded_globally, stream
from ganbench.variant import Recipe

log = logging.getLogger(__name__)
SECONDS = 0.05  # a run spends on each of the two speeds, more only where fewer passes take longer: 0.15 made 3 % of a short suite
MOST, FEWEST = 500, 3  # passes that are timed
SLOW = 1.0  # seconds of a pass beside which what the first one pays once is nothing


class PeakMemory:
    """The most bytes that torch held allocated on a CUDA device over one or several `with` blocks.

    It counts what lay on the device already, such as an extractor's weights. None on a CPU, before any block, and on a thread
    beside the main one: jobs that train at once in one process would count each other's.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.known = device.startswith("cuda") and threading.current_thread() is threading.main_thread()
        self.bytes: int | None = None

    def __enter__(self) -> PeakMemory:
        if self.known:
            torch.cuda.reset_peak_memory_stats(self.device)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.known:
            self.bytes = max(self.bytes or 0, torch.cuda.max_memory_allocated(self.device))


@dataclass(frozen=True)
class Sampling:
    """What sampling costs: the seconds of each timed pass of one sample and of a batch, and the operations of one sample.

    `flops` is None where nothing that is counted was done: an unknown number, not none.
    """

    one: list[float]
    batch: list[float]
    flops: int | None


def sampling_cost(network: nn.Module, recipe: Recipe, given: Tensor | None, seed: int) -> dict[str, float | int | None]:
    """The fields of `Timing` that say what sampling costs, by name; none where `time_sampling` has none."""
    found = time_sampling(network, recipe, given, seed, SECONDS)
    if found is None:
        return {}
    return {
        "sample_latency_seconds": statistics.median(found.one),
        "samples_per_second": SAMPLING_BATCH / statistics.median(found.batch),
        "flops_per_sample": found.flops,
    }


def time_sampling(network: nn.Module, recipe: Recipe, given: Tensor | None, seed: int, seconds: float) -> Sampling | None:
    """What sampling costs; None, with a line of log, where the generator cannot be run for it.

    Passes of about `seconds` are timed for each of the two speeds, of one sample and of a batch.
    `given` are labels or images for a batch, from which a conditional generator makes samples. The latents come from a stream of
    their own, so that nothing else is drawn otherwise than before. The network is left in evaluation mode.
    """
    place = next(network.parameters())
    latents = draw_latents(SAMPLING_BATCH, recipe, stream(seed, "cost")).to(place.device, place.dtype)
    many = (latents,) if given is None else (latents, condition(given.to(place.device), place.dtype))
    one = tuple(tensor[:1] for tensor in many)
    device = str(place.device)
    forked = [place.device] if place.device.type == "cuda" else []
    network.eval()
    try:
        with torch.no_grad(), seeded_globally(seed), torch.random.fork_rng(devices=forked):
            alone, batch = (_seconds(network, inputs, device, seconds) for inputs in (one, many))
            return Sampling(alone, batch, _flops(network, one) or None)
    except Exception as error:  # a generator of anybody's: what it costs is not worth a trained run
        log.warning("What sampling costs is not known: the generator cannot be run for it (%s: %s).", type(error).__name__, error)
        return None


def _seconds(network: nn.Module, inputs: tuple[Tensor, ...], device: str, most: float) -> list[float]:
    """The seconds of each timed pass, after one that burns in; of a pass that takes longer than `SLOW`, there is only that one."""
    burn_in = _timed(network, inputs, device)
    if burn_in > SLOW:
        return [burn_in]
    passes: list[float] = []
    while len(passes) < FEWEST or (len(passes) < MOST and sum(passes) < most):
        passes.append(_timed(network, inputs, device))
    return passes


def _timed(network: nn.Module, inputs: tuple[Tensor, ...], device: str) -> float:
    with Stopwatch(device) as watch:
        network(*inputs)
    return watch.seconds


class _Untracked:
    """Stands for the counter's tracker of modules, whose hooks are the whole process's: other threads may be training there."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def _flops(network: nn.Module, one: tuple[Tensor, ...]) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _Untracked()  # type: ignore[assignment]
    with counter:
        network(*one)
    return int(counter.get_total_flops())
