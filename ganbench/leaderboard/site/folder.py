"""The folder of a site: what `publish` may write over, and what it removes."""

from __future__ import annotations

import json
import re
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

from ganbench.errors import UsageError
from ganbench.files import digest, writable_folder, write_atomically

MARKER = ".ganbench-site.json"
STAGE = ".ganbench-site.part"  # where files wait until all are written
# What a site's host keeps in its folder: a git checkout, a domain's name.
NOT_OURS = {".git", "CNAME"}
HALF = re.compile(r"(?:.*/)?\.[^/]*\.part")  # what a killed write leaves
WRITERS = 4  # a write waits for the disk


class SiteFolder:
    """The pages, pictures and downloads of one publish on their way to a folder, as a context.

    Files are written beside the site and take their places in `close`, so that a publish which is stopped or fails before leaves
    the site that was there as it was. Raises UsageError where the folder cannot be written, is a file, or holds other files than a
    site that `publish` made.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        if out.exists() and not out.is_dir():
            raise UsageError(f"--out {out} is a file; name a folder.")
        if not writable_folder(out):
            raise UsageError(f"--out {out} is no folder that can be written; name another.")
        self.before = _made_before(out)
        self.stage = out / STAGE
        self.written: set[str] = set()
        self._pool = ThreadPoolExecutor(WRITERS)
        self._writes: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._clear()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._clear()

    def write(self, name: str, content: bytes | str) -> None:
        """Write one file; `name` is relative, with forward slashes. A file that holds the same already is left alone."""
        self.written.add(name)
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        self._writes.append(self._pool.submit(self._write, name, data))

    def keep(self, png: bytes) -> str:
        """Write a picture under a name that is its content's, and return its address from a page one folder down."""
        name = f"images/{digest(png)[:16]}.png"
        if name not in self.written:
            self.write(name, png)
        return f"../{name}"

    def close(self) -> list[str]:
        """Put every file in its place, remove what an earlier publish left and this one did not write; returns the removed names.

        Raises UsageError when a file could not be written.
        """
        for write in self._writes:
            write.result()
        # A publish that is killed from here on can be repeated: the marker names the files of both.
        write_atomically(self.out / MARKER, _marker(self.before | self.written))
        staged = (path.relative_to(self.stage) for path in self.stage.rglob("*") if path.is_file())
        for path in sorted(staged, key=lambda path: (-len(path.parts), path)):  # pages before those that lead to them
            _move(self.stage / path, self.out / path)
        stale = sorted(self.before - self.written)
        for name in stale:
            (self.out / name).unlink(missing_ok=True)
        for folder in {(self.out / name).parent for name in stale} - {self.out}:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        write_atomically(self.out / MARKER, _marker(self.written))
        return stale

    def _write(self, name: str, data: bytes) -> None:
        path = self.out / name
        if not (path.is_file() and path.read_bytes() == data):
            write_atomically(self.stage / name, data)

    def _clear(self) -> None:
        shutil.rmtree(self.stage, ignore_errors=True)


def _move(path: Path, place: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)
    except OSError as error:
        raise UsageError(f"{place} cannot be written ({error.strerror}); choose another output folder.") from None


def _marker(names: set[str]) -> str:
    return json.dumps({"ganbench_site": 1, "files": sorted(names)}, indent=0) + "\n"


def _made_before(out: Path) -> set[str]:
    """The files that earlier publishes left in the folder. Raises UsageError for any other file."""
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir() or path.is_symlink()}
    there = {name for name in there if name.split("/")[0] not in NOT_OURS and not name.startswith(f"{STAGE}/")} - {MARKER}
    listed = _listed(out / MARKER)
    foreign = sorted(name for name in there - listed if not (listed and HALF.fullmatch(name)))
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
