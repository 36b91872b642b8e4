"""Time records of what was never timed: round numbers, on made-up devices."""

from __future__ import annotations

from typing import Any

from made_records import made_hash, made_record

from ganbench.record import Sampled
from ganbench.times import MetricTimes, Spread, VariantTimes

CPU = {"processor": "made-up cpu", "threads": 2, "torch": "2.11.0"}
GPU = {**CPU, "gpu": "made-up gpu"}


def spread(median: float, rounds: int = 20) -> Spread:
    """A tenth of the median from there to each quartile, and to the fastest round from the first."""
    low, high = 0.9 * median, 1.1 * median
    return Spread(fastest=0.8 * median, first_quartile=low, median=median, third_quartile=high, rounds=rounds)


def shared(dataset: str, specification: dict[str, Any], environment: dict[str, Any]) -> dict[str, Any]:
    return {
        "ganbench_version": "0.1.0",
        "command": "ganbench time",
        "dataset": made_record(dataset=dataset).dataset,
        "specification": specification,
        "environment": environment,
        "finished_at": "2026-01-31T12:00:00Z",
    }


def variant_times(
    name: str = "wgan-gp",
    seeds: int = 1,
    seconds: float = 0.01,
    dataset: str = "mnist",
    *,
    environment: dict[str, Any] = CPU,
    how: dict[str, Any] | None = None,
    **changes: Any,
) -> VariantTimes:
    """A variant whose step of all seeds takes so many seconds, and a sample a millisecond."""
    specification = {"suite": "made-up", "recipe": {"lr": 0.001}, "seeds": seeds, **(how or {})}
    fields = {
        "variant": made_record(name).variant,
        "seeds": seeds,
        "executed": "eager",
        "parameters": {"generator": 1000},
        "steps_per_round": 5,
        "images_per_step": 64,
        "step": spread(seconds),
        "images_per_second": 64 * seeds / seconds,
        "latency": spread(0.001, 100),
        "batch": spread(0.004, 30),
        "samples_per_second": 256 / 0.004,
        "flops_per_sample": 2_000_000,
    }
    return VariantTimes(**(shared(dataset, specification, environment) | fields | changes))


def metric_times(
    label: str = "fd-made-up-net", dataset: str = "mnist", *, environment: dict[str, Any] = CPU, **changes: Any
) -> MetricTimes:
    """A metric of half a second on a thousand samples, whose extraction takes two."""
    fields = {
        "label": label,
        "metric": {"name": "fd", "version": 1},
        "extractor": {"name": "made-up-net", "version": 1},
        "samples": Sampled(source=f"{dataset}:test", count=1000, hash=made_hash(dataset, "samples")),
        "reference": Sampled(source=f"{dataset}:train", count=60000, hash=made_hash(dataset, "train")),
        "extraction": spread(2.0),
        "images_per_second": 500.0,
        "compute": spread(0.5),
    }
    return MetricTimes(**(shared(dataset, {"metric": label}, environment) | fields | changes))
