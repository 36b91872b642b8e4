"""The folder of a site: what `publish` may write over, and what it removes."""

from __future__ import annotations

import json
import re
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from ganbench.errors import UsageError
from ganbench.files import digest, writable_folder, write_atomically

MARKER = ".ganbench-site.json"
# What a site's host keeps in its folder: a git checkout, a domain's name.
NOT_OURS = {".git", "CNAME"}
# Files of ours that a publish which was killed may have left unlisted.
UNLISTED = re.compile(r"images/[0-9a-f]{16}\.png|(?:.*/)?\.[^/]*\.part")
WRITERS = 4  # a write waits for the disk


class SiteFolder:
    """The pages, pictures and downloads of one publish on their way to a folder.

    Raises UsageError where the folder cannot be written, is a file, or holds other files than a site that `publish` made.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        if out.exists() and not out.is_dir():
            raise UsageError(f"--out {out} is a file; name a folder.")
        if not writable_folder(out):
            raise UsageError(f"--out {out} is no folder that can be written; name another.")
        self.before = _made_before(out)
        self.written: set[str] = set()
        self._pool = ThreadPoolExecutor(WRITERS)
        self._writes: list[Future[None]] = []

    def expect(self, names: list[str]) -> None:
        """Say what will be written, so that a publish that is killed half way can be repeated."""
        write_atomically(self.out / MARKER, _marker(self.before | set(names)))

    def write(self, name: str, content: bytes | str) -> None:
        """Write one file; `name` is relative, with forward slashes. A file that holds the same already is left alone."""
        self.written.add(name)
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        self._writes.append(self._pool.submit(_write, self.out / name, data))

    def keep(self, png: bytes) -> str:
        """Write a picture under a name that is its content's, and return its address from a page one folder down."""
        name = f"images/{digest(png)[:16]}.png"
        if name not in self.written:
            self.write(name, png)
        return f"../{name}"

    def close(self) -> list[str]:
        """Wait for every write, remove what an earlier publish left and this one did not write, and return the removed names.

        Raises UsageError when a file could not be written.
        """
        for write in self._writes:
            write.result()
        self._pool.shutdown()
        stale = sorted(self.before - self.written)
        for name in stale:
            (self.out / name).unlink(missing_ok=True)
        for folder in {(self.out / name).parent for name in stale} - {self.out}:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        write_atomically(self.out / MARKER, _marker(self.written))
        return stale


def _write(path: Path, data: bytes) -> None:
    if not (path.is_file() and path.read_bytes() == data):
        write_atomically(path, data)


def _marker(names: set[str]) -> str:
    return json.dumps({"ganbench_site": 1, "files": sorted(names)}, indent=0) + "\n"


def _made_before(out: Path) -> set[str]:
    """The files that earlier publishes left in the folder. Raises UsageError for any other file."""
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir() or path.is_symlink()}
    there = {name for name in there if name.split("/")[0] not in NOT_OURS} - {MARKER}
    listed = _listed(out / MARKER)
    foreign = sorted(name for name in there - listed if not (listed and UNLISTED.fullmatch(name)))
    if foreign:
        raise UsageError(f"--out {out} holds {foreign[0][:200]!r}, which publish did not make; name an empty folder.")
    return there


def _listed(marker: Path) -> set[str]:
    """The names of the marker that lie in its folder; nothing where it is missing or not one of ours."""
    try:
        content: Any = json.loads(marker.read_text(encoding="utf-8"))
        return {name for name in content["files"] if ".." not in PurePosixPath(name).parts}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return set()
