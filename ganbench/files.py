"""Files written whole or not at all, and content hashes."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ganbench.errors import UsageError


def write_atomically(path: Path, content: bytes | str, durable: bool = True) -> None:
    """Write `content` to `path` so that a reader, or a killed process, sees the old file or the new one, never a part.

    `durable` waits for the disk, so that this holds when the machine's power goes too. Parent folders are made. Raises UsageError
    when the place cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        handle, temporary = _beside(path)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); choose another output folder.") from None


def _beside(path: Path) -> tuple[int, str]:
    """A new file in the folder of `path`, open; the folder is made only where it is missing, as it seldom is."""
    try:
        return tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")


def expanded(path: str | Path) -> Path:
    """The path with `~` as the home folder. Raises UsageError where that user or home is not known."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UsageError(f"{path} starts in a home folder that is not known here; write the whole path.") from None


def writable_folder(path: Path) -> bool:
    """Whether files can be written in the folder, which is made where it is missing."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(path, os.W_OK | os.X_OK)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text. Raises ValueError on NaN or infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """sha256 (64 hex digits) of a plain value's canonical JSON, or of bytes."""
    return hashlib.sha256(value if isinstance(value, bytes) else canonical_json(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 (64 hex digits) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
