"""The registry: variants, datasets, extractors and metrics are found by file.

One file holds one idea and ends in a constant built by a call with a literal name:

    VARIANT = adversarial(name="wgan-gp", family="loss", paper="Gulrajani et al. 2017, arXiv:1704.00028", ...)

The name and every other literal argument, or constant of the file that is a literal, are read from the syntax tree, so that listing
imports neither the file nor torch;
the file is imported when its entry is loaded. Files are visited in sorted order, and a name used twice is an error.
Entries outside the package are a path to a Python file (`./my_gan.py`) or an entry point of the group `ganbench.<kind>`.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib
import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganbench.errors import GanbenchError, InvalidInputError, MissingDataError, UsageError, unknown_name
from ganbench.files import expanded

KINDS = ("variants", "datasets", "metrics", "extractors")
# The classes by name: their files stand on higher floors.
TYPES = {"variants": {"Variant", "Control"}, "datasets": {"Dataset"}, "metrics": {"Metric"}, "extractors": {"Extractor"}}
PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Entry:
    """One registered name, known without importing its file. `reference` finds it again in another process."""

    kind: str
    name: str
    path: Path
    symbol: str
    module: str | None = None
    doc: str = ""
    facts: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def reference(self) -> str:
        """`name` for a built-in or an entry point, `/absolute/path.py` for a file of the user's."""
        return self.name if self.module else str(self.path)

    @property
    def source_hash(self) -> str:
        """sha256 of the file that defines the entry: a record says which code it measured."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def load(self) -> Any:
        """Import the file and return the object. Raises InvalidInputError when it does not import or is of another type."""
        loaded: Any = getattr(_import(self), self.symbol, None)
        if not {each.__name__ for each in type(loaded).__mro__} & TYPES[self.kind]:
            wanted = " or ".join(f"{'an' if name[0] in 'AEIO' else 'a'} {name}" for name in sorted(TYPES[self.kind], reverse=True))
            raise InvalidInputError(f"{self.path} holds a {type(loaded).__name__}, not {wanted}; bind {self.symbol} to one.")
        if loaded.name != self.name:
            raise InvalidInputError(
                f"{self.path} gives {self.symbol} the name {self.name!r}, and it has {loaded.name!r}; use one name."
            )
        return loaded


def scan_file(kind: str, path: Path, module: str | None = None) -> list[Entry]:
    """The entries that one file defines, in its order. Raises InvalidInputError when the file is not Python."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except FileNotFoundError:
        raise MissingDataError(f"There is no file {path}; give the path of a Python file that defines one of the {kind}.") from None
    except (SyntaxError, UnicodeDecodeError, OSError) as error:
        raise InvalidInputError(f"{path} is not a Python file that can be read: {error}.") from None
    doc = ast.get_docstring(tree) or ""
    entries, constants = [], _constants(tree)
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=symbol)], value=ast.Call() as call)
                | ast.AnnAssign(target=ast.Name(id=symbol), value=ast.Call() as call)
            ) if symbol.isupper():
                facts = _literal_keywords(call, constants)
                if isinstance(facts.get("name"), str):
                    entries.append(Entry(kind, facts["name"], path, symbol, module, doc, facts))
    return entries


@functools.cache
def entries(kind: str) -> dict[str, Entry]:
    """All installed entries of a kind by name: the package's own files first, then other packages' entry points."""
    found: dict[str, Entry] = {}
    for path in sorted((PACKAGE / kind).glob("*.py")):
        if path.stem != "__init__":
            for entry in scan_file(kind, path, f"ganbench.{kind}.{path.stem}"):
                _add(found, entry)
    from importlib.metadata import entry_points  # slow to import, and most of what is asked of a registry is in its files

    for point in sorted(entry_points(group=f"ganbench.{kind}"), key=lambda p: p.name):
        if point.dist is not None:
            path = Path(str(point.dist.locate_file(point.module.replace(".", "/") + ".py")))
            for entry in scan_file(kind, path, point.module):
                if entry.symbol == point.attr:
                    _add(found, entry)
    return found


def find(kind: str, reference: str) -> Entry:
    """The entry that `reference` names: a registered name, or a path to a Python file that defines one entry.

    Raises UsageError for a name that is not known (with the nearest one) and for a file that defines none or several.
    """
    if reference.endswith(".py"):
        path = expanded(reference).resolve()
        found = _scanned(kind, path, _version(path))
        if len(found) != 1:
            raise UsageError(
                f"{path} defines {len(found)} {kind} where one is wanted; end the file with one constant such as "
                f'{kind[:-1].upper()} = ...(name="my-{kind[:-1]}", ...).'
            )
        if found[0].name in entries(kind):
            raise UsageError(f"{path} calls its {kind[:-1]} {found[0].name!r}, which is taken; choose another name.")
        return found[0]
    known = entries(kind)
    if reference not in known:
        raise unknown_name(kind[:-1], reference, list(known))
    return known[reference]


@functools.lru_cache(maxsize=1000)
def _scanned(kind: str, path: Path, version: tuple[int, int] | None) -> list[Entry]:
    """`scan_file` of a file in this version: a plan of thousands of jobs asks for the same few files again and again."""
    return scan_file(kind, path)


def _version(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None  # scan_file says what is wrong
    return stat.st_mtime_ns, stat.st_size


def _add(found: dict[str, Entry], entry: Entry) -> None:
    if entry.name in found:
        raise InvalidInputError(
            f"Two of the {entry.kind} are called {entry.name!r}: {found[entry.name].path} and {entry.path}; rename one of them."
        )
    found[entry.name] = entry


def _literal_keywords(call: ast.Call, constants: dict[str, ast.expr]) -> dict[str, Any]:
    facts = {}
    for keyword in call.keywords:
        value = constants.get(keyword.value.id) if isinstance(keyword.value, ast.Name) else keyword.value
        if keyword.arg is not None and value is not None:
            try:
                facts[keyword.arg] = ast.literal_eval(value)
            except ValueError:
                continue
    return facts


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """What the file's own uppercase names are bound to."""
    found: dict[str, ast.expr] = {}
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name), *_], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if name.isupper():
                found[name] = value
    return found


def _import(entry: Entry) -> Any:
    if entry.module:
        return importlib.import_module(entry.module)
    name = f"ganbench_file_{hashlib.sha256(str(entry.path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, entry.path)
    if spec is None or spec.loader is None:
        raise InvalidInputError(f"{entry.path} is not a Python file that can be imported; its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what a file prints must not mix with results
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's own code: whatever it raises is reported as the file's fault
        del sys.modules[name]
        told = str(error) if isinstance(error, GanbenchError) else f"{type(error).__name__}: {error}."
        raise InvalidInputError(f"{entry.path} does not import: {told}") from error
    return module
