"""A job, in one process or in several that do its long parts together: the leader says what is next, and the others do it along.

They take every step of a training together, and each extracts its share of the features of what is scored. All else, metrics,
checkpoints and records among it, the leader does alone.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from ganbench.checkpoint import load_state
from ganbench.dataset import LoadedDataset
from ganbench.errors import RunFailedError
from ganbench.extractor import LoadedExtractor
from ganbench.files import digest
from ganbench.harness.plan import Job, Setting
from ganbench.harness.reference import cached_dataset, cached_extractor
from ganbench.ranks import LostError, spread, tell, together, told
from ganbench.registry import find
from ganbench.score.side import Pass, Report, assist, silent
from ganbench.sources.samples import in_memory
from ganbench.train import Training
from ganbench.variant import Recipe

WATCHED = 100  # points of a learning curve


def prepare(job: Job, setting: Setting) -> tuple[LoadedDataset, LoadedExtractor]:
    """The leader's side: a job's data and extractor, on all processes."""
    tell({"prepare": job.label})
    with together():
        return _loaded(job, setting)


def pass_of(items: Tensor, setting: Setting, report: Report = silent) -> Pass:
    """The leader's side: how samples are read that it alone has, so that all processes extract their shares of them."""

    def ask(extractors: list[str]) -> None:
        tell({"extract": extractors})
        spread(items)

    return Pass(report=report, ranks=setting.ranks, ask=ask)


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
    """The others' side: do along what the leader says, until there is nothing more. `jobs`, by label, are asked for with the first.

    What goes wrong with a job on every process is the leader's to report. Raises LostError when another process is gone.
    """
    follower = _Follower(jobs, setting)
    while "end" not in (word := told()):
        try:
            follower.heed(word)
        except LostError:
            raise
        except (Exception, SystemExit):  # every process met it, else `together` had ended this one
            continue


class _Follower:
    """What a process that follows holds: the job's data and extractor, and its training while there is one."""

    def __init__(self, jobs: Callable[[], Mapping[str, Job]], setting: Setting) -> None:
        self._jobs, self._setting = functools.cache(jobs), setting
        self._loaded: tuple[LoadedDataset, LoadedExtractor] | None = None
        self._training: Training | None = None

    def heed(self, word: dict[str, Any]) -> None:
        """Do what a word of the leader says."""
        if "prepare" in word:
            with together():
                self._loaded = _loaded(self._jobs()[word["prepare"]], self._setting)
        elif "train" in word:
            with together():
                job = replace(self._jobs()[word["train"]], seeds=tuple(word["seeds"]))
                self._training = _along(job, self._setting, word["step"])
        elif "advance" in word and self._training is not None:
            with together():
                self._training.advance(word["advance"])
        elif "stop" in word:
            self._training = None
        elif "extract" in word and self._loaded is not None:
            dataset, extractor = self._loaded
            parts = {part.name: part.items for part in (dataset.train, dataset.test)}
            items = parts[word["part"]] if "part" in word else spread()
            assist(in_memory("the leader's samples", items), [extractor], word["extract"], Pass(ranks=self._setting.ranks))


def identity(job: Job, setting: Setting, dataset: LoadedDataset) -> str:
    """What a training state belongs to: it is not continued under other settings, with other seeds, or on other data.

    Nor is it asked how many processes wrote it: all of them hold the same state, which one process, or other ones, can go on with.
    """
    return digest([job.specification(setting), list(job.seeds), dataset.train.hash])


def _loaded(job: Job, setting: Setting) -> tuple[LoadedDataset, LoadedExtractor]:
    return cached_dataset(job.dataset, setting.location), cached_extractor(job.extractor, setting.weights, setting.device)


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
