"""Weights files of feature extractors: found or downloaded, read without running what they hold, and checked before any work.

Nothing is unpickled freely: PyTorch files are read with `weights_only`, TorchScript archives by `torchscript.py`.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import safetensors.torch
import torch
from torch import Tensor, nn

from ganbench.errors import InvalidInputError, MissingDataError
from ganbench.files import file_digest
from ganbench.weights.torchscript import is_torchscript, read_tensors

NetworkT = TypeVar("NetworkT", bound=nn.Module)
PIECE = 1 << 20  # bytes of a download that are held at a time


@dataclass(frozen=True)
class Published:
    """Weights as their authors publish them. `sha256` is the hash or its head, "" where none is published with the file."""

    what: str  # "Inception weights"
    url: str
    megabytes: int
    sha256: str = ""
    kept_as: str = ""  # the file's name in torch's cache of downloads; "": the last part of the address

    @property
    def where(self) -> str:
        """How to get the file, to stand at the end of an error."""
        return f"get {self.url} and pass it with --weights FILE."

    @property
    def kept(self) -> Path:
        """The place of the download in torch's own cache."""
        return Path(torch.hub.get_dir()) / "checkpoints" / (self.kept_as or self.url.rpartition("/")[2])

    def refuse(self, path: Path, reason: str) -> InvalidInputError:
        """The error for a file that does not hold these weights."""
        return InvalidInputError(f"{path} does not hold {self.what}: {reason}; {self.where}")


@dataclass(frozen=True)
class Weights:
    """The tensors of a file by name, all finite, the file's sha256, and notes for a reader of the scores."""

    path: Path
    tensors: dict[str, Tensor]
    hash: str
    notes: tuple[str, ...] = ()


def load_weights(published: Published, named: Path | None) -> Weights:
    """The weights in the file that the user named, or the published ones from torch's cache or their address.

    A named file may have another hash than the published one, and a note says so. Raises MissingDataError where there is no such
    file, or neither a file nor a network; InvalidInputError for a file that is damaged or holds more or other than finite tensors.
    """
    path = named or published.kept
    if named is None and not path.exists():
        _download(published, path)
    if path.is_dir():
        raise published.refuse(path, "it is a folder")
    try:
        found = file_digest(path)
    except OSError as error:
        raise MissingDataError(f"{path} cannot be read ({error.strerror}); {published.where}") from None
    as_published = found.startswith(published.sha256)
    if named is None and not as_published:
        raise InvalidInputError(f"{path} is damaged: its sha256 starts with {found[:8]}, not {published.sha256[:8]}; delete it.")
    tensors = _read(published, path)
    for name, tensor in tensors.items():
        _check(published, path, name, tensor)
    note = (
        f"the {published.what} have sha256 {found[:8]}..., not the published {published.sha256[:8]}...: "
        "these scores compare with no paper's."
    )
    return Weights(path, tensors, found, () if as_published else (note,))


def fill(build: Callable[[], NetworkT], weights: Weights, published: Published) -> NetworkT:
    """The network that `build` makes, holding the weights in float32, frozen and in evaluation mode, on the CPU.

    It is built without memory or random draws. Raises InvalidInputError unless names and shapes are exactly the network's; counts
    of batches, which some files of batch norm hold and others not, are left out.
    """
    with torch.device("meta"):
        network = build()
    tensors = {name: tensor for name, tensor in weights.tensors.items() if not name.endswith("num_batches_tracked")}
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name, tensor in tensors.items():
        if name in shapes and not tensor.is_floating_point():
            raise published.refuse(weights.path, f"{name} is {str(tensor.dtype).removeprefix('torch.')}, not floating-point")
        if name in shapes and tuple(tensor.shape) != shapes[name]:
            raise published.refuse(weights.path, f"{name} has shape {tuple(tensor.shape)}, not {shapes[name]}")
    missing, unexpected = network.load_state_dict(tensors, strict=False, assign=True)
    if missing:
        raise published.refuse(weights.path, f"its tensors are others, {missing[0]} is not there")
    if unexpected:
        raise published.refuse(weights.path, f"its tensors are others, {unexpected[0]} is one too many")
    return network.float().requires_grad_(False).eval()


def _read(published: Published, path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        if is_torchscript(path):
            return read_tensors(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can make these readers raise almost anything
        unsafe = "weights_only" in str(error).lower()
        reason = "it holds more than tensors" if unsafe else "it is damaged, or no PyTorch file"
        raise published.refuse(path, reason) from None
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise published.refuse(path, f"it holds a {type(state).__name__}, not tensors by name")
    return state


def _check(published: Published, path: Path, name: str, tensor: object) -> None:
    """Refuse what would fail, or give NaN, only when images have been read."""
    if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or tensor.device.type != "cpu":
        raise published.refuse(path, f"{name} is no tensor that can be read")
    bad = int((~tensor.isfinite()).sum())
    if bad:
        raise published.refuse(path, f"{name} has {bad} values that are NaN or infinite")
    if name.endswith("running_var") and bool((tensor < 0).any()):
        raise published.refuse(path, f"{name} is a variance and has negative values")


def _download(published: Published, path: Path) -> None:
    """Fetch the published weights to `path`, or raise MissingDataError. Content with another hash is not kept."""
    print(f"Fetching {published.url} ({published.megabytes} MB)", file=sys.stderr)
    try:
        with urllib.request.urlopen(published.url, timeout=30) as answer:
            found = _keep(iter(lambda: answer.read(PIECE), b""), path, published.sha256)
    except OSError:
        raise MissingDataError(
            f"The {published.what} are not on this machine and could not be downloaded; {published.where}"
        ) from None
    if not found.startswith(published.sha256):
        raise MissingDataError(
            f"The download of the {published.what} has sha256 {found[:8]}, not {published.sha256[:8]}; {published.where}"
        )


def _keep(pieces: Iterable[bytes], path: Path, sha256: str) -> str:
    """Write pieces to `path`, whole or, where their sha256 does not start with the one given, not at all; returns their sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        found = hashlib.sha256()
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                found.update(piece)
                file.write(piece)
        if found.hexdigest().startswith(sha256):
            Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return found.hexdigest()
