"""The checkpoints of a model card: copied from beside the records where they are kept, and only when they are what those state."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ganbench.errors import InvalidInputError
from ganbench.files import digest, write_atomically
from ganbench.leaderboard.summary import Row
from ganbench.record import Record, load_record, output_folder


def located(paths: Iterable[Path]) -> list[tuple[Record, Path]]:
    """Every record with the folder that its files are relative to: the one that holds `records`, else its own."""
    return [(load_record(path), output_folder(path)) for path in paths]


def copy_checkpoints(rows: Sequence[Row], places: Sequence[tuple[Record, Path]], out: Path) -> list[str]:
    """Copy the kept checkpoints of the rows' seeds to `out/checkpoints` and return their names relative to `out`.

    Raises InvalidInputError for one that is not the record's by its sha256, or lies outside the record's folder.
    """
    roots = {record.fingerprint: root for record, root in places}
    copied: dict[str, str] = {}  # names by content, for a row stands in every table of its data set
    for row in rows:
        for record in row.records:
            root = roots.get(record.fingerprint)
            source = None if root is None else _kept(record, root)
            if source is None or record.checkpoint_hash in copied:
                continue
            parts = (_plain(record.dataset.name), _plain(record.variant.name), row.specification_hash[:8], f"seed-{record.seed}")
            name = "/".join(("checkpoints", *parts)) + source.suffix
            content = source.read_bytes()
            if digest(content) != record.checkpoint_hash:
                raise InvalidInputError(f"{source} is not the checkpoint whose hash its record states; copy it again.")
            write_atomically(out / name, content)
            described = source.with_suffix(".json")
            if described.is_file() and described != source:
                write_atomically((out / name).with_suffix(".json"), _description(described, record))
            copied[record.checkpoint_hash] = name
    return list(copied.values())


def _description(path: Path, record: Record) -> bytes:
    """The file that says what to build, when it is of the record's checkpoint."""
    content = path.read_bytes()
    if described_hash(content) != record.checkpoint_hash:
        raise InvalidInputError(f"{path} does not describe the checkpoint of its record; copy it again.")
    return content


def described_hash(content: bytes) -> str | None:
    """The sha256 of the checkpoint that a description, the JSON beside it, is of; None where it states none."""
    try:
        stated = json.loads(content)["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return stated if isinstance(stated, str) else None


def _kept(record: Record, root: Path) -> Path | None:
    """A record's checkpoint; None where it names none, or it is not there."""
    name = record.files.get("checkpoint")
    if not name or record.checkpoint_hash is None:
        return None
    try:
        path = (root / name).resolve()
        outside = not path.is_relative_to(root.resolve())
        kept = path.is_file()
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"The checkpoint {name[:80]!r} of seed {record.seed} cannot be opened: {error}.") from None
    if outside:
        raise InvalidInputError(
            f"The record of seed {record.seed} names {name[:80]!r}, which lies outside its folder; leave it out."
        )
    return path if kept else None


def _plain(name: str) -> str:
    """A name of a folder that no file system and no address obeys."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "unnamed"
