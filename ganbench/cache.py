"""Features and moments, kept by content: what an extractor said of items with a given hash.

The folder holds `features/<key>.safetensors` and `moments/<key>.safetensors`, where a key is made of the items' content hash and
all that the extractor's features depend on, and `sources/<fingerprint>.json`, which tells the content hash of files that need not
be decoded again. Files are written whole, and a lock lets two processes share the work: the second waits, then reads.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from ganbench.errors import UsageError
from ganbench.extractor import Features, LoadedExtractor, Statistics
from ganbench.files import digest, writable_folder, write_atomically

VERSION = 1  # of the layout and of the keys
OWN = {  # the folders of a cache, and how the files are called that ganbench writes there
    "features": r"[0-9a-f]{32}\.safetensors|\.[0-9a-f]{32}\.safetensors\..*\.part",
    "moments": r"[0-9a-f]{32}\.safetensors|\.[0-9a-f]{32}\.safetensors\..*\.part",
    "sources": r"[0-9a-f]{64}\.json|\.[0-9a-f]{64}\.json\..*\.part",
    "locks": r"[0-9a-f]{32}\.lock",
}


def default_folder() -> Path:
    """Where features are kept when the user names no folder: $GANBENCH_CACHE, else ganbench in the user's cache folder."""
    named = os.environ.get("GANBENCH_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "ganbench"
    except RuntimeError:
        raise UsageError("There is no home folder to keep features in; name a folder with --cache DIR, or --no-cache.") from None


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
        for folder in (self.folder, *(self.folder / kind for kind in OWN)):
            if not writable_folder(folder):
                raise UsageError(f"The cache {folder} cannot be written; name another folder with --cache DIR, or --no-cache.")

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
        if kept is None:
            return None
        return Features(kept["features"], kept.get("logits"), known_moments=self.moments(key))

    def features_size(self, key: str) -> int:
        """How many bytes the features with that key take, 0 where they are not kept."""
        try:
            return (self.folder / "features" / f"{key}.safetensors").stat().st_size
        except OSError:
            return 0

    def moments(self, key: str) -> Statistics | None:
        """The moments of the features with that key, which may be kept without them."""
        kept = self._read("moments", key)
        return None if kept is None else Statistics(kept["mean"], kept["covariance"])

    def keep_features(self, key: str, features: Features) -> None:
        """Write features and logits."""
        self._write("features", key, {"features": features.features, "logits": features.logits})

    def keep_moments(self, key: str, moments: Statistics) -> None:
        """Write moments, beside their features or without them."""
        self._write("moments", key, {"mean": moments.mean, "covariance": moments.covariance})

    def usage(self) -> Usage:
        """How many files ganbench keeps in the cache and how large they are; locks are not counted."""
        sizes = [path.stat().st_size for path in self._own() if path.suffix != ".lock"]
        return Usage(self.folder, len(sizes), sum(sizes))

    def clear(self) -> None:
        """Remove the files that ganbench keeps there, and nothing else: what has another name stays."""
        for path in self._own():
            path.unlink(missing_ok=True)
        for kind in OWN:
            with contextlib.suppress(OSError):  # it is not empty, or not there
                (self.folder / kind).rmdir()

    def _own(self) -> list[Path]:
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"{self.folder} is no folder, so it is no cache; name another with --cache DIR.")
        return [
            path for kind, name in OWN.items() for path in sorted((self.folder / kind).glob("*")) if re.fullmatch(name, path.name)
        ]

    def _read(self, kind: str, key: str) -> dict[str, Tensor] | None:
        path = self.folder / kind / f"{key}.safetensors"
        try:
            with safe_open(path, framework="pt") as file:
                said = (file.metadata() or {}).get("sha256")
            # cloned: a file's tensors lie at any address, and sums over them round otherwise than over torch's own, aligned ones
            kept: dict[str, Tensor] = {name: tensor.clone() for name, tensor in load_file(path).items()}
        except (OSError, SafetensorError):
            return None
        return kept if said == _checksum(key, kept) else None

    def _write(self, kind: str, key: str, tensors: dict[str, Tensor | None]) -> None:
        held = {name: tensor.contiguous().to(torch.device("cpu")) for name, tensor in tensors.items() if tensor is not None}
        write_atomically(self.folder / kind / f"{key}.safetensors", save(held, {"sha256": _checksum(key, held)}))


def _checksum(key: str, tensors: dict[str, Tensor]) -> str:
    """sha256 of a key and the tensors kept under it, so that an altered file, or one under another name, is not taken for it."""
    summed = hashlib.sha256(key.encode())
    for name, tensor in sorted(tensors.items()):
        summed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        summed.update(tensor.contiguous().numpy().data)
    return summed.hexdigest()


def feature_key(items_hash: str, extractor: LoadedExtractor, batch_size: int | None) -> str | None:
    """What the features of items depend on, as 32 hex digits; None where that is not known, for a network without a weights hash.

    `batch_size` counts only where features are to be exact to the bit for it.
    """
    if extractor.weights_hash is None:
        return None
    return digest([VERSION, items_hash, extractor.facts, batch_size])[:32]
