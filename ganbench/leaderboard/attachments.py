"""Files that a record names, relative to the output folder. What is missing or broken becomes a sentence, not a traceback."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ganbench.errors import InvalidInputError, MissingDataError
from ganbench.record import Record

LARGEST_BYTES = 64 * 2**20

Folder = Path | Mapping[str, Path]  # the output folder of all records, or that of each by its fingerprint


def attachment(record: Record, kind: str, folder: Folder) -> Path:
    """The file of a record's `files[kind]`.

    Raises MissingDataError when the record names none or it is not there, and InvalidInputError when it lies outside the folder (a
    record may come from anyone) or is larger than 64 MiB.
    """
    if kind not in record.files:
        raise MissingDataError(f"The record of seed {record.seed} names no {kind}.")
    name = record.files[kind]
    folder = folder if isinstance(folder, Path) else folder[record.fingerprint]
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise InvalidInputError(f"The record of seed {record.seed} names {name!r}, which lies outside the output folder.")
        if not path.is_file():
            raise MissingDataError(f"There is no file {name} in the output folder.")
        if path.stat().st_size > LARGEST_BYTES:
            raise InvalidInputError(f"{name} is larger than 64 MiB, too large for a page.")
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"The file {name!r} of seed {record.seed} cannot be opened: {error}.") from None
    return path
