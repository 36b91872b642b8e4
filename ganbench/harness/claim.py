"""Who writes into an output folder: one run at a time, here by a lock, on other machines by the token that the lock file holds."""

from __future__ import annotations

import fcntl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganbench.errors import UsageError


@contextmanager
def claim(out: Path) -> Iterator[str]:
    """Hold the output folder for this process and yield the run's token; the lock goes with the process, however it ends.

    Raises UsageError when the folder cannot be written or another run holds it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        file = _lock_path(out).open("a")  # not "w", which would take the token of the run that holds the folder
    except OSError as error:
        raise UsageError(f"The output folder {out} cannot be written ({error.strerror}); choose another --out.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"Another run is writing to {out}; wait for it, or choose another --out.") from None
        token = uuid.uuid4().hex
        file.truncate(0)
        file.write(token)
        file.flush()
        try:
            yield token
        finally:
            file.truncate(0)  # workers that outlive the run see that nobody waits for them


def holds(out: Path, token: str) -> bool:
    """Whether the run of that token still holds the folder; always so for the empty token, of jobs that no run waits for.

    A run that was killed holds its folder until the next one claims it: what it left in a queue may finish.
    """
    try:
        return not token or _lock_path(out).read_text() == token
    except OSError:
        return True  # a shared disk that does not answer now is no reason to stop


def _lock_path(out: Path) -> Path:
    return out / ".lock"
