"""Time records: how fast one machine trains, samples and scores. Tables of speed are functions of them alone.

One file for each variant, data set and number of stacked seeds, and one for each metric of a data set. They have a schema number of
their own under the key `time_schema`, so that nobody takes them for records of runs.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from ganbench.environment import device_in_words
from ganbench.errors import InvalidInputError, MissingDataError
from ganbench.files import digest, write_atomically
from ganbench.record import (
    TIME_KEY,
    DatasetFacts,
    Model,
    Plain,
    Record,
    Sampled,
    VariantFacts,
    each_once,
    first_fault,
    is_time_record,
    load_record,
    read_stored,
    record_files_of,
)

TIME_SCHEMA = 1


class Spread(Model):
    """Wall seconds of the same work, done `rounds` times: the fastest round, both quartiles and the median.

    Quartiles are interpolated between rounds (Hyndman and Fan 1996, type 7, numpy's default).
    """

    fastest: float
    first_quartile: float
    median: float
    third_quartile: float
    rounds: int

    @classmethod
    def of(cls, seconds: Sequence[float], parts: int = 1) -> Spread:
        """The spread of one of `parts` equal parts of each round."""
        each = [value / parts for value in seconds]
        low, middle, high = statistics.quantiles(each, method="inclusive") if len(each) > 1 else each * 3
        return cls(fastest=min(each), first_quartile=low, median=middle, third_quartile=high, rounds=len(each))


class _Timed(Model):
    """What every time record says. `specification` is all that decides what was timed, the machine apart."""

    time_schema: int = TIME_SCHEMA
    ganbench_version: str
    command: str
    dataset: DatasetFacts
    specification: dict[str, Any]
    environment: dict[str, Plain]
    finished_at: str

    @property
    def device(self) -> str:
        """What it was measured on, in words: the GPU, else the processor with its threads. Others are never compared with it."""
        return device_in_words(self.environment)

    def to_json(self) -> str:
        """The record as stored: indented JSON that ends in a newline."""
        return self.model_dump_json(indent=1) + "\n"

    def save(self, path: Path) -> None:
        """Write the record atomically."""
        write_atomically(path, self.to_json())


class VariantTimes(_Timed):
    """How fast a variant trains with so many stacked seeds, and how fast its generator samples.

    `step` is one training step of all seeds, of those that learning curves do not look at; a round is `steps_per_round` of them.
    `images_per_second` counts the images of all phases' batches, of all seeds; `images_per_step` those of one. `executed` says how
    steps were run, `compile_seconds` what compiling their gradients took, before any round. `diverged_seeds` had a loss or
    parameter that was not finite after the last round. `peak_memory_bytes` is the most that torch held on a CUDA device while it
    trained; None on a CPU, where only the process's is known, which holds what was timed before.

    Of the generator in evaluation mode: `latency` of one sample in a batch of one, `batch` of 256, `samples_per_second` 256 over
    its median, and `flops_per_sample` as `record.Timing` has it. None where the generator cannot be run for it.
    """

    kind: Literal["variant"] = "variant"
    variant: VariantFacts
    seeds: int
    executed: str
    parameters: dict[str, int]
    steps_per_round: int
    images_per_step: int
    step: Spread
    images_per_second: float
    compile_seconds: float | None = None
    peak_memory_bytes: int | None = None
    diverged_seeds: int = 0
    latency: Spread | None = None
    batch: Spread | None = None
    samples_per_second: float | None = None
    flops_per_sample: int | None = None

    @property
    def recipe_of(self) -> str:
        """The suite whose recipe was timed; "its own" for the variant's own."""
        return str(self.specification.get("suite") or "its own")

    @property
    def how(self) -> dict[str, Any]:
        """What the specification says of execution: compiled gradients, tf32, bf16."""
        return {name: self.specification[name] for name in ("compile", "precision") if name in self.specification}


class MetricTimes(_Timed):
    """How long one metric takes on features of real samples, and how fast the extractor gives those.

    `extraction` is the pass of all `samples` through the extractor, `images_per_second` their number over its median. `compute` is
    the metric alone, from the features of both sides on: nothing that another metric or round has computed is kept for it.
    """

    kind: Literal["metric"] = "metric"
    label: str
    metric: dict[str, Plain]
    extractor: dict[str, Plain]
    samples: Sampled
    reference: Sampled
    extraction: Spread
    images_per_second: float
    compute: Spread


TimeRecord = VariantTimes | MetricTimes
_any_kind: TypeAdapter[TimeRecord] = TypeAdapter(Annotated[TimeRecord, Field(discriminator="kind")])


def place_of(record: TimeRecord) -> Path:
    """Where a record lies below its output folder."""
    if isinstance(record, MetricTimes):
        return metric_place(record.device, record.dataset.name, record.label)
    return variant_place(record.device, record.dataset.name, record.variant.name, record.seeds, record.how)


def variant_place(device: str, dataset: str, variant: str, seeds: int, how: Mapping[str, Any]) -> Path:
    """Where such a record lies: apart from every other device, number of seeds and way to execute steps."""
    executed = "".join(f"-{name if name == 'compile' else _folder(str(value))}" for name, value in how.items())
    return _home(device, dataset) / "variants" / _folder(variant) / f"seeds-{seeds}{executed}.json"


def metric_place(device: str, dataset: str, label: str) -> Path:
    """Where the record of a metric of a data set lies, by the name of its score: apart from every other device."""
    return _home(device, dataset) / "metrics" / f"{_folder(label)}.json"


def load_times(path: Path) -> TimeRecord:
    """Read one time record. Raises InvalidInputError that names the file, as `load_record` does."""
    raw = read_stored(path, TIME_KEY, TIME_SCHEMA)
    try:
        return _any_kind.validate_python(raw)
    except ValidationError as error:
        raise InvalidInputError(f"{path} is not a valid time record: {first_fault(error)}; time it again.") from None


def all_files(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """The files of records and of time records among files and folders, each sorted by path.

    In a folder that has a folder `records`, time records are looked for below folders called `times` alone. Raises
    MissingDataError when a path is not there, and when there is neither.
    """
    runs, times = each_once(paths, record_files_of), each_once(paths, _time_files_of)
    if not runs and not times:
        raise MissingDataError(f"There are no records in {', '.join(map(str, paths))}; run a suite first, or name another folder.")
    return runs, times


def load_all(paths: list[Path]) -> tuple[list[Record], list[TimeRecord]]:
    """Every record and every time record of `all_files`."""
    runs, times = all_files(paths)
    return [load_record(path) for path in runs], load_each_once(times)


def load_each_once(paths: list[Path]) -> list[TimeRecord]:
    """The time records of these files, of equal ones the first. Raises InvalidInputError where two of the same differ."""
    found: dict[Path, tuple[Path, TimeRecord]] = {}
    for path in paths:
        record = load_times(path)
        first, known = found.setdefault(place_of(record), (path, record))
        if record != known:
            raise InvalidInputError(f"{first} and {path} are of the same timing, with other numbers; leave one of them out.")
    return [record for _, record in found.values()]


def _time_files_of(path: Path, below: list[Path]) -> list[Path]:
    folders = {file: file.relative_to(path).parts[:-1] if path.is_dir() else () for file in below}
    if any("records" in names for names in folders.values()):
        folders = {file: names for file, names in folders.items() if "times" in names and "records" not in names}
    timed = {file: is_time_record(file) for file in folders}
    # One that cannot be read is what its folder says: whoever loads it tells what is wrong.
    return [file for file, names in folders.items() if timed[file] or (timed[file] is None and "times" in names)]


def _home(device: str, dataset: str) -> Path:
    return Path("times") / _folder(device) / _folder(dataset)


def _folder(name: str) -> str:
    """A text as a folder: itself where it is plain, else what is left of it and the start of a hash that tells it from others."""
    if re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", name) and len(name) <= 60:
        return name
    kept = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-") or "x"
    return f"{kept}-{digest(name.encode('utf-8', 'replace'))[:4]}"
