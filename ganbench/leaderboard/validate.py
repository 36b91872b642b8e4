"""Are records what they claim to be? Each check looks at one record, or at one beside its neighbours, and says what is wrong.

It reads files alone: nothing is trained, scored or downloaded. A record that passes may still be invented; `verify` scores its
checkpoint again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganbench import registry
from ganbench.clock import is_utc
from ganbench.errors import GanbenchError
from ganbench.files import file_digest
from ganbench.leaderboard.card_files import described_hash
from ganbench.leaderboard.grouping import dataset_identity, row_identity
from ganbench.leaderboard.validate_scores import fault_of, score_faults
from ganbench.leaderboard.validate_times import time_faults
from ganbench.record import Record, is_time_record, load_record
from ganbench.times import load_times

HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Problem:
    """What is wrong with one file, in one sentence that ends with the fix."""

    path: Path
    sentence: str

    @property
    def told(self) -> str:
        """The sentence with the path before it, where it does not name it itself."""
        return self.sentence if self.sentence.startswith(str(self.path)) else f"{self.path}: {self.sentence}"


def validate(paths: Iterable[Path]) -> tuple[int, list[Problem]]:
    """How many files were read, and every problem found, in the order of the paths."""
    problems: list[Problem] = []
    good: list[tuple[Path, Record]] = []
    count = 0
    for path in paths:
        count += 1
        try:
            if _is_timed(path):
                problems += [Problem(path, sentence) for sentence in time_faults(load_times(path), path)]
                continue
            record = load_record(path)
        except GanbenchError as error:
            problems.append(Problem(path, str(error)))
            continue
        good.append((path, record))
        problems += [Problem(path, sentence) for sentence in faults(record, path)]
    return count, problems + list(_twice(good)) + list(_copied(good))


def _is_timed(path: Path) -> bool:
    known = is_time_record(path)
    if known is not None:
        return known
    return [name for name in path.resolve().parts[:-1] if name in ("records", "times")][-1:] == ["times"]


def faults(record: Record, path: Path | None = None) -> Iterator[str]:
    """What is wrong with a record by itself and, where its path is known, with where it lies and the checkpoint beside it."""
    yield from _of_status(record)
    yield from _of_variant(record)
    yield from _of_specification(record)
    yield from _of_steps(record)
    yield from _of_timing(record)
    yield from _of_hashes(record)
    yield from _of_protocol(record)
    yield from score_faults(record)
    for evaluation in record.evaluations:
        if not 0 <= evaluation.step <= record.steps_done:
            yield f"It was evaluated at step {evaluation.step} of {record.steps_done}; run its job again."
        for label, score in evaluation.scores.items():
            yield from fault_of(record, label, score)
    if path is not None:
        yield from _of_place(record, path)
        yield from _of_checkpoint(record, path)


def _of_status(record: Record) -> Iterator[str]:
    if record.status == "ok" and not record.scores:
        yield "Its status is ok and it has no score; run its job again."
    if record.status != "ok" and record.scores:
        yield f"Its status is {record.status} and it has scores; a run that did not end well has none."
    if record.status != "ok" and not record.message:
        yield f"Its status is {record.status} and no message says why; run its job again."


def _of_variant(record: Record) -> Iterator[str]:
    known = registry.entries("variants").get(record.variant.name)
    if known is None or record.variant.reference != known.reference:
        return  # somebody's own
    if record.variant.control != (known.symbol == "CONTROL"):
        yield f"It says that {record.variant.name} is {'a' if record.variant.control else 'no'} control; run its job again."


def _of_specification(record: Record) -> Iterator[str]:
    said = record.specification
    for name, other in (("dataset", record.dataset.name), ("variant", record.variant.reference)):
        if name in said and said[name] != other:
            yield f"Its specification names the {name} {str(said[name])[:80]!r} and it is of {other}; run its job again."
    for name in ("steps", "samples"):
        if not (isinstance(said.get(name), int) and not isinstance(said[name], bool) and said[name] >= 0):
            yield f"Its specification has {name} = {str(said.get(name))[:80]}, which no run has; run its job again."


def _of_steps(record: Record) -> Iterator[str]:
    planned = record.specification.get("steps")
    if not isinstance(planned, int) or record.variant.control:
        return
    if record.steps_done > planned:
        yield f"It took {record.steps_done} steps where its specification has {planned}; run its job again."
    if record.status == "ok" and record.steps_done < planned:
        yield f"Its status is ok after {record.steps_done} of {planned} steps; run its job again."


def _of_timing(record: Record) -> Iterator[str]:
    timing = record.timing
    if not record.variant.control and record.status == "ok" and timing.train_seconds <= 0:
        yield f"It was trained in {timing.train_seconds:g} seconds, which nothing is; run its job again."
    if timing.train_seconds < 0 or timing.stacked_seeds < 1:
        yield f"Its timing has {timing.train_seconds:g} seconds of {timing.stacked_seeds} stacked seeds; run its job again."
    for name, seconds in (("sample_seconds", timing.sample_seconds), ("score_seconds", timing.score_seconds)):
        if seconds is not None and seconds < 0:
            yield f"Its {name} is {seconds:g}, below 0; run its job again."
    if not is_utc(timing.finished_at):
        yield f"It finished at {timing.finished_at[:40]!r}, no time in UTC such as 2026-01-31T12:00:00Z; run its job again."
    for name in (
        "compile_seconds",
        "images_per_second",
        "sample_latency_seconds",
        "samples_per_second",
        "flops_per_sample",
        "peak_memory_bytes",
    ):
        value = getattr(timing, name)
        if value is not None and value <= 0:
            yield f"Its {name} is {value:g}, and no run costs that; run its job again."


def _of_hashes(record: Record) -> Iterator[str]:
    hashes = {
        "dataset.train_hash": record.dataset.train_hash,
        "dataset.test_hash": record.dataset.test_hash,
        "variant.source_hash": record.variant.source_hash,
        "checkpoint_hash": record.checkpoint_hash,
    }
    if record.protocol is not None:
        hashes |= {"protocol.reference.hash": record.protocol.reference.hash, "protocol.samples.hash": record.protocol.samples.hash}
    for name, value in hashes.items():
        if value is not None and not HASH.fullmatch(value):
            yield f"Its {name} is {value[:80]!r}, which is no sha256 of 64 hex digits; run its job again."
    if record.status == "ok" and not record.variant.control and record.checkpoint_hash is None:
        yield "It names no checkpoint by its hash, so that nobody can check it; run its job again."


def _of_protocol(record: Record) -> Iterator[str]:
    protocol, facts = record.protocol, record.dataset
    if protocol is None:
        if record.scores:
            yield "It has scores and no protocol; score its checkpoint again."
        return
    if protocol.dataset != facts.name:
        yield f"Its protocol is of {protocol.dataset} and its data set is {facts.name}; score its checkpoint again."
    own = {f"{facts.name}:train": (facts.train_hash, facts.train_count), f"{facts.name}:test": (facts.test_hash, facts.test_count)}
    reference = protocol.reference
    if reference.source in own and reference.hash is not None and (reference.hash, reference.count) != own[reference.source]:
        yield f"Its reference {reference.source} has another hash or count than its data set; score its checkpoint again."
    if record.status == "ok" and reference.source not in own:
        yield f"It is scored against {reference.source[:80]!r}, which is no part of its data set; score its checkpoint again."
    drawn = f"{record.variant.name} seed {record.seed}"
    if protocol.samples.source != drawn:
        yield f"Its samples are of {protocol.samples.source[:80]!r} and it is of {drawn!r}; score its checkpoint again."
    wanted = record.specification.get("samples")
    if isinstance(wanted, int) and protocol.samples.count != wanted:
        yield f"It was scored on {protocol.samples.count} samples where its specification has {wanted}; score its checkpoint again."


def _of_place(record: Record, path: Path) -> Iterator[str]:
    if (named := re.fullmatch(r"seed-(\d+)\.json", path.name)) and int(named[1]) != record.seed:
        yield f"Its file is called {path.name} and it is of seed {record.seed}; call it seed-{record.seed}.json."
    folders = path.resolve().parts[-4:-1]  # records, data set, variant
    if len(folders) == 3 and folders[0] == "records" and folders[2] != record.variant.name:
        yield f"It lies in the folder {folders[2]} and is of {record.variant.name}; move it to {record.variant.name}."


def _of_checkpoint(record: Record, path: Path) -> Iterator[str]:
    """The checkpoint's hash, and the one that its description states, where it is kept beside the folder of records."""
    name = record.files.get("checkpoint")
    root = next((folder.parent for folder in path.resolve().parents if folder.name == "records"), None)
    if name is None or root is None:
        return
    try:
        checkpoint = (root / name).resolve()
        outside = not checkpoint.is_relative_to(root) or (checkpoint.exists() and not checkpoint.is_file())
    except (OSError, ValueError, RuntimeError):
        outside = True
    if outside:
        yield f"It names a checkpoint that is no file of its own folder, {name[:80]!r}; run its job again."
    elif checkpoint.is_file() and file_digest(checkpoint) != record.checkpoint_hash:
        yield f"The checkpoint {name} is not the one whose hash it states; run its job again."
    elif checkpoint.is_file() and _described(checkpoint) != record.checkpoint_hash:
        told = Path(name).with_suffix(".json")
        yield f"No file {told} describes its checkpoint, so that nobody can build it; copy both from where it was trained."


def _described(checkpoint: Path) -> str | None:
    try:
        return described_hash(checkpoint.with_suffix(".json").read_bytes())
    except OSError:
        return None


def _twice(records: Sequence[tuple[Path, Record]]) -> Iterator[Problem]:
    """Two files of one suite's same run. Controls may stand wherever they are wanted: they are drawn, not trained."""
    first: dict[tuple[str, str, str, int], Path] = {}
    for path, record in records:
        if record.variant.control:
            continue
        try:
            run = record.suite, dataset_identity(record), row_identity(record), record.seed
        except GanbenchError as error:
            yield Problem(path, str(error))
            continue
        if run in first:
            yield Problem(path, f"It is the same run as {first[run]}; leave one of them out.")
        else:
            first[run] = path


def _copied(records: Sequence[tuple[Path, Record]]) -> Iterator[Problem]:
    """Another seed of a variant with the same checkpoint or the same samples, which no two trainings give.

    Two variants may well agree: a method that adapts to overfitting does nothing where there is none.
    """
    first: dict[str, tuple[Path, Record]] = {}
    for path, record in records:
        if record.variant.control:
            continue  # `real` may hand out all of its part, whatever the seed
        hashes = {"checkpoint": record.checkpoint_hash, "samples": record.protocol.samples.hash if record.protocol else None}
        for what, value in hashes.items():
            place = f"{record.variant.name} {what} {value}"
            other, known = first.setdefault(place, (path, record)) if value else (path, record)
            if known.seed != record.seed:
                yield Problem(path, f"It has the same {what} as {other}, of another seed; run its job again.")
                break
