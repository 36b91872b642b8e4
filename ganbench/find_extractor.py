"""An extractor by its reference: a registered name, a Python file, or any function as `package.module:callable`."""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganbench import registry
from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Extractor, Features, LoadedExtractor, Loading


def find_extractor(reference: str) -> Extractor:
    """The extractor that `reference` names: a registered name, a Python file that defines one, or `package.module:callable`.

    Such a callable takes images (B, C, H, W) uint8, or points (B, D), on the CPU, and gives features (B, F): a floating-point
    tensor or array. Naming a file or a callable runs the user's own code: the module is imported here, from the current folder too.
    Raises UsageError for a name that is not known, InvalidInputError for code that does not import or defines something else.
    """
    if ":" in reference and not reference.endswith(".py"):
        describe = _import(reference)
        return Extractor(reference, 1, "none: the user's own function", None, functools.partial(_load, reference, describe))
    found: Extractor = registry.find("extractors", reference).load()
    return found


def _import(reference: str) -> Callable[[Tensor], object]:
    module_name, _, attribute = reference.partition(":")
    if not module_name or not attribute:
        raise UsageError(f"{reference!r} names no function; write package.module:callable.")
    try:
        with _current_folder_importable():
            found: object = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        raise UsageError(f"The extractor {reference} cannot be imported ({error}); name a module on the Python path.") from error
    except AttributeError as error:
        raise UsageError(f"The extractor {reference} is not there ({error}); name a function that the module has.") from error
    except (Exception, SystemExit) as error:  # the user's own code: whatever it raises is reported as its fault
        raise InvalidInputError(f"{module_name} does not import: {type(error).__name__}: {error}.") from error
    if not callable(found):
        raise UsageError(f"The extractor {reference} is a {type(found).__name__}, which cannot be called; name a function.")
    return found


@contextlib.contextmanager
def _current_folder_importable() -> Iterator[None]:
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _load(reference: str, describe: Callable[[Tensor], object], how: Loading) -> LoadedExtractor:
    if how.weights is not None:
        raise UsageError(f"The extractor {reference} loads its own weights; leave out {how.weights}.")
    return LoadedExtractor(
        name=reference,
        version=1,
        extract=functools.partial(_extract, reference, describe),
        resize=f"as {reference} does it",
        notes=(f"{reference} is the user's own function, whose code and weights have no hash in this protocol.",),
    )


def _extract(reference: str, describe: Callable[[Tensor], object], images: Tensor) -> Features:
    """The callable's answer, checked: (B, F) in float32 or float64, on the CPU."""
    try:
        with torch.no_grad():
            answer = describe(images.clone())  # what it does to its input touches no other extractor's
    except (Exception, SystemExit) as error:  # the user's own code
        raise InvalidInputError(f"The extractor {reference} failed: {type(error).__name__}: {error}; mend it.") from error
    if isinstance(answer, np.ndarray) and answer.dtype.kind == "f":
        answer = torch.from_numpy(np.ascontiguousarray(answer, answer.dtype.newbyteorder("=")))
    if not isinstance(answer, Tensor):
        got = f"a {type(answer).__name__}" if not isinstance(answer, np.ndarray) else f"an array of {answer.dtype}"
        raise InvalidInputError(f"The extractor {reference} gave {got}; it must give floating-point features (B, F).")
    if answer.ndim != 2 or len(answer) != len(images) or not answer.shape[1] or not answer.is_floating_point():
        got = f"{str(answer.dtype).removeprefix('torch.')} of shape {tuple(answer.shape)}"
        raise InvalidInputError(
            f"The extractor {reference} gave {got} for {len(images)} items; it must give floating-point features (B, F)."
        )
    answer = answer.detach().cpu()
    return Features(answer if answer.dtype == torch.float64 else answer.float())
