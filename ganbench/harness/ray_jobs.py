"""The Ray executor: each job is a Ray task with the CPUs and GPUs that it needs, on a cluster elsewhere or one of this machine."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganbench.errors import UsageError, described
from ganbench.harness.cluster import LostError, Rules, follow
from ganbench.harness.executor import Failure, attempt
from ganbench.harness.plan import Job, Setting

if TYPE_CHECKING:
    import ray


@dataclass(frozen=True)
class RayJobs:
    """Jobs as Ray tasks of `threads` CPUs and `gpus` GPUs, a fraction of one among them. No address: a cluster of this machine."""

    threads: int
    gpus: float = 0.0
    address: str | None = None
    at_once: int | None = None
    retries: int = 2
    place: str = "on Ray"

    def run(self, jobs: list[Job], setting: Setting, tick: Callable[[], None], on_failure: Callable[[Failure], None]) -> None:
        """See `Executor.run`. Raises UsageError where Ray is not installed, not reached, or has not what a job needs."""
        ray = _connected(self.address or os.environ.get("RAY_ADDRESS") or "local")
        try:
            self._check(ray)
            # Ray's own retries would not count those of tasks that ran out of memory, which Ray repeats for ever.
            remote = ray.remote(num_cpus=self.threads, num_gpus=self.gpus, max_retries=0)(attempt)

            def submit(batch: list[Job]) -> list[_Task]:
                references = [remote.remote(job, setting, self.threads) for job in batch]
                return [_Task(reference, reference.future(), ray.cancel) for reference in references]

            follow(jobs, setting, submit, Rules(self.at_once, self.retries), tick, on_failure)
        finally:
            ray.shutdown()

    def _check(self, ray: Any) -> None:
        """A cluster elsewhere may grow; this machine does not, and a task that never fits would wait for ever."""
        if self.address or os.environ.get("RAY_ADDRESS"):
            return
        there = ray.cluster_resources()
        for kind, option, asked in (("CPU", "--cpus-per-job", self.threads), ("GPU", "--gpus-per-job", self.gpus)):
            if asked > there.get(kind, 0):
                raise UsageError(
                    f"{option} {asked:g} is more than this machine has ({there.get(kind, 0):g}); ask for less, or give --address."
                )


@dataclass(frozen=True, eq=False)
class _Task:
    reference: ray.ObjectRef[Any]
    future: Future[Failure | None]
    stop: Callable[..., None]

    def done(self) -> bool:
        return self.future.done()

    def outcome(self) -> Failure | None:
        try:
            return self.future.result()
        except Exception as error:  # `attempt` raises nothing: whatever comes is Ray's word on a worker
            raise LostError(described(error)) from None

    def cancel(self) -> None:
        self.stop(self.reference, force=True)


def _connected(address: str) -> Any:
    try:
        import ray
    except ImportError:
        raise UsageError("--executor ray needs ray, which is not installed; pip install 'ganbench[ray]'.") from None
    _probe(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster started here reports to nobody
    try:
        ray.init(address, include_dashboard=False if address == "local" else None, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _unreached(address, error) from None
    return ray


def _probe(address: str) -> None:
    """Ray itself goes on trying an address where nothing answers, for many minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        return  # local, auto, ray://...
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise _unreached(address, error) from None


def _unreached(address: str, error: Exception) -> UsageError:
    return UsageError(
        f"Ray cannot be reached at {address} ({described(error)}); start it with ray start, or give another --address."
    )
