"""Generators in TorchScript, in files of weights, and in Python modules."""

from __future__ import annotations

import importlib
import inspect
import pickle
import re
import sys
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ganbench.errors import InvalidInputError, UsageError, unknown_name
from ganbench.sources.samples import Reading

WRITES_FILES = re.compile(rb"\b(torch|ops\.aten)\.(save|from_file)\b")  # what TorchScript can do beyond computing


@dataclass(frozen=True)
class Loaded:
    """A generator that was read: `call(z)` or `call(z, labels)` gives a tensor or an array.

    `is_whole`: the file is all that the generator depends on, and `content` then is its sha256. `latent_shape` and the
    fixed `batch` are None where the program does not tell; `largest_batch` is the most that it takes.
    """

    call: Callable[..., object]
    content: str | None = None
    latent_shape: tuple[int, ...] | None = None
    batch: int | None = None
    largest_batch: int = sys.maxsize
    is_whole: bool = False
    notes: tuple[str, ...] = ()


def import_named(reference: str) -> object:
    """The object that `module:name` names; modules are looked for in the current folder first.

    Raises UsageError for a module or a name that is not there, InvalidInputError for a module that does not import.
    """
    module_name, _, name = reference.partition(":")
    if not module_name or not name:
        raise UsageError(f"{reference} does not name an object in a module; write module:name.")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # the user's own code: whatever it raises is reported as the module's fault
        if isinstance(error, ModuleNotFoundError) and error.name and module_name.startswith(error.name):
            raise UsageError(
                f"There is no module {error.name}, which {reference} names; start ganbench in the folder that holds it, "
                "or install it."
            ) from None
        raise InvalidInputError(f"The module {module_name} does not import: {type(error).__name__}: {error}.") from error
    finally:
        sys.path.remove(here)
        if here not in sys.path:  # what the module imports later is found too, after all that is installed
            sys.path.append(here)
    if not hasattr(module, name):
        raise unknown_name(f"object in {module_name}", name, [each for each in vars(module) if not each.startswith("_")])
    found: object = getattr(module, name)
    return found


def made_generator(reference: str, found: Any) -> Callable[..., object]:
    """The generator that the named object is, or that it makes where it is a class or needs no argument."""
    try:
        made: Callable[..., object] = found() if _is_factory(found) else found
    except (Exception, SystemExit) as error:  # the user's own code
        raise InvalidInputError(f"{reference} fails without an argument: {type(error).__name__}: {error}.") from error
    if not callable(made):
        raise InvalidInputError(f"{reference} is a {type(made).__name__}, which cannot be called with latents; name a generator.")
    return made


def network_call(name: str, generator: Callable[..., object], device: str) -> Callable[..., object]:
    """A call of the generator on the device; a network is put there, into evaluation mode."""
    if not isinstance(generator, nn.Module):
        return generator
    network = generator.to(device).eval()
    place = next(iter([*network.parameters(), *network.buffers()]), torch.empty(0, device=device))
    dtype = place.dtype if place.is_floating_point() else torch.float32

    def call(z: Tensor, *labels: Tensor) -> object:
        return network(z.to(place.device, dtype), *(each.to(place.device) for each in labels))

    return call


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive rather than one of weights."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.split("/")[1:] == ["constants.pkl"] for name in archive.namelist())


def load_torchscript(path: Path, reading: Reading) -> Loaded:
    """A TorchScript program. Its interpreter knows no Python; one that would write files is refused unless it is trusted."""
    try:
        with zipfile.ZipFile(path) as archive:
            code = b"\n".join(archive.read(name) for name in archive.namelist() if name.endswith(".py"))
        if WRITES_FILES.search(code) and not reading.generator.trust:
            raise InvalidInputError(f"{path} holds code that writes files; pass --trust if you made it yourself.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # that TorchScript grows old is no news to one who scores a file
            program = torch.jit.load(str(path), map_location=reading.device)
    except InvalidInputError:
        raise
    except Exception as error:  # a broken file makes zipfile and torch raise almost anything
        raise unreadable(path, "TorchScript program", error) from None
    return Loaded(network_call(path.name, program, reading.device), is_whole=True)


def load_weights(path: Path, reading: Reading) -> Loaded:
    """The network that `--model` names, with the weights of a file; or, where it is trusted, the network that the file holds.

    The file is a state dict, or holds exactly one beside other things.
    """
    options = reading.generator
    held, notes = _held(path, options.trust)
    if isinstance(held, nn.Module):
        return Loaded(network_call(path.name, held, reading.device), notes=notes)
    state = _state_dict(path, held)
    if options.model is None:
        raise UsageError(f"{path} holds weights without their network; name the code that builds it with --model module:factory.")
    found = import_named(options.model)
    network = found if isinstance(found, nn.Module) else made_generator(options.model, found)
    if not isinstance(network, nn.Module):
        raise InvalidInputError(
            f"{options.model} gives a {type(network).__name__}, not a torch.nn.Module that weights fit; mend it."
        )
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        first = " ".join(str(error).split("\n\t")[1:2]) or str(error)
        raise InvalidInputError(f"The weights in {path} do not fit {options.model}: {first.rstrip('.')}; give its own.") from None
    return Loaded(network_call(path.name, network, reading.device), notes=notes)


def _is_factory(found: object) -> bool:
    if inspect.isclass(found):
        return True
    if isinstance(found, nn.Module) or not callable(found):
        return False
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError):  # it needs an argument, or does not tell
        return False
    return True


def _held(path: Path, trust: bool) -> tuple[object, tuple[str, ...]]:
    """What a file of weights holds, and a note where it was unpickled with leave to run code."""
    if path.suffix.lower() == ".safetensors":
        try:
            return load_file(path), ()
        except (SafetensorError, OSError) as error:
            raise unreadable(path, "file of weights", error) from None
    head = path.read_bytes()[:2]
    if head not in (b"PK", b"\x80\x02") or (head == b"PK" and not zipfile.is_zipfile(path)):
        raise InvalidInputError(f"{path} is no file of weights that torch.save writes, or is cut short; copy it again.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True), ()
    except pickle.UnpicklingError as error:
        if not trust:
            held = re.search(r"Unsupported (?:global|class|operand)[^.]*?(?:GLOBAL )?([\w.]+)", str(error))
            raise InvalidInputError(
                f"{path} holds code beside weights{f' ({held[1]})' if held else ''}, which would run when it is read; save a state "
                "dict alone, or pass --trust if you made it yourself."
            ) from None
    except Exception as error:  # a broken file makes torch raise almost anything
        raise unreadable(path, "file of weights", error) from None
    try:
        held_object: object = torch.load(path, map_location="cpu", weights_only=False)
    except (Exception, SystemExit) as error:  # the code in the file may raise anything
        raise unreadable(path, "file of weights", error) from None
    return held_object, (f"{path.name} was unpickled, which runs code that it holds, since it is trusted",)


def _state_dict(path: Path, held: object) -> dict[str, Tensor]:
    """The one mapping of names to tensors in what a file holds, without the `module.` that parallel training puts before names."""
    states = {"": held} if _is_state(held) else {}
    if not states and isinstance(held, Mapping):
        states = {str(key): value for key, value in held.items() if _is_state(value)}
    if len(states) != 1:
        found = f"several ({', '.join(states)})" if states else f"none in a {type(held).__name__}"
        raise InvalidInputError(f"{path} should hold one state dict and holds {found}; save that of the generator alone.")
    state: dict[str, Tensor] = dict(*states.values())
    if all(name.startswith("module.") for name in state):
        return {name.removeprefix("module."): value for name, value in state.items()}
    return state


def _is_state(held: Any) -> bool:
    return isinstance(held, Mapping) and bool(held) and all(isinstance(each, Tensor) for each in held.values())


def unreadable(path: Path, kind: str, error: BaseException) -> InvalidInputError:
    """The error for a file that is not of its kind, or broken."""
    said = " ".join(str(error).split())[:300] or type(error).__name__
    return InvalidInputError(f"{path} is no {kind} that can be read ({said}); copy it again or save it again.")
