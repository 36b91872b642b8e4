"""Timing a variant: training steps of so many stacked seeds, then samples from the first seed's generator."""

from __future__ import annotations

import gc
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

import ganbench
from ganbench.clock import Stopwatch, utc_now
from ganbench.dataset import LoadedDataset
from ganbench.environment import device_in_words, environment
from ganbench.harness.cost import PeakMemory, time_sampling
from ganbench.harness.job import given_to
from ganbench.harness.plan import Job, Setting
from ganbench.harness.rounds import Timing, surroundings, time_rounds
from ganbench.harness.run import dataset_facts, variant_facts
from ganbench.harness.suite import suites
from ganbench.record import SAMPLING_BATCH
from ganbench.registry import find
from ganbench.replay import WARM_UP
from ganbench.times import Spread, VariantTimes, variant_place
from ganbench.train import Training
from ganbench.variant import Recipe, Variant

FOREVER = 10**9  # steps: none of those that are timed is watched
ROUND_SECONDS = 0.05  # the least that a round of training steps takes
SAMPLING_SECONDS = 0.15  # spent on each of the two speeds of sampling


@dataclass(frozen=True)
class VariantTask:
    """A variant with so many stacked seeds, on one data set. `rounds` is None where the user does not say how many."""

    job: Job
    dataset: LoadedDataset
    seeds: int
    setting: Setting
    rounds: int | None

    @property
    def label(self) -> str:
        """What is timed, for people."""
        return f"{self.job.label}, {self.seeds} seed{'' if self.seeds == 1 else 's'}"

    @property
    def place(self) -> Path:
        """Where its record lies below the output folder."""
        how = self.setting.execution.specification()
        return variant_place(device_in_words(environment(self.setting.device)), self.dataset.name, self.job.name, self.seeds, how)

    @property
    def recipe(self) -> Recipe:
        """What it is trained by."""
        return self.job.recipe or Recipe()

    @property
    def variant(self) -> Variant:
        """What is trained."""
        loaded: Variant = find("variants", self.job.variant).load()
        return loaded

    @property
    def cycle(self) -> int:
        """Steps after which lazy phases come round again: any so many are equal work."""
        return math.lcm(*(phase.every for phase in self.variant.phases))

    @property
    def specification(self) -> dict[str, Any]:
        """All that decides what is timed, the machine apart. `suite` is None where the recipe is the variant's own."""
        return {
            "suite": self.job.suite if self.job.suite in suites() else None,
            "recipe": asdict(self.recipe) | {"betas": list(self.recipe.betas)},
            "seeds": self.seeds,
            "dataset_hash": self.dataset.train.hash,
            "variant_source_hash": find("variants", self.job.variant).source_hash,
            **surroundings(),
            **self.setting.execution.specification(),
        }

    @property
    def turns(self) -> str:
        """Whom it takes turns with: its other numbers of seeds. On a GPU nobody, whose memory would count as its own."""
        return self.label if self.setting.device.startswith("cuda") else self.job.label

    def measure(self) -> Timing[VariantTimes]:
        """Train for some rounds, look whether all was finite, and sample."""
        device = self.setting.device
        gc.collect()  # what was timed before is no part of this one's memory
        if device.startswith("cuda"):
            torch._C._cuda_clearCublasWorkspaces()  # kept for each stream that was worked on: gigabytes after seeds side by side
        with PeakMemory(device) as memory:
            training = self.start()
            steps = self._steps_per_round(training)
            rounds = yield from time_rounds(lambda: training.step + steps, training.advance, device, self.rounds)
        executed, step = training.executed, Spread.of(rounds, steps)
        training.steps = training.step + 1
        training.advance(training.steps)  # the last step is watched
        return VariantTimes(
            ganbench_version=ganbench.__version__,
            command=self.setting.command,
            dataset=dataset_facts(self.dataset),
            specification=self.specification,
            environment=environment(device),
            variant=variant_facts(find("variants", self.job.variant)),
            seeds=self.seeds,
            executed=executed,
            parameters=training.parameter_counts(),
            steps_per_round=steps,
            images_per_step=training.images_per_step,
            step=step,
            images_per_second=training.images_per_step * self.seeds / step.median,
            compile_seconds=training.compile_seconds or None,
            peak_memory_bytes=memory.bytes,
            diverged_seeds=sum(at is not None for at in training.diverged_at),
            **self._sampling(training),
            finished_at=utc_now(),
        )

    def start(self) -> Training:
        """A training whose steps are compiled, recorded as graphs and at their speed."""
        device = self.setting.device
        training = Training(
            self.variant,
            replace(self.recipe),
            self.dataset,
            list(range(self.seeds)),
            FOREVER,
            watch_every=FOREVER,
            device=device,
            execution=self.setting.execution,
        )
        training.advance(1 + (WARM_UP + 1 if device.startswith("cuda") else 1) * self.cycle)  # the first step is watched
        return training

    def _steps_per_round(self, training: Training) -> int:
        with Stopwatch(self.setting.device) as watch:
            training.advance(training.step + self.cycle)
        return self.cycle * math.ceil(ROUND_SECONDS / max(watch.seconds, 1e-6))

    def _sampling(self, training: Training) -> dict[str, Any]:
        given = given_to(training, self.dataset, SAMPLING_BATCH)
        found = time_sampling(training.generator(0), training.recipe, given, training.seeds[0], SAMPLING_SECONDS)
        if found is None:
            return {}
        batch = Spread.of(found.batch)
        return {
            "latency": Spread.of(found.one),
            "batch": batch,
            "samples_per_second": SAMPLING_BATCH / batch.median,
            "flops_per_sample": found.flops,
        }
