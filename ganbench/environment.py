"""What a run was made on: versions, processor, threads. It stands in every record and decides nothing."""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from ganbench.record import Plain


def environment(device: str) -> dict[str, Plain]:
    """Versions of what computes, the machine's kind, and the device: plain values, without a GPU's name where none is here."""
    import torch

    facts: dict[str, Plain] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": _numpy(),
        "system": platform.system(),
        "processor": _processor(),
        "cores": available_cores(),
        "threads": torch.get_num_threads(),
        "device": device,
    }
    if device.startswith("cuda") and torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name(device)
        facts["cuda"] = torch.version.cuda
    return facts


def device_in_words(facts: Mapping[str, Plain]) -> str:
    """What the environment's facts say that work was computed on: the GPU, else the processor with its threads, which decide its
    speed; "" where they do not say."""
    if facts.get("gpu"):
        return str(facts["gpu"])
    name = str(facts.get("processor") or facts.get("device") or "")
    threads = facts.get("threads")
    return f"{name}, {threads} thread{'' if threads == 1 else 's'}" if name and threads else name


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus(device: str) -> list[str]:
    """The GPUs that `cuda` may mean to this process, as CUDA_VISIBLE_DEVICES names them; none for another device, `cuda:1` too."""
    if device != "cuda":
        return []
    import torch

    count = torch.cuda.device_count()
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    return told.split(",")[:count] if told else [str(number) for number in range(count)]


@functools.cache
def _numpy() -> str:
    return version("numpy")


@functools.cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
