"""What a row costs: means over the seeds that ended well, and the device that they were measured on."""

from __future__ import annotations

from dataclasses import dataclass

from ganbench.environment import device_in_words
from ganbench.interval import mean
from ganbench.leaderboard.summary import Row

SEVERAL = "several"
MEANING = (
    "Latency: the median seconds of one sample in a batch of one. Samples/s: the same in batches of 256. FLOPs: of the generator's "
    "forward pass of one sample, matrix products, convolutions and attention alone, a multiply-add as 2. Peak memory: the most "
    "that torch held on a CUDA device while all stacked seeds trained. Pareto: no row of the table on the same device has a score "
    "as good in less training time, or a better one in as much; rows that lost a seed take no part."
)


@dataclass(frozen=True)
class Cost:
    """Means over the seeds that ended well, None where no record says. `flops_per_sample` counts a multiply-add as 2.

    `device` is what all seeds were run on, "several" where they differ, "" where no record says.
    """

    sample_latency_seconds: float | None
    samples_per_second: float | None
    flops_per_sample: float | None
    peak_memory_bytes: float | None
    device: str


def cost(row: Row) -> Cost:
    """What a row's seeds cost."""
    timings = [record.timing for record in row.records if record.status == "ok"]
    return Cost(
        sample_latency_seconds=mean(timing.sample_latency_seconds for timing in timings),
        samples_per_second=mean(timing.samples_per_second for timing in timings),
        flops_per_sample=mean(timing.flops_per_sample for timing in timings),
        peak_memory_bytes=mean(timing.peak_memory_bytes for timing in timings),
        device=device(row),
    )


def device(row: Row) -> str:
    """What the row's seeds were run on: the GPU's name, else the processor's; "several" where they differ, "" where unknown."""
    found = {device_in_words(record.environment) for record in row.records}
    return found.pop() if len(found) == 1 else SEVERAL
