"""The record: all that one run of one seed was and what it scored. Tables, pages and plots are functions of records alone.

A record is one JSON file with a `schema` number. Old schemas stay readable: their records are test fixtures for ever.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ganbench.errors import InvalidInputError, MissingDataError, UsageError
from ganbench.files import digest, write_atomically

SCHEMA = 1
SAMPLING_BATCH = 256  # samples drawn at once: fixed, so that how many are drawn does not change the first of them
USUAL: dict[str, str | bool] = {"precision": "float32", "compile": False}  # what a specification leaves out where it is so
TIME_KEY = "time_schema"  # what a time record, of `ganbench.times`, has in place of `schema`

Plain = str | int | float | bool | None


class Model(BaseModel):
    """Base of all stored data: unknown keys, NaN and infinities are errors; a model cannot be changed."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True, populate_by_name=True)


class Score(Model):
    """One number. `error` is the metric's own (over subsets or splits), and `error_kind` names it; never an error over seeds.

    `interval` is where resampling the samples puts the number, and `interval_kind` says how.
    """

    value: float = Field(strict=True)  # neither "3.0" nor true
    better: Literal["higher", "lower"]
    error: float | None = Field(default=None, strict=True)
    error_kind: str | None = None
    interval: tuple[float, float] | None = None
    interval_kind: str | None = None


class Sampled(Model):
    """One side of a comparison: which items, how many of how many, and the sha256 of their content."""

    source: str
    count: int
    hash: str | None = None
    quantisation: str = "none"


class Protocol(Model):
    """How scores were measured. Scores are ranked together only when `key` agrees.

    `extractor` is the one of most scores; a metric whose facts name another finds it in `other_extractors`.
    """

    dataset: str
    extractor: dict[str, Plain]
    reference: Sampled
    samples: Sampled
    metrics: dict[str, dict[str, Plain]]
    notes: list[str] = Field(default_factory=list)
    held_out: Sampled | None = None
    other_extractors: dict[str, dict[str, Plain]] = Field(default_factory=dict)

    def extractor_of(self, score: str) -> dict[str, Plain]:
        """The facts of the extractor in whose features a score was taken. Raises InvalidInputError where it is not described."""
        name = self.metrics[score].get("extractor")
        if name is None:
            return self.extractor
        if str(name) not in self.other_extractors:
            raise InvalidInputError(
                f"The score {score!r} is in features of {str(name)[:80]!r}, which its protocol does not describe."
            )
        return self.other_extractors[str(name)]

    def key(self, score: str) -> str:
        """12 hex digits that name the protocol of one score.

        They cover the extractor and its weights, the reference's content, both counts, the quantisation and the metric with its
        version and conventions; not which generator the samples came from, nor where the reference lay, nor the notes.
        """
        reference = self.reference.model_dump(exclude={"source"} if self.reference.hash else set())
        samples = {"count": self.samples.count, "quantisation": self.samples.quantisation}
        comparable = {"extractor": self.extractor_of(score), "reference": reference, "samples": samples}
        comparable["metric"] = {name: fact for name, fact in self.metrics[score].items() if name != "extractor"}
        return digest(comparable)[:12]


class VariantFacts(Model):
    """The variant as it was registered; `source_hash` is the sha256 of the file that defines it."""

    name: str
    family: str
    paper: str
    control: bool = False
    reference: str
    source_hash: str


class DatasetFacts(Model):
    """The data set as it was loaded; hashes are of content."""

    name: str
    version: int
    licence: str
    shape: list[int]
    train_count: int
    train_hash: str
    test_count: int
    test_hash: str


class Timing(Model):
    """Wall seconds, and what else a run costs. Seeds that were trained stacked share one training: `train_seconds` is that of the
    whole stack, and so are `compile_seconds`, the part of them in which gradients were compiled (`images_per_second` leaves it
    out), and `peak_memory_bytes`, the most that torch held on a CUDA device while it trained (None on a CPU).

    Of the generator in evaluation mode, measured on the first seed of a stack: `sample_latency_seconds`, the median for one sample
    in a batch of one; `samples_per_second`, 256 over the median for a batch of so many; and `flops_per_sample`, as
    torch.utils.flop_counter counts one forward pass: matrix products, convolutions and attention, a multiply-add as 2.
    """

    train_seconds: float
    stacked_seeds: int = Field(ge=1)
    compile_seconds: float | None = None
    images_per_second: float | None = None
    sample_seconds: float | None = None
    score_seconds: float | None = None
    sample_latency_seconds: float | None = None
    samples_per_second: float | None = None
    flops_per_sample: int | None = None
    peak_memory_bytes: int | None = None
    finished_at: str

    @property
    def train_seconds_per_seed(self) -> float:
        """The stack's training seconds divided by the seeds in it."""
        return self.train_seconds / self.stacked_seeds


class Evaluation(Model):
    """Scores taken while the run was training."""

    step: int
    scores: dict[str, Score]


class Record(Model):
    """One run of one seed. `specification` with `seed` is enough to make it again; `files` are relative to the output folder."""

    schema_number: int = Field(default=SCHEMA, alias="schema")
    ganbench_version: str
    suite: str
    command: str
    dataset: DatasetFacts
    variant: VariantFacts
    specification: dict[str, Any]
    seed: int = Field(ge=0)
    steps_done: int = Field(ge=0)
    status: Literal["ok", "diverged", "failed"]
    message: str | None = None
    scores: dict[str, Score] = Field(default_factory=dict)
    protocol: Protocol | None = None
    evaluations: list[Evaluation] = Field(default_factory=list)
    files: dict[str, str] = Field(default_factory=dict)
    checkpoint_hash: str | None = None
    parameters: dict[str, int] = Field(default_factory=dict)
    timing: Timing
    environment: dict[str, Plain] = Field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """sha256 of all that must be equal when a run is repeated: everything but seconds, machine and command line."""
        volatile = {"timing", "environment", "command"}
        return digest(self.model_dump(exclude=volatile, by_alias=True))

    def to_json(self) -> str:
        """The record as stored: indented JSON that ends in a newline."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"

    def save(self, path: Path) -> None:
        """Write the record atomically."""
        write_atomically(path, self.to_json())


def load_record(path: Path) -> Record:
    """Read one record. Raises InvalidInputError for one cut short, invalid or of a newer schema, UsageError for a folder."""
    raw = read_stored(path, "schema", SCHEMA)
    try:
        return Record.model_validate(raw)
    except ValidationError as error:
        raise InvalidInputError(f"{path} is not a valid record: {first_fault(error)}; run its job again.") from None


def read_stored(path: Path, key: str, newest: int) -> dict[str, Any]:
    """The content of a JSON file whose schema number stands under `key`. Raises as `load_record` does."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingDataError(f"There is no record at {path}; give a record file or a folder of records.") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder; name one of the record files in it.") from None
    except (OSError, ValueError, RecursionError) as error:
        again = "time it again with --overwrite" if key == TIME_KEY else "run its job again"
        raise InvalidInputError(f"{path} is not a record: {error}; {again}.") from None
    if not isinstance(raw, dict) or type(raw.get(key)) is not int:  # JSON's true is an int to Python
        other = key != TIME_KEY and isinstance(raw, dict) and TIME_KEY in raw
        what = "a time record, which this command does not read" if other else "no ganbench record"
        raise InvalidInputError(f"{path} is {what}: it has no {key} number; leave it out.")
    if raw[key] < 1:
        raise InvalidInputError(f"{path} has {key} {raw[key]}, which no ganbench ever wrote; leave it out.")
    if raw[key] > newest:
        raise InvalidInputError(
            f"{path} has {key} {raw[key]}, newer than {newest}, the newest that this ganbench reads; upgrade ganbench."
        )
    return raw


def first_fault(error: ValidationError) -> str:
    """Where the first value that is not right stands, and what is wrong with it."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'as a whole'}: {first['msg']}"


def output_folder(path: Path) -> Path:
    """The folder that the `files` of the record at `path` are relative to: the one that holds `records/`, else the record's own."""
    resolved = path.resolve()
    return next((folder.parent for folder in resolved.parents if folder.name == "records"), resolved.parent)


def load_records(paths: list[Path]) -> list[Record]:
    """Read every record among files and folders: those of `record_files`, in its order. Raises as it does, and as `load_record`."""
    return [load_record(path) for path in record_files(paths)]


def record_files(paths: list[Path]) -> list[Path]:
    """The record files among files and folders (searched for *.json), sorted by path; a file named twice stands once.

    A folder may hold other JSON files: inside a folder, only files below a folder called `records` are read where there is one.
    Time records are left out. Raises MissingDataError when a path is not there, and when there is no record at all.
    """
    found = each_once(paths, record_files_of)
    if not found:
        raise MissingDataError(f"There are no records in {', '.join(map(str, paths))}; run a suite first, or name another folder.")
    return found


def record_files_of(path: Path, below: list[Path]) -> list[Path]:
    """The record files among the JSON files `below` a path; none where it is a folder of time records, whose cache is JSON too."""
    folders = {file: file.relative_to(path).parts[:-1] if path.is_dir() else () for file in below}
    if filed := [file for file, names in folders.items() if "records" in names]:
        return filed
    timed = {file: is_time_record(file) for file in below}  # one that cannot be read stays, for whoever loads it to tell
    of_times = any(timed[file] for file, names in folders.items() if "times" in names)
    return [] if of_times else [file for file in below if not timed[file]]


def each_once(paths: list[Path], chosen: Callable[[Path, list[Path]], list[Path]]) -> list[Path]:
    """What `chosen(path, JSON files below it)` gives for files and folders in turn, sorted below each; a file named twice once.

    Raises MissingDataError when a path is not there.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise MissingDataError(f"There is no record at {path}; give a record file or a folder of records.")
        below = sorted(file for file in path.rglob("*.json") if file.is_file()) if path.is_dir() else [path]
        found.update((os.path.realpath(file), file) for file in chosen(path, below) if os.path.realpath(file) not in found)
    return list(found.values())


def is_time_record(path: Path) -> bool | None:
    """Whether a file holds a time record, of `ganbench.times`, and not the record of a run; None for one that cannot be read."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return isinstance(raw, dict) and TIME_KEY in raw


def check_apart(out: Path, paths: list[Path], files: list[Path]) -> None:
    """Raises UsageError where JSON written to `out` would be read as records when `paths` are read again.

    `files` are the record files of the paths. That is so in a folder `records`, and anywhere in a folder that has none.
    """
    place = out.resolve()
    homes = {folder for file in files for folder in file.resolve().parents if folder.name == "records"}
    for path in (path.resolve() for path in paths if path.is_dir()):
        below = [file for file in files if file.resolve().is_relative_to(path)]
        if not any("records" in file.resolve().relative_to(path).parts for file in below):
            homes.add(path)
    if inside := [home for home in homes if place.is_relative_to(home)]:
        raise UsageError(f"--out {out} lies in {inside[0]}, where all JSON is read as records; name a folder outside it.")
