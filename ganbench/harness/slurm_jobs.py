"""The Slurm executor: jobs go to the queue as arrays through submitit, which also requeues what the scheduler stops.

submitit's own local cluster, which runs the same jobs as processes of this machine, is for trying a run before it is queued.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ganbench.errors import UsageError, described
from ganbench.harness.cluster import BATCH, LostError, Rules, follow
from ganbench.harness.executor import Failure, attempt
from ganbench.harness.plan import Job, Setting

GRACE = 15.0


@dataclass(frozen=True)
class SlurmJobs:
    """Jobs of `threads` CPUs and `gpus` GPUs on a partition, each with a limit of minutes. `cluster`: slurm, or local to try."""

    threads: int
    gpus: int = 0
    minutes: int = 240
    partition: str | None = None
    cluster: str = "slurm"
    at_once: int | None = None
    retries: int = 2
    place: str = "on Slurm"

    def run(self, jobs: list[Job], setting: Setting, tick: Callable[[], None], on_failure: Callable[[Failure], None]) -> None:
        """See `Executor.run`. Raises UsageError where submitit or Slurm is not there, or Slurm refuses the jobs."""
        executor = self._executor(setting)

        def submit(batch: list[Job]) -> list[_Queued]:
            try:
                queued = executor.submit_array([_Attempt(job, setting, self.threads) for job in batch])
            except RuntimeError as error:  # submitit's FailedSubmissionError is one
                raise UsageError(
                    f"Slurm takes no jobs ({described(error)}); change --partition, --minutes or what a job asks."
                ) from None
            return [_Queued(each, 0.0 if self.cluster == "local" else GRACE) for each in queued]

        follow(jobs, setting, submit, Rules(self.at_once, self.retries), tick, on_failure)

    def _executor(self, setting: Setting) -> Any:
        try:
            import submitit
        except ImportError:
            raise UsageError("--executor slurm needs submitit, which is not installed; pip install 'ganbench[slurm]'.") from None
        logging.getLogger("submitit").setLevel(logging.ERROR)
        if self.cluster == "slurm" and shutil.which("sbatch") is None:
            raise UsageError(
                "--executor slurm needs Slurm, and there is no sbatch here; run it on a login node, or --cluster local."
            )
        executor = submitit.AutoExecutor(setting.out / "submitit", self.cluster, slurm_max_num_timeout=self.retries)
        executor.update_parameters(
            name=f"ganbench-{setting.out.name}",
            timeout_min=self.minutes,
            cpus_per_task=self.threads,
            gpus_per_node=self.gpus,
            slurm_partition=self.partition,
            slurm_array_parallelism=BATCH,
            slurm_setup=[f"export OMP_NUM_THREADS={self.threads}"],
        )
        return executor


@dataclass(frozen=True)
class _Attempt:
    """A job's call as submitit stores it."""

    job: Job
    setting: Setting
    threads: int

    def __call__(self) -> Failure | None:
        return attempt(self.job, self.setting, self.threads)

    def checkpoint(self) -> Any:
        """What submitit queues again when the scheduler stops the job: the same call, which goes on from the training state."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@dataclass(eq=False)
class _Queued:
    queued: Any
    grace: float  # seconds in which a shared disk may yet show the result of a job that has ended
    ended: float | None = None

    def done(self) -> bool:
        if not self.queued.done():
            return False
        self.ended = self.ended or time.monotonic()
        return self._answered() or time.monotonic() - self.ended >= self.grace

    def outcome(self) -> Failure | None:
        where = f"its output is in {self.queued.paths.stderr}"
        if not self._answered():
            raise LostError(f"job {self.queued.job_id} is {self.queued.state}, {where}")
        try:
            failure: Failure | None = self.queued.result()
        except RuntimeError:  # `attempt` raises nothing: submitit says that the job was stopped, or did not start
            raise LostError(f"job {self.queued.job_id} was stopped or did not start, {where}") from None
        return failure

    def cancel(self) -> None:
        self.queued.cancel(check=False)

    def _answered(self) -> bool:
        return bool(self.queued.paths.result_pickle.exists())
