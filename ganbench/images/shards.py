"""WebDataset shards: tar archives named by a pattern, `name-{000000..000099}.tar`, as one set of labelled images.

By WebDataset's conventions files of a sample share their name up to the first point of the last part, and stand next to each other:
`0001.png` with `0001.cls`, its class as a number in text, or with `0001.json`, whose "cls" or "label" may be one. Files of other
kinds are passed over. Shards are read where they lie, each in its own order.
"""

from __future__ import annotations

import functools
import json
import os
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath

import numpy as np

from ganbench.errors import InvalidInputError, UsageError
from ganbench.images.listing import check_archive_path, check_entry_size
from ganbench.images.table import IMAGE_SUFFIXES, ImageTable, table_of
from ganbench.images.tar import TarArchive, is_compressed

BRACES = re.compile(r"\{([^{}]*)\}")
RANGE = re.compile(r"(\d+)\.\.(\d+)")
MOST_SHARDS = 100_000
LARGEST_CLASS = 2**63 - 1
LABELS = ("cls", "label")  # of a sample's JSON


def is_pattern(name: str) -> bool:
    """Whether a name stands for several tar archives."""
    return name.endswith(".tar") and BRACES.search(name) is not None and not Path(name).exists()


@functools.lru_cache(maxsize=8)
def expand(pattern: str) -> tuple[str, ...]:
    """The names that a pattern stands for, as a shell expands it: `{08..11}` counts, `{a,b}` lists.

    Raises UsageError for braces with neither, for more than 100,000 names, and for a name that comes twice.
    """
    found = BRACES.search(pattern)
    if found is None:
        return (pattern,)
    said, span = found.group(1), RANGE.fullmatch(found.group(1))
    if span:
        first, last = map(int, span.groups())
        width = max(map(len, span.groups())) if any(end.startswith("0") and len(end) > 1 for end in span.groups()) else 0
        step = 1 if first <= last else -1
        if abs(last - first) >= MOST_SHARDS:
            raise UsageError(f"{pattern} stands for more than {MOST_SHARDS:,} shards; name fewer.")
        parts = [f"{number:0{width}}" for number in range(first, last + step, step)]
    elif "," in said:
        parts = said.split(",")
    else:
        raise UsageError(
            f"{pattern} has {{{said}}}, which stands for nothing; write a range such as {{000000..000099}}, or {{a,b}}."
        )
    names = [name for part in parts for name in expand(pattern[: found.start()] + part + pattern[found.end() :])]
    if len(names) > MOST_SHARDS:
        raise UsageError(f"{pattern} stands for more than {MOST_SHARDS:,} shards; name fewer.")
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise UsageError(f"{pattern} stands for {twice} twice, whose images would count twice; name each shard once.")
    return tuple(names)


@dataclass(frozen=True)
class Shards:
    """The tar archives of a pattern as the place of their files, told by the archive's number, their offsets and sizes."""

    pattern: str
    open_files: Sequence[int] = field(default=(), init=False)  # there may be more shards than files that may be open

    def read(self, where: Sequence[int], name: str) -> bytes:
        """The bytes of a file."""
        shard, offset, size = where
        check_entry_size(self.shown(where, name), size)
        handle = os.open(expand(self.pattern)[shard], os.O_RDONLY | os.O_CLOEXEC)
        try:
            content = os.pread(handle, size, offset)
        finally:
            os.close(handle)
        if len(content) != size:
            raise InvalidInputError(f"{self.shown(where, name)} is cut short; copy the shard again.")
        return content

    def shown(self, where: Sequence[int], name: str) -> str:
        """Its name, and the shard's."""
        return f"{name} in {expand(self.pattern)[where[0]]}"


def list_shards(pattern: str) -> tuple[ImageTable, np.ndarray | None]:
    """The images of all shards in their order, and their classes (N,) int64 where each of them has one.

    Raises MissingDataError where a shard is not there, InvalidInputError for one that is damaged, cut short or compressed, for a
    sample with two images, for a class that is no number, too large a one or beside no image, and where there are no images.
    """
    names: list[str] = []
    where, labels = array("q"), array("q")
    for shard, path in enumerate(map(Path, expand(pattern))):
        check_archive_path(path, "tar")
        if is_compressed(path):
            raise InvalidInputError(f"{path} is compressed, and shards are read where they lie; unpack it first, to a .tar.")
        for name, place, label in _samples(TarArchive(path)):
            names.append(name)
            where.extend((shard, *place))
            if label is not None:
                labels.append(label)
    if not names:
        raise InvalidInputError(f"{pattern} holds no images; name shards that hold image files ({', '.join(IMAGE_SUFFIXES)}).")
    table = table_of(Shards(pattern), names, np.frombuffer(where, np.int64).reshape(-1, 3))
    return table, np.frombuffer(labels, np.int64) if len(labels) == len(names) else None


def _samples(archive: TarArchive) -> Iterator[tuple[str, Sequence[int], int | None]]:
    """The image of each sample, with its class if any."""
    for _, members in groupby(archive.files(), key=lambda member: _split(member[0])[0]):
        files = {_split(name)[1].lower(): (name, where) for name, where in members}
        images = [each for ending, each in files.items() if f".{ending.rpartition('.')[2]}" in IMAGE_SUFFIXES]
        if len(images) > 1:
            said = " and ".join(name for name, _ in images)
            raise InvalidInputError(f"{said} in {archive.path} are two images of one sample; make shards with one image a sample.")
        if images:
            yield (*images[0], _label(archive, files))
        elif "cls" in files:
            raise InvalidInputError(f"{files['cls'][0]} in {archive.path} has no image next to it; make the shard again.")


def _split(name: str) -> tuple[str, str]:
    """A sample's key and the file's ending: the name up to the first point of its last part, and what follows."""
    place = PurePosixPath(name)
    key, _, ending = place.name.partition(".")
    return f"{place.parent}/{key}", ending


def _label(archive: TarArchive, files: dict[str, tuple[str, Sequence[int]]]) -> int | None:
    if "cls" in files:
        name, where = files["cls"]
        try:
            number = int(archive.read(where, name))
        except ValueError:
            raise InvalidInputError(f"{name} in {archive.path} is no class, which is a whole number; mend it.") from None
        return _class(archive, name, number)
    if "json" not in files:
        return None
    name, where = files["json"]
    try:
        told = json.loads(archive.read(where, name))
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{name} in {archive.path} is no JSON ({error}); mend it.") from None
    label = next((told[key] for key in LABELS if key in told), None) if isinstance(told, dict) else None
    return _class(archive, name, label) if isinstance(label, int) and not isinstance(label, bool) else None


def _class(archive: TarArchive, name: str, number: int) -> int:
    """The number. Raises InvalidInputError for one that int64 does not hold."""
    if not -LARGEST_CLASS <= number <= LARGEST_CLASS:
        raise InvalidInputError(f"{name} in {archive.path} says class {str(number)[:20]}..., too large a number; mend it.")
    return number
