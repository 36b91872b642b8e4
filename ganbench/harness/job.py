"""One job, run in this process: train the stacked seeds, compare them with real samples as they train, score each at the end."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import scipy.linalg  # noqa: F401 - its library is limited to threads with numpy's, where it is loaded by then
import threadpoolctl
import torch
from torch import Tensor

from ganbench.checkpoint import remove_state, save_state
from ganbench.clock import Stopwatch, utc_now
from ganbench.dataset import LoadedDataset
from ganbench.errors import InvalidInputError
from ganbench.files import write_atomically
from ganbench.generator import NotFiniteError, draw_labels, draw_samples, save_generator
from ganbench.harness.claim import holds
from ganbench.harness.cost import PeakMemory, sampling_cost
from ganbench.harness.lockstep import advance, identity, led, prepare
from ganbench.harness.plan import Job, Setting, job_metrics
from ganbench.harness.progress import Reporter
from ganbench.harness.reference import picture_reference, real_side
from ganbench.harness.run import Outcome, Run
from ganbench.picture import save_picture
from ganbench.record import SAMPLING_BATCH, Evaluation, Timing
from ganbench.registry import find
from ganbench.rng import stream
from ganbench.train import Training
from ganbench.variant import Control

PICTURED = 64  # samples of a grid


def run_job(job: Job, setting: Setting, threads: int, parent: int | None = None) -> None:
    """Run a job and write its records.

    `parent` is the process that wants it: when that is gone, the job stops where it is. So it does, on whatever machine, when the
    output folder is held by another run than the setting's.
    """
    torch.set_num_threads(threads)
    # numpy's and scipy's linear algebra has threads of its own, whose number changes the last digits of a distance.
    threadpoolctl.threadpool_limits(threads, user_api="blas")

    def still_wanted() -> None:
        if (parent is not None and os.getppid() != parent) or not holds(setting.out, setting.token):
            os._exit(1)  # an orphan must not write into a folder where the next run may be at work

    with contextlib.redirect_stdout(sys.stderr):  # what a variant prints must not mix with results
        run_lane(job, setting, still_wanted)


def run_lane(job: Job, setting: Setting, still_wanted: Callable[[], None]) -> None:
    """Run a job on this thread and write its records; `still_wanted` is called now and then, and may raise."""
    _run(job, setting, Reporter(status_path(job, setting)), still_wanted)


def prepare_run(job: Job, setting: Setting, report: Reporter, still_wanted: Callable[[], None]) -> Run:
    """The job with its data, extractor, metrics and the features of what it is scored against. Raises what is wrong with them."""
    dataset, extractor = prepare(job, setting)
    metrics, cache = job_metrics(job, dataset), setting.out / "cache"
    needs, held_out = {need for metric in metrics for need in metric.needs}, None
    wanted = [extractor] if needs & {"reference", "reference-features"} else []  # counts of modes read no features of real data
    reference = real_side(dataset, dataset.train, wanted, cache, setting.ranks, report.counts("loading"))
    if "held-out" in needs:
        held_out = real_side(dataset, dataset.test, [extractor], cache, setting.ranks, report.counts("loading"))
    return Run(job, setting, dataset, extractor, metrics, reference, held_out, report, still_wanted)


def _run(job: Job, setting: Setting, report: Reporter, still_wanted: Callable[[], None]) -> None:
    report.say("loading")
    run = prepare_run(job, setting, report, still_wanted)
    picture = picture_reference(run.dataset, job.place(setting.out, "samples").parent)
    for seed in job.seeds:
        run.keep(seed, "reference", picture)
    variant = find("variants", job.variant).load()
    if isinstance(variant, Control):
        _run_control(run, variant)
    else:
        _run_training(run)
    report.say("done", step=job.steps, steps=job.steps, message="")


def status_path(job: Job, setting: Setting) -> Path:
    """The file in which a running job says where it stands."""
    return job.place(setting.out, "progress").with_suffix(".json")


def _run_control(run: Run, control: Control) -> None:
    for seed in run.job.seeds:
        run.report.say("scoring", step=0, steps=run.job.samples)
        with Stopwatch() as drawing:
            items = control.draw(run.dataset, run.job.samples, stream(seed, "sample"))
        if len(items) != run.job.samples:
            raise InvalidInputError(f"{control.name} drew {len(items)} samples where {run.job.samples} were asked; mend its draw.")
        timing = Timing(train_seconds=0.0, stacked_seeds=1, finished_at=utc_now())
        run.finish(seed, items, Outcome(timing), drawing.seconds)


def _run_training(run: Run) -> None:
    job, setting = run.job, run.setting
    watch, memory, folder = Stopwatch(setting.device), PeakMemory(setting.device), job.place(setting.out, "state")
    with led(job, setting, run.dataset) as (training, saved):
        if saved is not None:
            _resume(run, watch, saved)
        _train(run, training, watch, memory, folder)
    for index in range(len(job.seeds)):
        run.still_wanted()
        run.report.say("scoring", step=0, steps=job.samples)
        _conclude(run, training, index, watch.seconds, memory.bytes)
    remove_state(folder)


def _conclude(run: Run, training: Training, index: int, train_seconds: float, peak_memory: int | None) -> None:
    """Curves, checkpoint, samples, scores and record of one seed whose training is over."""
    job, setting, seed = run.job, run.setting, training.seeds[index]
    running = max(train_seconds - training.compile_seconds, 1e-9)
    per_second = training.images_per_step * training.step * len(training.seeds) / running
    timing = Timing(
        train_seconds=train_seconds,
        stacked_seeds=len(training.seeds),
        compile_seconds=training.compile_seconds or None,
        images_per_second=per_second,
        peak_memory_bytes=peak_memory,
        finished_at=utc_now(),
    )
    outcome = Outcome(timing, training.step, parameters=training.parameter_counts(), execution=training.executed)
    _save_curves(run, training, index)
    if (step := training.diverged_at[index]) is not None:
        run.give_up(seed, outcome, f"A loss, gradient or parameter was not finite at step {step}.")
        return
    try:
        with Stopwatch(setting.device) as drawing:
            given = given_to(training, run.dataset, job.samples)
            network = training.generator(index)
            items = draw_samples(network, training.space, training.recipe, job.samples, seed, given=given)
    except NotFiniteError as error:
        run.give_up(seed, outcome, str(error))
        return
    facts = {"variant": job.variant, "dataset": job.dataset, "seed": seed, "step": training.step}
    path = job.place(setting.out, "checkpoints") / f"seed-{seed}.safetensors"
    checkpoint_hash = save_generator(path, training.generator_state(index), facts, training.space, training.recipe)
    run.keep(seed, "checkpoint", path)
    if run.sampling is None:
        run.sampling = sampling_cost(network, training.recipe, given_to(training, run.dataset, SAMPLING_BATCH), seed)
    timing = timing.model_copy(update=run.sampling)
    run.finish(
        seed,
        items,
        replace(outcome, timing=timing, checkpoint_hash=checkpoint_hash),
        drawing.seconds,
        labels_for(training, job.samples),
    )


def labels_for(training: Training, count: int) -> Tensor | None:
    """The classes that a conditional generator is asked for; None for another."""
    classes = training.space.classes
    return draw_labels(count, classes) if training.variant.conditional and classes else None


def given_to(training: Training, dataset: LoadedDataset, count: int) -> Tensor | None:
    """What the generator makes samples from beside z: class labels, or the first held-out inputs; None for another."""
    inputs = dataset.test.inputs
    if not training.variant.translates or inputs is None:
        return labels_for(training, count)
    return inputs[torch.arange(count) % len(inputs)]


def _train(run: Run, training: Training, watch: Stopwatch, memory: PeakMemory, folder: Path) -> None:
    """Train to the end, looking up at each watched step: evaluate when it is time, report, save the state now and then."""
    every, saved_at = run.job.eval_every, time.monotonic()
    if every and training.step == 0:
        _evaluate(run, training)
    started, start_step = time.monotonic(), training.step
    run.report.say("training", step=training.step, steps=training.steps)
    while not training.finished:
        target = min(training.step + training.watch_every, training.steps)
        if every:
            target = min(target, (training.step // every + 1) * every)
        with watch, memory:
            advance(training, target)
        run.still_wanted()
        rate = (training.step - start_step) / max(time.monotonic() - started, 1e-9)
        run.report.say("training", step=training.step, steps_per_second=rate)
        if every and training.step % every == 0:
            _evaluate(run, training)
        if time.monotonic() - saved_at >= run.setting.checkpoint_seconds and not training.finished:
            _save(run, training, watch, folder)
            saved_at = time.monotonic()


def _save(run: Run, training: Training, watch: Stopwatch, folder: Path) -> None:
    facts = {
        "job": identity(run.job, run.setting, run.dataset),
        "step": training.step,
        "training": training.facts(),
        "train_seconds": watch.seconds,
        "evaluations": {str(seed): [e.model_dump() for e in each] for seed, each in run.evaluations.items()},
        "files": {str(seed): each for seed, each in run.files.items()},
    }
    save_state(folder, training.tensors(), facts)


def _resume(run: Run, watch: Stopwatch, facts: dict[str, Any]) -> None:
    watch.seconds = facts["train_seconds"]
    run.evaluations = {int(seed): [Evaluation.model_validate(e) for e in each] for seed, each in facts["evaluations"].items()}
    run.files = {int(seed): each for seed, each in facts["files"].items()}


def _evaluate(run: Run, training: Training) -> None:
    """Compare samples with real ones while training: scores of every living seed, and a grid of fixed latents."""
    job, found = run.job, []
    for index, seed in enumerate(training.seeds):
        if training.diverged_at[index] is not None:
            continue
        network = training.generator(index)
        shown = job.eval_samples if training.space.is_points else PICTURED
        try:
            given, labels = given_to(training, run.dataset, job.eval_samples), labels_for(training, job.eval_samples)
            items = draw_samples(network, training.space, training.recipe, job.eval_samples, seed, given=given)
            asked = given_to(training, run.dataset, shown)
            fixed = draw_samples(network, training.space, training.recipe, shown, seed, "grid", asked)
        except NotFiniteError:
            continue  # not finite: the training marks the seed at its next watched step
        stem = job.place(run.setting.out, "samples") / f"seed-{seed}" / f"step-{training.step:06d}"
        run.keep(seed, f"samples at step {training.step}", save_picture(stem, fixed))
        scores = run.score(items, f"{job.name} seed {seed} step {training.step}", labels).scores
        run.evaluations.setdefault(seed, []).append(Evaluation(step=training.step, scores=scores))
        found.append({name: each.value for name, each in scores.items()})
    if found:
        run.report.say("training", scores={name: sum(each[name] for each in found) / len(found) for name in found[0]})


def _save_curves(run: Run, training: Training, index: int) -> None:
    series = {name: [row[index] for row in rows] for name, rows in training.curves.items() if name != "steps"}
    seed = training.seeds[index]
    path = run.job.place(run.setting.out, "curves") / f"seed-{seed}.json"
    write_atomically(path, json.dumps({"steps": training.curves["steps"], "series": series}) + "\n")
    run.keep(seed, "curves", path)
