"""Where jobs run: the options of `ganbench run` that choose an executor, and what they come to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ganbench.errors import UsageError
from ganbench.ranks import ALONE, Ranks, from_environment, joined

if TYPE_CHECKING:
    from ganbench.harness.executor import Executor

Name = Literal["local", "ray", "slurm"]
Cluster = Literal["slurm", "local"]
PANEL = "Clusters (docs/clusters.md)"
NameOption = Annotated[
    Name, typer.Option("--executor", help="Where jobs run: on this machine, Ray or Slurm.", rich_help_panel=PANEL)
]
Address = Annotated[
    str | None,
    typer.Option(
        help="ray: of a cluster. Default: RAY_ADDRESS, else one on this machine.", show_default=False, rich_help_panel=PANEL
    ),
]
Partition = Annotated[str | None, typer.Option(help="slurm: where jobs are queued.", rich_help_panel=PANEL)]
Minutes = Annotated[
    int | None, typer.Option(min=1, help="slurm: a job's limit. Default: 240.", show_default=False, rich_help_panel=PANEL)
]
ClusterOption = Annotated[
    Cluster | None,
    typer.Option("--cluster", help="slurm: local tries it on this machine.", show_default=False, rich_help_panel=PANEL),
]
Cpus = Annotated[int | None, typer.Option("--cpus-per-job", min=1, help="Default: 1.", show_default=False, rich_help_panel=PANEL)]
Gpus = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-job", min=0, help="ray takes fractions. Default: 1 with CUDA.", show_default=False, rich_help_panel=PANEL
    ),
]
Retries = Annotated[
    int | None,
    typer.Option(min=0, help="Tries more for a job whose worker is lost. Default: 2.", show_default=False, rich_help_panel=PANEL),
]
OWNERS = {  # of the options that not every executor has
    "address": ("ray",),
    "partition": ("slurm",),
    "minutes": ("slurm",),
    "cluster": ("slurm",),
    "cpus": ("ray", "slurm"),
    "gpus": ("ray", "slurm"),
    "retries": ("ray", "slurm"),
}
FLAGS = {"cpus": "--cpus-per-job", "gpus": "--gpus-per-job"}


@dataclass(frozen=True)
class Asked:
    """What the command line says of the executor. What is None was not said."""

    executor: Name = "local"
    workers: int | None = None
    address: str | None = None
    partition: str | None = None
    minutes: int | None = None
    cluster: Cluster | None = None
    cpus: int | None = None
    gpus: float | None = None
    retries: int | None = None

    def __post_init__(self) -> None:
        for name, owners in OWNERS.items():
            if getattr(self, name) is not None and self.executor not in owners:
                flag = FLAGS.get(name, f"--{name}")
                raise UsageError(
                    f"{flag} {getattr(self, name)} is of --executor {' or '.join(owners)}, not {self.executor}; leave it out."
                )
        if self.executor == "slurm" and self.gpus is not None and self.gpus % 1:
            raise UsageError(f"--gpus-per-job {self.gpus:g}: Slurm gives whole GPUs; give a whole number, or --executor ray.")


@contextlib.contextmanager
def processes(asked: Asked) -> Iterator[Ranks]:
    """Inside, the processes that torchrun started are connected. Raises UsageError for options that are not for them."""
    if from_environment().several:
        said = f"{from_environment().count} processes share this run, as torchrun started them"
        if asked.executor != "local":
            raise UsageError(f"{said}, and --executor {asked.executor} starts its own; use one or the other.")
        if asked.workers is not None:
            raise UsageError(f"{said}, and train one job at a time; leave --workers {asked.workers} out.")
    with joined() as ranks:
        yield ranks


def choose_executor(asked: Asked, jobs: int, device: str, ranks: Ranks = ALONE, *, small: bool = False) -> Executor:
    """The executor that was asked for, for so many jobs on a device; `small`: on data for which one thread is best.

    Raises UsageError for workers that cannot be.
    """
    from ganbench.environment import available_cores
    from ganbench.harness.leader import Leader
    from ganbench.harness.ray_jobs import RayJobs
    from ganbench.harness.slurm_jobs import SlurmJobs
    from ganbench.harness.workers import choose_crew

    if ranks.several:
        return Leader(ranks)
    if asked.executor == "local":
        return choose_crew(jobs, device, asked.workers, small=small)
    if asked.workers is not None and asked.workers < 1:
        raise UsageError(f"--workers {asked.workers} leaves no job to a cluster; give 1 or more, or leave it out.")
    threads, retries = asked.cpus or 1, 2 if asked.retries is None else asked.retries
    gpus = asked.gpus if asked.gpus is not None else 1.0 if device == "cuda" else 0.0
    if asked.executor == "ray":
        return RayJobs(threads, gpus, asked.address, asked.workers, retries)
    at_once = asked.workers
    if asked.cluster == "local" and at_once is None:
        at_once = max(1, available_cores() // threads)  # submitit's local cluster has no queue: it starts what it gets
    return SlurmJobs(threads, int(gpus), asked.minutes or 240, asked.partition, asked.cluster or "slurm", at_once, retries)
