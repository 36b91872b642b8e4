"""Features and moments, kept by content: what an extractor said of items with a given hash.

The folder holds `features/<key>.safetensors` and `moments/<key>.safetensors`, where a key is made of the items' content hash and
all that the extractor's features depend on, and `sources/<fingerprint>.json`, which tells the content hash of files that need not
be decoded again. Files are written whole, and a lock lets two processes share the work: the second waits, then reads.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from ganbench.errors import UsageError
from ganbench.extractor import Features, LoadedExtractor, Statistics
from ganbench.files import digest, write_atomically

VERSION = 1  # of the layout and of the keys


def default_folder() -> Path:
    """Where features are kept when the user names no folder: $GANBENCH_CACHE, else ganbench in the user's cache folder."""
    named = os.environ.get("GANBENCH_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ganbench"


@dataclass(frozen=True)
class Usage:
    """What a cache folder holds."""

    folder: Path
    files: int
    bytes: int


@dataclass(frozen=True)
class FeatureCache:
    """Features on disk. A file that was cut short or altered counts as absent: its content is computed again."""

    folder: Path

    def check(self) -> None:
        """Raise UsageError, before any work, where nothing can be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            writable = os.access(self.folder, os.W_OK | os.X_OK)
        except OSError:
            writable = False
        if not writable:
            raise UsageError(f"The cache {self.folder} cannot be written; name another folder with --cache DIR, or --no-cache.")

    @contextlib.contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """Wait until no other process works on `what`, and keep others out meanwhile."""
        path = self.folder / "locks" / f"{digest(what.encode())[:32]}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def source_hash(self, fingerprint: str) -> str | None:
        """The content hash of the items of a source that was read before."""
        try:
            found = json.loads((self.folder / "sources" / f"{fingerprint}.json").read_text())["hash"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if isinstance(found, str) else None

    def keep_source(self, fingerprint: str, items_hash: str) -> None:
        """Remember the content hash of a source's items."""
        write_atomically(self.folder / "sources" / f"{fingerprint}.json", json.dumps({"hash": items_hash}) + "\n")

    def features(self, key: str) -> Features | None:
        """The features with that key, with their moments where those are kept too."""
        kept = self._read("features", key)
        if kept is None or "features" not in kept:
            return None
        moments = self._read("moments", key)
        known = None if moments is None else Statistics(moments["mean"], moments["covariance"])
        return Features(kept["features"], kept.get("logits"), known_moments=known)

    def keep_features(self, key: str, features: Features) -> None:
        """Write features and logits."""
        self._write("features", key, {"features": features.features, "logits": features.logits})

    def keep_moments(self, key: str, moments: Statistics) -> None:
        """Write moments beside their features."""
        self._write("moments", key, {"mean": moments.mean, "covariance": moments.covariance})

    def usage(self) -> Usage:
        """How many files lie in the cache and how large they are; locks are not counted."""
        sizes = [path.stat().st_size for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
        return Usage(self.folder, len(sizes), sum(sizes))

    def clear(self) -> None:
        """Remove what ganbench keeps there, and nothing else."""
        for name in ("features", "moments", "sources", "locks"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _read(self, kind: str, key: str) -> dict[str, Tensor] | None:
        path = self.folder / kind / f"{key}.safetensors"
        try:
            kept: dict[str, Tensor] = load_file(path)
        except (OSError, SafetensorError):
            return None
        return kept

    def _write(self, kind: str, key: str, tensors: dict[str, Tensor | None]) -> None:
        held = {name: tensor.contiguous().to(torch.device("cpu")) for name, tensor in tensors.items() if tensor is not None}
        write_atomically(self.folder / kind / f"{key}.safetensors", save(held))


def feature_key(items_hash: str, extractor: LoadedExtractor, batch_size: int | None) -> str | None:
    """What the features of items depend on, as 32 hex digits; None where that is not known, for a network without a weights hash.

    `batch_size` counts only where features are to be exact to the bit for it.
    """
    if extractor.weights_hash is None:
        return None
    return digest([VERSION, items_hash, extractor.facts, batch_size])[:32]
