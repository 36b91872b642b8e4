"""`--device`: what it means on this machine, for processes that share a run, and on a cluster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ganbench.errors import UsageError
from ganbench.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from ganbench.cli.executors import Asked


def device_name(name: str, ranks: Ranks = ALONE) -> str:
    """The device that `--device` means on this machine; where several processes share a run, each has a GPU of its own.

    Raises UsageError for one that is not known or not there.
    """
    import torch

    if ranks.several and (name == "cuda" or (name == "auto" and torch.cuda.is_available())):
        if ranks.local >= torch.cuda.device_count():
            raise UsageError(
                f"{ranks.local_count} processes on this machine share the run, and it has {torch.cuda.device_count()} GPUs; start "
                "no more of them than that, or give --device cpu."
            )
        torch.cuda.set_device(ranks.local)
        return f"cuda:{ranks.local}"
    if ranks.several and name.startswith("cuda:"):
        raise UsageError(f"--device {name} is one GPU, and {ranks.count} processes share this run; give --device cuda.")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:(0|[1-9][0-9]*))?", name):
        raise UsageError(f"--device {name} is not known; give cpu, cuda, cuda:N or auto.")
    if name != "cpu" and not torch.cuda.is_available():
        raise UsageError(f"--device {name} needs a CUDA device and this machine has none; give --device cpu.")
    number, count = int(name.partition(":")[2] or 0), torch.cuda.device_count()
    if name != "cpu" and number >= count:
        raise UsageError(
            f"--device {name} is not there: GPUs are counted from 0, and this machine has {count}; give --device cuda."
        )
    return name


def device_for(asked: Asked, name: str, ranks: Ranks) -> str:
    """The device that jobs run on. A cluster's may have a GPU where this machine has none; auto is then what `--gpus-per-job` says.

    Raises UsageError for a device that is not known, that is not there, or that does not go with `--gpus-per-job`.
    """
    if asked.executor == "local" or (name == "auto" and asked.gpus is None):
        return device_name(name, ranks)
    if name == "auto":
        return "cuda" if asked.gpus else "cpu"
    if name not in ("cpu", "cuda"):
        raise UsageError(f"--device {name} is not for a cluster, which chooses the GPU; give cpu, cuda or auto.")
    if asked.gpus is not None and (asked.gpus > 0) != (name == "cuda"):
        raise UsageError(f"--device {name} does not go with --gpus-per-job {asked.gpus:g}; leave one of them out.")
    return name
