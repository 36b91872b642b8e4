"""A training, in one process or in several that take every step together: the leader says up to which one, the others train along.

What stands here is what all of them do; all else, scores, checkpoints and records among it, the leader does alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ganbench.checkpoint import load_state
from ganbench.dataset import LoadedDataset
from ganbench.errors import RunFailedError
from ganbench.files import digest
from ganbench.harness.plan import Job, Setting
from ganbench.harness.reference import cached_dataset
from ganbench.ranks import LostError, tell, together, told
from ganbench.registry import find
from ganbench.train import Training
from ganbench.variant import Recipe

WATCHED = 100  # points of a learning curve


@contextlib.contextmanager
def led(job: Job, setting: Setting, dataset: LoadedDataset) -> Iterator[tuple[Training, dict[str, Any] | None]]:
    """The leader's side: a job's training, gone on with from its saved state where there is one, and the facts saved with that."""
    state = _saved(job, setting, dataset)
    tell({"train": job.label, "seeds": list(job.seeds), "step": _step(state)})
    try:
        with together():
            training = _training(job, setting, dataset, state)
        yield training, None if state is None else state[1]
    finally:
        tell({"stop": job.label})


def advance(training: Training, until: int) -> None:
    """The leader's side: train up to a step, on all processes."""
    tell({"advance": until})
    with together():
        training.advance(until)


def finish() -> None:
    """The leader's side: there is nothing more to train."""
    tell({"end": True})


def follow(jobs: Callable[[], Mapping[str, Job]], setting: Setting) -> None:
    """The others' side: train along until the leader has nothing more. `jobs`, by label, are asked for with the first training.

    What goes wrong with a job on every process is the leader's to report. Raises LostError when another process is gone.
    """
    known: Mapping[str, Job] | None = None
    while "end" not in (word := told()):
        if "train" not in word:
            continue  # of a training that has failed
        try:
            with together():
                known = known or jobs()
                job = replace(known[word["train"]], seeds=tuple(word["seeds"]))
                training = _along(job, setting, word["step"])
            while "advance" in (word := told()):
                with together():
                    training.advance(word["advance"])
        except LostError:
            raise
        except (Exception, SystemExit):  # every process met it, else `together` had ended this one
            continue


def identity(job: Job, setting: Setting, dataset: LoadedDataset) -> str:
    """What a training state belongs to: it is not continued under other settings, with other seeds, or on other data.

    Nor is it asked how many processes wrote it: all of them hold the same state, which one process, or other ones, can go on with.
    """
    return digest([job.specification(setting), list(job.seeds), dataset.train.hash])


def _along(job: Job, setting: Setting, step: int) -> Training:
    dataset = cached_dataset(job.dataset, setting.location)
    state = _saved(job, setting, dataset)
    if _step(state) != step:
        raise RunFailedError(
            f"The training state in {job.place(setting.out, 'state')} is that of step {_step(state)} here and of step {step} on "
            "the first process; put --out on a disk that all processes share."
        )
    return _training(job, setting, dataset, state)


def _saved(job: Job, setting: Setting, dataset: LoadedDataset) -> tuple[dict[str, Any], dict[str, Any]] | None:
    state = load_state(job.place(setting.out, "state"))
    return None if state is None or state[1]["job"] != identity(job, setting, dataset) else state


def _step(state: tuple[dict[str, Any], dict[str, Any]] | None) -> int:
    return 0 if state is None else int(state[1]["step"])


def _training(job: Job, setting: Setting, dataset: LoadedDataset, state: tuple[dict[str, Any], dict[str, Any]] | None) -> Training:
    training = Training(
        find("variants", job.variant).load(),
        job.recipe or Recipe(),
        dataset,
        list(job.seeds),
        job.steps,
        watch_every=max(1, job.steps // WATCHED),
        device=setting.device,
        execution=setting.execution,
        ranks=setting.ranks,
    )
    if state is not None:
        tensors, facts = state
        training.restore(tensors, facts["training"])
    return training
