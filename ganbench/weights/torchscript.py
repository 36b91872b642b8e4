"""The tensors of a TorchScript archive, read without running the code in it.

CLIP's authors publish their weights as such archives. `torch.jit.load` would set up a program; here the archive's pickle is read
with a reader that knows only tensors and nameless containers, and everything else in it is an error.
"""

from __future__ import annotations

import collections
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

DTYPES = {
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "ShortStorage": torch.int16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "BoolStorage": torch.bool,
}


def is_torchscript(path: Path) -> bool:
    """Whether the file is a zip archive as TorchScript writes it."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of the archive's modules by its dotted name: what `torch.jit.load(path).state_dict()` holds, and the buffers
    that are not saved as state beside it.

    Raises what zipfile and pickle raise for a damaged archive, and pickle.UnpicklingError for one that holds anything else.
    """
    with zipfile.ZipFile(path) as archive:
        (name,) = [each for each in archive.namelist() if each.count("/") == 1 and each.endswith("/data.pkl")]
        with archive.open(_stored(archive, name)) as file:
            root = _Reader(file, archive, name.removesuffix("data.pkl")).load()
    found: dict[str, Tensor] = {}
    _collect(root, "", found)
    return found


class _Module:
    """Stands for whatever class the archive's code defines: it keeps the attributes and does nothing."""

    attributes: dict[str, Any]

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        self.attributes = attributes


class _Reader(pickle.Unpickler):
    """Reads tensors, numbers, lists and modules without code."""

    def __init__(self, file: Any, archive: zipfile.ZipFile, prefix: str) -> None:
        super().__init__(file)
        self.archive, self.prefix = archive, prefix

    def find_class(self, module: str, name: str) -> Any:
        """What a global of the pickle stands for; nothing is imported."""
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        match module, name:
            case "torch._utils", "_rebuild_tensor_v2":
                return _view
            case "collections", "OrderedDict":
                return collections.OrderedDict
            case "torch", "device":
                return str
            case "torch", _ if name in DTYPES:
                return DTYPES[name]
            case "torch.jit._pickle", "build_intlist" | "build_doublelist" | "build_boollist" | "build_tensorlist":
                return list
        raise pickle.UnpicklingError(f"weights_only: the archive asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        """The flat tensor of a storage: (name, dtype, key, device, number of elements)."""
        _, dtype, key, _, _ = pid
        data = self.archive.read(_stored(self.archive, f"{self.prefix}data/{key}"))
        return torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0, dtype=dtype)


def _view(flat: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
    return flat.as_strided(size, stride, offset)  # torch checks that it stays within the storage


def _stored(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """The entry, which TorchScript never compresses: so nothing in it is larger than the file."""
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED:
        raise pickle.UnpicklingError(f"{name} is compressed")
    return entry


def _collect(module: _Module, prefix: str, found: dict[str, Tensor]) -> None:
    for name, value in module.attributes.items():
        if isinstance(value, Tensor):
            found[prefix + name] = value
        elif isinstance(value, _Module):
            _collect(value, f"{prefix}{name}.", found)
