"""Check a record: score its checkpoint again, or train it again from the record alone, and compare part by part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import Tensor

from ganbench.environment import environment
from ganbench.errors import InvalidInputError, MissingDataError, UsageError
from ganbench.execution import Execution
from ganbench.files import file_digest
from ganbench.generator import draw_labels, draw_samples, load_generator
from ganbench.harness.harness import Prepared, run_suite
from ganbench.harness.job import prepare_run, status_path
from ganbench.harness.lockstep import prepare
from ganbench.harness.plan import Job, Setting
from ganbench.harness.progress import Reporter
from ganbench.harness.run import Run
from ganbench.harness.workers import Crew
from ganbench.interval import mean, spread
from ganbench.record import Record, load_record, output_folder
from ganbench.registry import find
from ganbench.rng import stream
from ganbench.variant import Control, Recipe

# Of a score or of 1, whichever is larger. Features and scores are computed in float64, so that the same samples score alike on
# every machine; another machine's float32 generator gives samples that differ by roundings.
SAME_SAMPLES = 1e-6
OTHER_SAMPLES = 0.02


@dataclass(frozen=True)
class Check:
    """One part of a record that was looked at: whether it holds, and in words what was found."""

    part: str
    passed: bool
    found: str


def rescore(record: Record, path: Path, setting: Setting) -> list[Check]:
    """Draw the record's samples from its checkpoint, score them as it says, and compare; `setting.out` is for working files.

    `path` is where the record lies: its checkpoint is looked for beside the folder of records. Raises MissingDataError where the
    checkpoint is not kept, InvalidInputError for a run without scores, and as `load_generator` for a checkpoint that is no other.
    """
    if record.status != "ok" or record.protocol is None:
        raise InvalidInputError(f"{path} is of a run that {record.status}, and has no score to verify; choose another record.")
    job = job_of(record)
    run = prepare_run(job, setting, Reporter(status_path(job, setting)), lambda: None)
    checks = [*_of_data(record, run), *_of_extractor(record, run)]
    control = find("variants", job.variant).load()
    if isinstance(control, Control):
        items = control.draw(run.dataset, job.samples, stream(record.seed, "sample"))
        labels: Tensor | None = None
    else:
        checkpoint = _checkpoint(record, path)
        checks.append(_of_hash("checkpoint", record.checkpoint_hash, file_digest(checkpoint)))
        if not checks[-1].passed:
            return checks  # its scores would be another generator's
        generator = load_generator(checkpoint, setting.device)
        labels = None if generator.classes is None else draw_labels(job.samples, generator.classes)
        items = draw_samples(generator.network, generator.space, generator.recipe, job.samples, record.seed, given=labels)
    scored = run.score(items, f"{job.name} seed {record.seed}", labels)
    same = scored.protocol.samples.hash == record.protocol.samples.hash
    alike = _alike(record, setting.device)
    told = f"not equal to the bit, on {'a machine like the record' if alike else 'another machine than the record'}'s"
    checks.append(Check("samples", same or not alike, "equal to the bit" if same else told))
    for label, score in record.scores.items():
        if label not in scored.scores:
            checks.append(Check(label, False, "the record has this score, and its job does not measure it"))
        elif scored.protocol.key(label) != record.protocol.key(label):
            checks.append(Check(label, False, "it is measured under another protocol than the record states"))
        else:
            checks.append(_of_score(label, score.value, scored.scores[label].value, SAME_SAMPLES if same else OTHER_SAMPLES))
    return checks


def retrain(record: Record, path: Path, setting: Setting, console: Console) -> list[Check]:
    """Train the record's run again, with the seeds that it was stacked with, and compare.

    On a machine like the record's the result must be equal to the bit. Elsewhere each score must lie inside the interval in which
    the next seed of those beside the record lies with a chance of 95 % (Student's t); raises UsageError where fewer than 3 do.
    """
    family = _family(record, path)
    stack = [each.seed for each in family if each.timing.train_seconds == record.timing.train_seconds]
    seeds = stack if len(stack) == record.timing.stacked_seeds else [record.seed]
    job, setting = replace(job_of(record), seeds=tuple(seeds)), replace(setting, execution=Execution.of(record.specification))
    alone = "processes" not in record.environment  # as this training is; several add in another order
    alike = alone and _alike(record, setting.device) and len(seeds) == record.timing.stacked_seeds
    values = [each for each in family if each.status == "ok"]
    if not alike and len(values) < 3:
        raise UsageError(
            f"{path} was made on another machine, in several processes or without its stack, and fewer than 3 seeds lie "
            "beside it to judge a new one by; verify it without --retrain."
        )
    dataset, _ = prepare(job, setting)  # the worker extracts features: with other threads here their last bits would differ
    crew = Crew(workers=1, threads=int(record.environment.get("threads") or 1))
    finished = run_suite(Prepared([job], [job], {job.dataset: dataset}), setting, crew, console)
    (again,) = [each for each in finished.records if each.seed == record.seed]
    if again.status != record.status:
        return [Check("status", False, f"{again.status}, where the record says {record.status}")]
    if alike:
        trained = [] if record.variant.control else [_of_hash("checkpoint", record.checkpoint_hash, again.checkpoint_hash)]
        return [*trained, *(_of_bits(label, record, again) for label in {**record.scores, **again.scores})]
    return [_inside(label, [v.scores[label].value for v in values if label in v.scores], again) for label in record.scores]


def job_of(record: Record) -> Job:
    """The job of a record's specification. Raises InvalidInputError where it is not one that this ganbench runs, and UsageError
    where it names code outside the package, which a record must not start.
    """
    said = record.specification
    for name in ("variant", "extractor"):
        if str(said.get(name)).endswith(".py") or ":" in str(said.get(name)):
            named = str(said[name])[:80]
            raise UsageError(f"The record names {named!r} as its {name}, and no record may run code; run its suite again.")
    try:
        recipe = None if said["recipe"] is None else Recipe(**{**said["recipe"], "betas": tuple(said["recipe"]["betas"])})
        return Job(
            suite=record.suite, dataset=said["dataset"], variant=said["variant"], name=record.variant.name, seeds=(record.seed,),
            steps=said["steps"], recipe=recipe, samples=said["samples"], metrics=tuple(said["metrics"]),
            extractor=said["extractor"], eval_every=said["eval_every"], eval_samples=said["eval_samples"] or said["samples"],
        )  # fmt: skip
    except (KeyError, TypeError) as error:
        raise InvalidInputError(f"The record's specification is not one of ganbench's ({error}); it cannot be run again.") from None


def _of_data(record: Record, run: Run) -> list[Check]:
    facts = record.dataset
    return [
        _of_hash(f"data set {facts.name}:{part.name}", expected, part.hash)
        for part, expected in ((run.dataset.train, facts.train_hash), (run.dataset.test, facts.test_hash))
    ]


def _of_extractor(record: Record, run: Run) -> list[Check]:
    assert record.protocol is not None  # checked by the caller
    name = f"extractor {run.extractor.name}"
    expected, found = record.protocol.extractor, run.extractor.facts
    if different := sorted(key for key in {*expected, *found} if expected.get(key) != found.get(key)):
        key = different[0]
        return [Check(name, False, f"its {key} is {found.get(key)}, where the record says {expected.get(key)}")]
    return [Check(name, True, "as the record says")]


def _of_hash(part: str, expected: str | None, found: str | None) -> Check:
    if expected == found:
        return Check(part, True, f"sha256 {str(found)[:12]}, as the record says")
    return Check(part, False, f"its sha256 is {str(found)[:12]}, where the record says {str(expected)[:12]}: it was changed")


def _of_score(label: str, stated: float, found: float, tolerance: float) -> Check:
    close = math.isclose(stated, found, rel_tol=tolerance, abs_tol=tolerance)
    return Check(label, close, f"{found:.8g}, where the record says {stated:.8g} (tolerance {tolerance:g})")


def _of_bits(label: str, record: Record, again: Record) -> Check:
    stated, found = record.scores.get(label), again.scores.get(label)
    if stated == found:
        return Check(label, True, "equal to the bit")
    values = ["no such score" if score is None else repr(score.value) for score in (found, stated)]
    if values[0] == values[1]:
        values = [str(score) for score in (found, stated)]  # the values agree, and what stands beside them does not
    return Check(label, False, f"{values[0]}, where the record says {values[1]}, on a machine like the record's")


def _inside(label: str, values: Sequence[float], again: Record) -> Check:
    centre, half = mean(values), spread(values)[1]
    if centre is None or half is None or label not in again.scores:
        return Check(label, False, "there is nothing to compare it with")
    half *= math.sqrt(len(values) + 1)  # of a next value, not of the mean
    found = again.scores[label].value
    low, high = centre - half, centre + half
    return Check(label, low <= found <= high, f"{found:.6g}; the next of {len(values)} seeds lies in {low:.6g} to {high:.6g}")


def _checkpoint(record: Record, path: Path) -> Path:
    root = output_folder(path)
    name = record.files.get("checkpoint", "")
    checkpoint = root / name
    if not name or not checkpoint.is_file():
        raise MissingDataError(f"The checkpoint {name or 'of this record'} is not kept in {root}; verify it with --retrain.")
    return checkpoint


def _family(record: Record, path: Path) -> list[Record]:
    """The records beside this one that are seeds of its row, by seed."""
    beside = [load_record(other) for other in sorted(path.resolve().parent.glob("*.json"))]
    row = record.variant, record.specification
    return sorted((each for each in beside if (each.variant, each.specification) == row), key=lambda each: each.seed)


def _alike(record: Record, device: str) -> bool:
    """Whether this machine is like the record's: the same libraries, processor and device."""
    here: dict[str, Any] = environment(device)
    return all(here.get(name) == record.environment.get(name) for name in ("torch", "system", "processor", "device", "gpu"))
